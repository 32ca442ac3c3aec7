"""Transistor processes: what a netlist may use of them, and the few models of a big library that it needs."""
