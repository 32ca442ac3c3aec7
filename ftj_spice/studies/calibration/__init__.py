"""The calibration study: what each tool buys on arrays that spread, and a calibrated array to keep."""
