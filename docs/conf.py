"""Sphinx's configuration: `uv run --group docs sphinx-build -W --keep-going docs build/docs`."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

project = "Disentanglement benchmark"
author = "The disentanglement benchmark's authors"
copyright = author
extensions = ["myst_parser", "generate"]
exclude_patterns = ["_generated"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = project
