"""Runs the benchmark: `run`, `table`, `load_run` and `score`, see `benchmark.api`.

They are imported when they are used. Importing this makes the other rooms importable from anywhere.
The rooms `datasets`, `methods`, `metrics` and `results` are plain folders beside this one. Hugging
Face's package is called `datasets` too, so the checkout goes first on the path, and a foreign
`datasets` that was imported earlier is an error that says so.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.api import load_run, run, score, table

__all__ = ["load_run", "run", "score", "table"]

ROOT = Path(__file__).resolve().parents[1]

if str(ROOT) not in sys.path[:1]:
    sys.path.insert(0, str(ROOT))

_datasets = sys.modules.get("datasets")
if _datasets is not None and not str(_datasets.__file__).startswith(str(ROOT)):
    raise ImportError(
        f"another package called 'datasets' ({_datasets.__file__}) was imported before "
        "'benchmark'; import benchmark first, or in a process of its own"
    )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from benchmark import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
