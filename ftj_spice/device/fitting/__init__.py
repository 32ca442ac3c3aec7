"""Measured tables to card parameters: reading CSVs with units, and one module per kind of measurement."""
