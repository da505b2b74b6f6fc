"""Scores of codes: one file per metric, each a pure function on arrays; contract: metrics.base."""
