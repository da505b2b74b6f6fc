"""What a trained method gives and how it is scored: codes, images, features, scores."""
