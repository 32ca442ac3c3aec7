"""Images: data sets, VAE training, and the numpy decoder whose first layer runs on the array."""
