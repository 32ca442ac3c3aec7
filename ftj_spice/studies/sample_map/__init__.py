"""The map of the sampling array over voltage and time: points, audit, recommendation, figures, report."""
