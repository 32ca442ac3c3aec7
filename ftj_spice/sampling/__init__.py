"""The sample phase: trap noise becomes latent vectors."""
