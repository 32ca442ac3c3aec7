"""Periphery circuits side by side: measured in every condition, drawn by Monte Carlo, judged, compared, begun anew."""
