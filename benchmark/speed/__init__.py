"""What `speed` measures: training, encoding, metrics, and packing of data sets."""
