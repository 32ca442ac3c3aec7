"""Arrays of junctions: weights to conductances, read cycles, converters."""
