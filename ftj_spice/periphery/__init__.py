"""Periphery measured: test benches for every kind of circuit, figures, macromodels."""
