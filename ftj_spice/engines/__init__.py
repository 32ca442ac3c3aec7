"""The engines: circuit simulators behind one protocol."""
