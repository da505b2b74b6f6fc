"""What a trained method is asked for and how it is scored: codes, images, features, scores."""
