"""The training loop, its batches, its arithmetic, and what it shows of its progress."""
