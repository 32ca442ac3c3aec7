"""Transistor processes on this machine: which there are, installing one, checking one in ngspice."""
