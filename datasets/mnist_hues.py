"""MNIST twice: every digit in grey, and in a hue that is drawn at random.

The pairs that differ in the hue are a grey digit and the same in colour, a task of translation with
many right answers, like the colouring of Isola et al., pix2pix, CVPR 2017,
https://arxiv.org/abs/1611.07004. Images are made of those of MNIST when a batch needs them.
"""

import colorsys
from pathlib import Path

import numpy as np

from benchmark.registry import DATASETS
from datasets import mnist
from datasets.arrays import numbered
from datasets.base import Images, Index, Spec, Table

HUES = 12
COLOURS = np.array([(1, 1, 1), *(colorsys.hsv_to_rgb(hue / HUES, 1, 1) for hue in range(HUES))])
"""Of the values of the factor: grey, and hues of full saturation and value."""
SPEC = Spec("mnist_hues", (3, 28, 28), 256, ("hue", "digit"), (1 + HUES, 10), "digit")


class Hues(Table):
    """Digits in grey, and after them the same in a hue each.

    Args:
        digits: MNIST, or images like it.
    """

    on_the_fly = True

    def __init__(self, digits: Table) -> None:
        self.digits = n = len(digits)
        hues = np.random.default_rng(0).integers(1, 1 + HUES, n)
        table = np.column_stack([np.append(np.zeros(n, int), hues), np.tile(digits.table[:, 0], 2)])
        train, test = (np.append(rows, rows + n) for rows in (digits.train, digits.test))
        super().__init__(SPEC, np.tile(digits.packed[:], (2, 1)), table, train, test)

    def images(self, index: Index) -> Images:
        """Return images (n, 3, 28, 28), uint8 in 0..255, of the rows `index` (n,)."""
        rows = numbered(index, len(self))
        colour = COLOURS[self.table[rows, 0]].reshape(-1, 3, 1, 1)
        images: Images = (
            (self.packed[rows].reshape(-1, 1, 28, 28) * colour).round().astype(np.uint8)
        )
        return images

    def sample_pairs(
        self, factor: int | None, n: int, rng: np.random.Generator
    ) -> tuple[Index, Index]:
        """Return n rows of grey digits, and of the same in colour; else as `Table` does."""
        if factor != 0:
            return super().sample_pairs(factor, n, rng)
        grey = self.train[rng.integers(len(self.train) // 2, size=n)]
        return grey, grey + self.digits


@DATASETS.register(
    "mnist_hues",
    source=mnist.MNIST,
    images=140_000,
    licence="CC BY-SA 3.0",
    spec=SPEC,
    packed="mnist",
)
def mnist_hues(folder: Path | None = None) -> Hues:
    """Return the digits in grey and in colour.

    Args:
        folder: holds the files of MNIST; nothing is written there.

    Raises:
        benchmark.registry.UserError: a file is damaged, or missing and cannot be fetched.
    """
    return Hues(mnist.mnist(folder))
