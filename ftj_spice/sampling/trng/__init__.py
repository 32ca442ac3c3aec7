"""Bits from trap noise: digitiser variants that are data, simulated in ngspice and, for many bits, by events."""
