"""Images and information that a run keeps for figures: `pictures.h5` and `information.h5`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from results.files import read_arrays, write_arrays
from results.store import Folder

Images = NDArray[np.uint8]


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
        means: (sum of sizes, L), the mean code where a factor has a value: the first factor's
            values, then the second's, and so on.
        sizes: (K,), how many values of each factor `means` holds; 0 for one with too many.
    """

    information: NDArray[np.float64]
    entropy: NDArray[np.float64]
    kl: NDArray[np.float64]
    codes: list[str]
    factors: list[str]
    means: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """I(code; factor) / H(factor) (L, K), in [0, 1]; 0 of a factor that never changes."""
        found = np.zeros_like(self.information)
        return np.divide(self.information, self.entropy, out=found, where=self.entropy > 0)

    def moved(self, code: str) -> tuple[str, float] | None:
        """Return the factor that a code informs about most, and which share of its entropy that is.

        None where the code is not there or there are no factors.
        """
        if code not in self.codes or not self.factors:
            return None
        row = self.shares[self.codes.index(code)]
        return self.factors[int(row.argmax())], float(row.max())


def write_pictures(folder: Folder, found: Pictures) -> None:
    """Write `pictures.h5`; ValueError if the shapes disagree."""
    if found.prior.ndim != 6 or found.values.shape != found.prior.shape[1:3]:
        raise ValueError(f"strips {found.prior.shape} and values {found.values.shape} disagree")
    if len(found.names) != len(found.values):
        raise ValueError(f"{len(found.names)} names, {len(found.values)} codes")
    if found.originals.shape != found.reconstructions.shape:
        raise ValueError(f"{found.originals.shape} images, {found.reconstructions.shape} again")
    write_arrays(folder.path / "pictures.h5", packed=True, **found._asdict())


def read_pictures(folder: Folder) -> Pictures | None:
    """Read `pictures.h5`; None where there is none, UserError if it is damaged."""
    found = _read(folder, "pictures.h5", Pictures._fields)
    return None if found is None else Pictures(**found)


def write_information(folder: Folder, found: Information) -> None:
    """Write `information.h5`; ValueError if the shapes disagree."""
    if found.information.shape != (len(found.codes), len(found.factors)):
        raise ValueError(f"{found.information.shape} is not codes x factors")
    if found.means.shape != (found.sizes.sum(), len(found.codes)):
        raise ValueError(f"means {found.means.shape} of sizes {found.sizes.tolist()}")
    write_arrays(folder.path / "information.h5", **found._asdict())


def read_information(folder: Folder) -> Information | None:
    """Read `information.h5`; None where there is none, UserError if it is damaged."""
    found = _read(folder, "information.h5", Information._fields)
    return None if found is None else Information(**found)


def _read(folder: Folder, name: str, fields: Sequence[str]) -> dict[str, Any] | None:
    path = folder.path / name
    return read_arrays(path, *fields) if path.exists() else None
