"""The rows that every table needs beside a learned code: its ceiling, its floor, and the obvious.

The beta-VAE paper compares with ground truth, raw pixels, PCA, ICA and an untrained encoder:
Higgins et al., ICLR 2017, table 1, https://openreview.net/forum?id=Sy2fzU9gl.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.registry import METHODS
from datasets.base import Spec
from methods.base import Batch, Code, Method, normal_codes

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

HIGGINS = (
    "reference row of Higgins et al., beta-VAE, ICLR 2017, table 1, "
    "https://openreview.net/forum?id=Sy2fzU9gl"
)


@METHODS.register("truth", source=HIGGINS, version=1)
class Truth(Method):
    """The true factors: what a perfect code scores."""

    sees = "factors"
    reference = True

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.codes = tuple(
            Code(name, "categorical" if name == spec.label else "ordinal", size)
            for name, size in zip(spec.factor_names, spec.factor_sizes, strict=True)
        )

    def encode(self, batch: Batch) -> Tensor:
        """Return the factors themselves."""
        assert batch.factors is not None
        return batch.factors.float()


@METHODS.register("random", source="the floor: codes that know nothing of the image", version=1)
class Random(Method):
    """Codes drawn from the prior, whatever the image: what chance scores."""

    reference = True

    def __init__(self, spec: Spec, *, latents: int = 10) -> None:
        super().__init__()
        column = spec.label_column
        label = () if column is None else (Code("c1", "categorical", spec.factor_sizes[column]),)
        self.codes = (*label, *normal_codes(latents))

    def encode(self, batch: Batch) -> Tensor:
        """Return one draw an image."""
        return self.sample(len(batch.x), batch.x.device)


@METHODS.register("pixels", source=HIGGINS, version=1)
class Pixels(Method):
    """The image itself, one code a pixel; it takes the most memory, 1.7 GB on dSprites."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        c, h, w = spec.shape
        self.codes = tuple(Code(f"p{i}", "ordinal", spec.levels) for i in range(c * h * w))
        self.levels = spec.levels

    def encode(self, batch: Batch) -> Tensor:
        """Return the pixels as whole numbers in 0..levels-1."""
        return (batch.x.flatten(1) * (self.levels - 1)).round().to(torch.uint8)


class Linear(Method):
    """Codes (x - mean) weight, in closed form."""

    mean: Tensor
    weight: Tensor

    def __init__(self, spec: Spec, *, latents: int = 10) -> None:
        super().__init__()
        c, h, w = spec.shape
        self.codes = normal_codes(latents)
        self.register_buffer("mean", torch.zeros(c * h * w))
        self.register_buffer("weight", torch.zeros(c * h * w, latents))

    def encode(self, batch: Batch) -> Tensor:
        """Return the projections (B, L)."""
        return (batch.x.flatten(1) - self.mean) @ self.weight


def components(batch: Batch, n: int) -> "PCA":
    """Return the first n principal components: of a large image, ARPACK finds them soonest."""
    from sklearn.decomposition import PCA

    return PCA(n, svd_solver="arpack", random_state=seed()).fit(batch.x.flatten(1).cpu().numpy())


def seed() -> int:
    """Return a seed for scikit-learn, drawn with torch's generator."""
    return int(torch.randint(2**31, ()))


@METHODS.register("pca", source=HIGGINS, version=1)
class PrincipalComponents(Linear):
    """The first principal components of the pixels."""

    def fit(self, batch: Batch) -> None:
        """Fit scikit-learn's PCA."""
        pca = components(batch, len(self.codes))
        self.mean.copy_(torch.from_numpy(pca.mean_))
        self.weight.copy_(torch.from_numpy(pca.components_.T.copy()))


@METHODS.register("ica", source=HIGGINS, version=1)
class IndependentComponents(Linear):
    """FastICA of the first principal components."""

    def fit(self, batch: Batch) -> None:
        """Fit scikit-learn's FastICA on principal components, which is how it whitens anyway."""
        from sklearn.decomposition import FastICA

        pca = components(batch, len(self.codes))
        ica = FastICA(whiten="unit-variance", max_iter=1000, random_state=seed())
        ica.fit(pca.transform(batch.x.flatten(1).cpu().numpy()))
        self.mean.copy_(torch.from_numpy(pca.mean_))
        self.weight.copy_(torch.from_numpy((ica.components_ @ pca.components_).T.copy()))
