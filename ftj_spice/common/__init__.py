"""What every room may use: the error base class, seed streams, packaged resources and strict settings."""
