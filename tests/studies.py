"""Run folders for tests of what is made of them."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from results.arrays import Information, Pictures, Traversal
from results.store import Folder, place

TEN = "0123456789"


def ask(out: Path, method: str, seed: int = 0, **run: Any) -> Folder:
    """Begin a run; `run` overrides what it asks, and `sees` and `representation`."""
    told = {"sees": run.pop("sees", "images"), "representation": run.pop("codes", "encoder")}
    asked: dict[str, Any] = {"dataset": "dsprites", "method": method, "seed": seed, "steps": 1000}
    asked |= {"budget": "quick", "settings": {}, "precision": "float32"} | run
    key = f"{zlib.crc32(json.dumps(asked).encode()):010x}"
    folder = place(out, asked["dataset"], method, seed, key)
    record = {"run": asked, "key": key, **told, "versions": {}, "machine": {}, "started": ""}
    folder.write_config(record)
    return folder


def row(metric: str, value: float | None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    how = {"protocol": "1", "seconds": 0.5, "images": 10000} | more
    return {"metric": metric, "value": value, "reason": reason, **how}


def done(out: Path, method: str, seed: int, *rows: dict[str, Any], **run: Any) -> Folder:
    folder = ask(out, method, seed, **run)
    folder.finish({"rows": list(rows), "train": {"seconds": 1.0, "parameters": 10}})
    return folder


def small_study(out: Path) -> Path:
    """Two methods over three seeds, one of which diverged, with floor and ceiling."""
    for seed, value in enumerate([0.2, 0.3, 0.4]):
        settings = {"beta": 4.0}
        done(out, "betavae", seed, row("mig", value), row("sap", value / 2), settings=settings)
    for seed, value in enumerate([0.5, 0.6]):
        nothing = row("sap", None, "needs codes, and the method has none", images=0)
        done(out, "infogan", seed, row("mig", value), nothing, codes="posthoc")
    ask(out, "infogan", 2, codes="posthoc").fail("diverged", "the loss of [bold]D[/] is nan", 412)
    done(out, "random", 0, row("mig", 0.05), row("sap", 0.01), steps=0, sees="nothing")
    done(out, "truth", 0, row("mig", 1.0), row("sap", 0.9), steps=0, sees="factors")
    return out


def with_pictures(
    folder: Folder, rng: np.random.Generator, factors: tuple[str, ...] = ("x",)
) -> None:
    """Give a run a traversal, pictures and information of two codes, of 8 x 8 pixels."""
    strips = rng.integers(0, 256, (2, 4, 1, 8, 8)).astype(np.uint8)
    values = np.array([[-3.0, -1, 1, 3], [0, 1, 2, np.nan]])
    folder.write(Traversal(strips, ["z1", "c1"], values, "around a draw"))
    prior = rng.integers(0, 256, (3, 2, 4, 1, 8, 8)).astype(np.uint8)
    images = rng.integers(0, 256, (5, 1, 8, 8)).astype(np.uint8)
    folder.write(Pictures(images, images[:2], images[2:4], prior, ["z1", "c1"], values))
    known = rng.random((2, len(factors)))
    means, sizes = rng.random((3 * len(factors), 2)), np.full(len(factors), 3)
    found = Information(
        known, np.ones(len(factors)), np.array([0.5, 2.0]), ["z1", "c1"], [*factors], means, sizes
    )
    found = found._replace(confusion=np.arange(9).reshape(3, 3))
    folder.write(found)
