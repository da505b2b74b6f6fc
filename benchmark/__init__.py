"""Runs the benchmark; importing it makes the other rooms importable from anywhere.

The rooms `datasets`, `methods`, `metrics` and `results` are plain folders beside this one. Hugging
Face's package is called `datasets` too, so the checkout goes first on the path, and a foreign
`datasets` that was imported earlier is an error that says so.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if str(ROOT) not in sys.path[:1]:
    sys.path.insert(0, str(ROOT))

_datasets = sys.modules.get("datasets")
if _datasets is not None and not str(_datasets.__file__).startswith(str(ROOT)):
    raise ImportError(
        f"another package called 'datasets' ({_datasets.__file__}) was imported before "
        "'benchmark'; import benchmark first, or in a process of its own"
    )
