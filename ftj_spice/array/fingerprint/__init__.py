"""The array as a fingerprint: a physical unclonable function of differential column sums of pristine cells."""
