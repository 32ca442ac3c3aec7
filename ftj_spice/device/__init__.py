"""The device: card, conduction and traps, in numpy."""
