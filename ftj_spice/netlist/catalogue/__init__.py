"""Periphery as data: one TOML file and one template per variant, turned into transistors of a process."""
