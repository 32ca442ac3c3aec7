"""Random bits and what can be said of them: files, conditioners, statistical tests, entropy estimates, health tests."""
