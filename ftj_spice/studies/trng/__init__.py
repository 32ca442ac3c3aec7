"""What people do with random bits: make them, test them, measure digitisers, rates and entropy."""
