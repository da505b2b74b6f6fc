"""Learns codes: one file per method or close family."""
