"""The training loop, its batches, what it computes on, and its progress."""
