"""The fingerprint study: chips, conditions, metrics, report."""
