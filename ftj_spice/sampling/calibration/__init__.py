"""Calibration of a sampling array whose traps differ from cell to cell, by what its own read-out shows."""
