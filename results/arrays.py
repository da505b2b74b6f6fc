"""The arrays that a run stores, each class in an HDF5 file of its own; see `FILES`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]


class Codes(NamedTuple):
    """The codes of M images.

    Attributes:
        codes: (M, L) float32, or uint8 where the code is the image itself.
        rows: (M,) int64, the row of the data set that each line encodes.
        names: the L codes' names.
        kinds: the L codes' kinds (normal, uniform, categorical, noise, ...).
        std: (M, L) float16, the standard deviations of the codes' posteriors, if they have any.
        squared_errors: (n,) float32, of images that were encoded and decoded again, the mean over
            pixels, if the method decodes.
    """

    codes: NDArray[Any]
    rows: NDArray[np.int64]
    names: Sequence[str]
    kinds: Sequence[str]
    std: NDArray[Any] | None = None
    squared_errors: NDArray[Any] | None = None


class Generated(NamedTuple):
    """Codes drawn from the prior, and what an oracle reads in the images made of them.

    Attributes:
        codes: (M, L) float32, without noise.
        factors: (M, K) int64, as the oracle reads them.
        names, kinds: of the L codes.
        accuracy: (K,), how often the oracle reads each factor rightly in real images.
    """

    codes: NDArray[Any]
    factors: NDArray[np.int64]
    names: Sequence[str]
    kinds: Sequence[str]
    accuracy: NDArray[np.float64]


class Features(NamedTuple):
    """What Inception sees in generated images: (n, 2048)."""

    features: NDArray[np.float32]


class Traversal(NamedTuple):
    """Images along each of R codes.

    Attributes:
        strips: (R, V, C, H, W) uint8, 0..255.
        names: the R codes' names.
        values: (R, V), the value that the code takes in each image, in the code's own unit; NaN
            where there is no image.
        title: what the pictures show.
    """

    strips: Images
    names: list[str]
    values: NDArray[np.float64]
    title: str


class Pictures(NamedTuple):
    """What a generator makes.

    Attributes:
        samples: (n, C, H, W) uint8, 0..255, of draws from the prior.
        originals: (m, C, H, W) uint8, real images; m is 0 where nothing is reconstructed.
        reconstructions: (m, C, H, W) uint8, of those.
        prior: (S, R, V, C, H, W) uint8: the images along R codes around each of S draws from the
            prior.
        names: the R codes' names.
        values: (R, V), the value that the code takes in each image; NaN where there is no image.
    """

    samples: Images
    originals: Images
    reconstructions: Images
    prior: Images
    names: list[str]
    values: NDArray[np.float64]


class Information(NamedTuple):
    """Mutual information of L codes and K factors.

    Attributes:
        information: (L, K) mutual information in nats.
        entropy: (K,), of each factor, in nats.
        kl: (L,), KL(q(z | x) || p(z)) of each code in nats, averaged over images; NaN where the
            method has no such posterior.
        codes, factors: their names.
        means: (T, L), the mean code where a factor has a value: the first factor's values, then
            the second's, and so on.
        sizes: (K,), how many values of each factor `means` has; 0 for one with too many.
        confusion: (A, B), how many images have each category of the first categorical code (A), by
            the value of the label (B); None without such a code or a label.
    """

    information: NDArray[np.float64]
    entropy: NDArray[np.float64]
    kl: NDArray[np.float64]
    codes: list[str]
    factors: list[str]
    means: NDArray[np.float64]
    sizes: NDArray[np.int64]
    confusion: NDArray[np.int64] | None = None

    @property
    def shares(self) -> NDArray[np.float64]:
        """I(code; factor) / H(factor) (L, K), in [0, 1]; 0 of a factor that never changes."""
        found = np.zeros_like(self.information)
        return np.divide(self.information, self.entropy, out=found, where=self.entropy > 0)

    def main_factor(self, code: str) -> tuple[str, float] | None:
        """Return the factor that a code informs about most, and which share of its entropy that is.

        None where the code is not there or there are no factors.
        """
        if code not in self.codes or not self.factors:
            return None
        row = self.shares[self.codes.index(code)]
        return self.factors[int(row.argmax())], float(row.max())


class File(NamedTuple):
    """How a class of arrays is stored.

    Attributes:
        name: of the file.
        shapes: of the arrays, as letters: "ML" is (M, L), and M is the same in all arrays of the
            file. "" is a single text, stored as an array of one.
        optional: the arrays that may be missing.
        compression: a filter of h5py, after its shuffle. LZF writes the codes of a full grid in
            half the time of gzip, which makes them a sixth smaller; pictures are worth gzip.
    """

    name: str
    shapes: Mapping[str, str]
    optional: tuple[str, ...] = ()
    compression: str = "lzf"


_CODES = {"codes": "ML", "names": "L", "kinds": "L"}
FILES: dict[type, File] = {
    Codes: File(
        "codes.h5",
        {**_CODES, "rows": "M", "std": "ML", "squared_errors": "n"},
        optional=("std", "squared_errors"),
    ),
    Generated: File("generated.h5", {**_CODES, "factors": "MK", "accuracy": "K"}),
    Features: File("inception.h5", {"features": "nF"}),
    Traversal: File(
        "traversal.h5",
        {"strips": "RVCHW", "values": "RV", "names": "R", "title": ""},
        compression="gzip",
    ),
    Pictures: File(
        "pictures.h5",
        {
            **{"samples": "nCHW", "originals": "mCHW", "reconstructions": "mCHW"},
            **{"prior": "SRVCHW", "values": "RV", "names": "R"},
        },
        compression="gzip",
    ),
    Information: File(
        "information.h5",
        {
            **{"information": "LK", "entropy": "K", "kl": "L", "codes": "L", "factors": "K"},
            **{"means": "TL", "sizes": "K", "confusion": "AB"},
        },
        optional=("confusion",),
    ),
}


def check_shapes(arrays: Mapping[str, Any], shapes: Mapping[str, str]) -> None:
    """Raise ValueError unless each array has its shape in letters, of one size per letter."""
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        shape, letters = np.shape(array), shapes[name]
        known = tuple(map(sizes.setdefault, letters, shape))
        if len(shape) != len(letters) or known != shape:
            raise ValueError(f"{name} {shape} is not ({', '.join(letters)}) with {sizes}")
