"""Writing arrays: biasing schemes, half-select disturb, and incremental-step-pulse program-and-verify.

`sequence.program` drives a `Chip`: `VectorChip` (compiled, whole arrays) or `NgspiceChip` (every pulse a transient).
"""
