"""A trained method, read from its run folder: arrays in, arrays out."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from benchmark.errors import UserError
from benchmark.registry import DATASETS, METHODS
from benchmark.training.loop import read
from datasets import load
from methods.base import Batch, Method
from methods.posthoc import PostHoc
from results.kept import require
from results.store import Folder


class Trained:
    """A trained method on the CPU, in float32.

    Attributes:
        module: the method, a torch module.
        reader: what infers codes: the method itself, or the encoder that was fitted post hoc.
        spec: of its data set.
    """

    def __init__(self, folder: Folder, data_dir: Path | None = None) -> None:
        require(folder, folder.model().name)
        run = folder.config["run"]
        entry = METHODS[run["method"]]
        if entry.facts["version"] != run.get("version"):
            raise UserError(f"{folder.path} was trained by another version of {entry.name}")
        spec = DATASETS[run["dataset"]].facts.get("spec") or load(run["dataset"], data_dir).spec
        self.spec = spec
        self.module: Method = entry.value(spec, **{**run.get("defaults", {}), **run["settings"]})
        _restore(self.module, folder.model())
        self.reader = self.module
        if folder.config["representation"] == "posthoc":
            self.reader = PostHoc(spec, self.module)
            _restore(self.reader, folder.model("posthoc"))

    @torch.no_grad()
    def encode(self, images: ArrayLike, factors: ArrayLike | None = None) -> NDArray[Any]:
        """Return the codes (B, L) of images.

        Args:
            images: (B, C, H, W), uint8 as `Dataset.images` returns them, or float in [0, 1].
            factors: (B, K) integers, for a method that is granted them.

        Raises:
            NotImplementedError: the method makes no images and infers no codes.
        """
        x = torch.from_numpy(np.asarray(images))
        if x.dtype == torch.uint8:
            x = x.float() / (self.spec.levels - 1)
        given = None if factors is None else torch.from_numpy(np.asarray(factors))
        codes: NDArray[Any] = self.reader.encode(Batch(x.float(), given)).numpy()
        return codes

    @torch.no_grad()
    def decode(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Return images (B, C, H, W) in [0, 1] of codes (B, L); noise is drawn from its prior.

        Raises:
            NotImplementedError: the method makes no images.
        """
        known = torch.from_numpy(np.asarray(codes, np.float32))
        z = self.module.sample(len(known))
        z[:, : known.shape[1]] = known
        images: NDArray[np.float32] = self.module.decode(z).numpy()
        return images


def _restore(module: Method, path: Path) -> None:
    """Load what was trained; UserError if it is not there, or cannot be read."""
    module.load_state_dict(read(path, torch.device("cpu"), "method")["method"])
    module.eval()
