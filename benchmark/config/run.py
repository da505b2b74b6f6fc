"""One run: a method on a data set with a seed; frozen, and named by a hash of what it is."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmark.registry import DATASETS, METHODS
from results.store import Folder, place


@dataclass(frozen=True)
class Run:
    """One method on one data set with a seed: its hash names its folder.

    Attributes:
        dataset, method: registered names.
        seed: of the weights, the batches and the noise.
        steps: training steps.
        settings: every hyper-parameter of the method with its value, defaults included.
        budget: the name of the budget that `steps` came from, or `steps`.
        precision: auto, float32, tf32 or bfloat16, as given.
    """

    dataset: str
    method: str
    seed: int
    steps: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget: str = "steps"
    precision: str = "auto"

    @property
    def cls(self) -> Any:
        """The class of its method."""
        return METHODS[self.method].value

    @property
    def version(self) -> int:
        """The version of the method: what an older one trained is another run."""
        return int(METHODS[self.method].facts["version"])

    @property
    def key(self) -> str:
        """Ten hex digits of the SHA-256 of the canonical JSON, the method's version included."""
        hashed = asdict(self) | {"version": self.version}
        del hashed["budget"]  # another name for the same steps is the same run
        text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def folder(self, out: Path) -> Folder:
        """Return its folder below `out`."""
        return place(out, self.dataset, self.method, self.seed, self.key)

    def record(self, precision: str) -> dict[str, Any]:
        """Return what its `run.json` contains: the run, and what its method is.

        Args:
            precision: what it trains in: auto is float32 or bfloat16 there; as given it is stated,
                too.
        """
        from methods.base import defaults  # which imports torch

        usual = defaults(self.cls, self.dataset)
        given = {k: v for k, v in self.settings.items() if v != usual[k]}
        stated = {"settings": given, "defaults": usual, "precision": precision}
        return {
            "run": asdict(self) | stated | {"version": self.version},
            "key": self.key,
            "precision": self.precision,
            "sees": self.cls.sees,
            "representation": self.cls.representation(),
            "sources": {
                "method": METHODS[self.method].source,
                "dataset": DATASETS[self.dataset].source,
            },
        }
