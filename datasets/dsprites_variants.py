"""dSprites in colour, before noise, and before a painting, as Locatello et al. compare on them.

Locatello et al., *Challenging Common Assumptions in the Unsupervised Learning of Disentangled
Representations*, ICML 2019, https://arxiv.org/abs/1811.12359, appendix. What is random there for
every batch is here a function of the row alone, so that an image is the same whenever it is asked
for. Nothing is stored: images are made of those of dSprites when a batch needs them.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.registry import DATASETS, UserError
from datasets import downloads, dsprites, packed_file
from datasets.arrays import numbered
from datasets.base import Grid, Images, Index, Spec
from datasets.downloads import Original

SOURCE = (
    "Locatello et al., Challenging Common Assumptions in the Unsupervised Learning of "
    "Disentangled Representations, ICML 2019, https://arxiv.org/abs/1811.12359"
)
FACTS: dict[str, Any] = {
    "source": SOURCE,
    "images": 737_280,
    "licence": "drawn here",
    "packed": "dsprites",
}
PAINTING = Original("scream.png", also=("scream.jpg", "scream.jpeg"))
SIZE = (350, 274)
"""Width and height to which the painting is resized before pieces are cut out of it."""


def spec(name: str) -> Spec:
    """Return shape and factors."""
    return replace(dsprites.SPEC, name=name, shape=(3, 64, 64), levels=256)


class Variant(Grid):
    """dSprites with three colour channels, and something random that is no factor."""

    on_the_fly = True

    def __init__(self, name: str, folder: Path | None) -> None:
        super().__init__(spec(name), dsprites.dsprites(folder).packed)

    def images(self, index: Index) -> Images:
        """Return images (n, 3, 64, 64), uint8 in 0..255, of the rows `index` (n,)."""
        rows = numbered(index, len(self))
        shape = np.unpackbits(self.packed[rows], axis=1).reshape(-1, 1, 64, 64)
        return self.painted(shape, rows)

    def painted(self, shape: Images, index: Index) -> Images:
        """Return images (n, 3, 64, 64) of shapes (n, 1, 64, 64) in {0, 1}."""
        raise NotImplementedError


def generator(row: int) -> np.random.Generator:
    """Return the random generator of an image."""
    return np.random.Generator(np.random.Philox(key=row))


class Coloured(Variant):
    """A shape's colour has channels in U(0.5, 1)."""

    def painted(self, shape: Images, index: Index) -> Images:
        """Return images (n, 3, 64, 64) of shapes (n, 1, 64, 64) in {0, 1}."""
        colour = [generator(row).integers(128, 256, (3, 1, 1), np.uint8) for row in index.tolist()]
        return shape * np.array(colour, np.uint8).reshape(-1, 3, 1, 1)


class Noisy(Variant):
    """A white shape before noise in U(0, 1), of every pixel and channel."""

    def painted(self, shape: Images, index: Index) -> Images:
        """Return images (n, 3, 64, 64) of shapes (n, 1, 64, 64) in {0, 1}."""
        noise = [generator(row).bytes(3 * 64 * 64) for row in index.tolist()]
        ground = np.frombuffer(b"".join(noise), np.uint8).reshape(-1, 3, 64, 64)
        return np.maximum(ground, 255 * shape)


class Screaming(Variant):
    """A shape inverts a random piece of a painting, of which the colour is shifted at random."""

    def __init__(self, name: str, folder: Path | None) -> None:
        self.painting = painting(folder)  # before dSprites is drawn
        super().__init__(name, folder)

    def painted(self, shape: Images, index: Index) -> Images:
        """Return images (n, 3, 64, 64) of shapes (n, 1, 64, 64) in {0, 1}."""
        grounds = [self._piece(generator(row)) for row in index.tolist()]
        ground = np.array(grounds, np.uint8).reshape(-1, 3, 64, 64)
        return np.where(shape == 1, 255 - ground, ground)

    def _piece(self, rng: np.random.Generator) -> Images:
        """Return the mean of a piece (3, 64, 64) of the painting and a colour in U(0, 1)."""
        _, height, width = self.painting.shape
        y, x = rng.integers(height - 63), rng.integers(width - 63)
        piece = self.painting[:, y : y + 64, x : x + 64].astype(np.uint16)
        mean: Images = ((piece + rng.integers(256, size=(3, 1, 1))) // 2).astype(np.uint8)
        return mean


def painting(folder: Path | None) -> NDArray[np.uint8]:
    """Return the user's picture (3, 274, 350).

    Raises:
        UserError: there is none, or it cannot be read.
    """
    path = downloads.find("scream_dsprites", PAINTING, folder)
    if path is None:
        raise UserError(
            "scream_dsprites needs a picture of Munch's The Scream (or any other): put it into "
            f"{folder or packed_file.root()} as {', '.join(PAINTING.also)} or {PAINTING.name}; "
            "--data-dir names another folder"
        )
    with downloads.reading(path), Image.open(path, formats=["JPEG", "PNG"]) as image:
        return np.asarray(image.convert("RGB").resize(SIZE)).transpose(2, 0, 1)


@DATASETS.register("color_dsprites", **FACTS, spec=spec("color_dsprites"))
def color_dsprites(folder: Path | None = None) -> Grid:
    """Return shapes of random colours before black."""
    return Coloured("color_dsprites", folder)


@DATASETS.register("noisy_dsprites", **FACTS, spec=spec("noisy_dsprites"))
def noisy_dsprites(folder: Path | None = None) -> Grid:
    """Return white shapes before noise."""
    return Noisy("noisy_dsprites", folder)


@DATASETS.register("scream_dsprites", **FACTS, files=(PAINTING,), spec=spec("scream_dsprites"))
def scream_dsprites(folder: Path | None = None) -> Grid:
    """Return shapes that invert pieces of a painting, which is the user's file."""
    return Screaming("scream_dsprites", folder)
