"""What `speed` measures: a training step beside a plain PyTorch loop, and what whole runs take."""
