"""Features of images for FID and KID: the last pooling layer of the Inception network of 2015.

Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015,
https://arxiv.org/abs/1512.00567; the network of the papers on FID and KID, as torch-fidelity ports
it from TensorFlow, resizing of images included: https://github.com/toshas/torch-fidelity. Its
weights are a file that is never downloaded by the suite.
"""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.evaluation.encode import fixed_sample
from benchmark.evaluation.generate import pairs
from benchmark.registry import UserError
from benchmark.training.batches import Batches, in_batches
from datasets import Dataset, packed_file
from methods.base import Method
from results.files import read_arrays, write_arrays

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""torch-fidelity's name of them: what follows the last hyphen is the beginning of their SHA-256."""
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS}"
LACKING = "needs the weights of torch-fidelity's Inception"
UNCOMPUTED = "needs Inception's features of its images: the command that made the run computes them"
IMAGES = 10_000
BATCH = {"cpu": 32, "cuda": 256, "mps": 64}

Features = NDArray[np.float32]


def weights() -> Path | None:
    """Return where the weights are: in the cache folder or in torch's, None if in neither.

    pytorch-fid has another name for the same file.
    """
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    root = packed_file.root()
    names = WEIGHTS, WEIGHTS.replace("weights-", "pt_")
    paths = (place / name for name in names for place in (root, root / "inception", hub))
    return next((path for path in paths if path.is_file()), None)


def lacking() -> str:
    """Return what to say where the weights are not there."""
    path = packed_file.root() / "inception" / WEIGHTS
    return f"{LACKING}: put {URL} (96 MB) there as {path}"


def awaited() -> tuple[str, ...]:
    """Return how the reasons begin for which a row has no value, and could have one now."""
    return (UNCOMPUTED,) if weights() is None else (UNCOMPUTED, LACKING)


def of_real(batches: Batches, report: Callable[[int], None] = lambda done: None) -> Features:
    """Return the features (n, 2048) of `IMAGES` held-out images, all if there are fewer.

    They are kept in the cache folder.

    Raises:
        UserError: the weights are not there, or damaged.
    """
    path = packed_file.root() / "inception" / f"{batches.dataset.name}-{_digest()}.h5"
    if not path.is_file():
        rows = real_rows(batches.dataset)
        write_arrays(path, features=_features(batches.images, rows, batches.device, report))
    remedy = "remove it, and it is made again"
    features: Features = read_arrays(path, "features", remedy=remedy)["features"]
    return features


def of_generated(method: Method, batches: Batches, report: Callable[[int], None]) -> Features:
    """Return the features (n, 2048) of as many images of the prior's codes; torch's chance.

    Of a reference row, which makes no images, they are those of other real ones.

    Raises:
        UserError: the weights are not there, or damaged.
    """

    def images(rows: NDArray[np.int64]) -> Tensor:
        with batches.autocast():
            return pairs(method, batches, rows)[1]

    dataset = batches.dataset
    rows = dataset.sample(len(real_rows(dataset)), np.random.default_rng(1))
    return _features(images, rows, batches.device, report)


def real_rows(dataset: Dataset) -> NDArray[np.int64]:
    """Return the rows of the real images, the same for every run."""
    return fixed_sample(dataset.test, IMAGES)


@torch.no_grad()
def _features(
    images: Callable[[NDArray[np.int64]], Tensor],
    rows: NDArray[np.int64],
    device: torch.device,
    report: Callable[[int], None],
) -> Features:
    """Return the features (n, 2048) of what `images` returns for n rows."""
    network = _network(device)

    def compute(part: NDArray[np.int64]) -> tuple[Features]:
        return (network(_bytes(images(part)))[0].cpu().numpy(),)

    (found,) = in_batches(compute, rows, BATCH[device.type], report)
    return found


def _bytes(x: Tensor) -> Tensor:
    """Return images (n, C, H, W) in [0, 1] as the network takes them: (n, 3, H, W), uint8."""
    return (x.float().expand(-1, 3, -1, -1) * 255).round().byte()


def _network(device: torch.device) -> nn.Module:
    """Return uint8 images (n, 3, H, W) -> a tuple of the features (n, 2048)."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path, file = _verified(), io.BytesIO()
    try:
        # The extractor unpickles its file, whatever is in it: it is given one of tensors alone.
        torch.save(torch.load(path, map_location="cpu", weights_only=True), file)
        file.seek(0)
        network: nn.Module = FeatureExtractorInceptionV3(
            "inception", ["2048"], feature_extractor_weights_path=file
        )
    except Exception as error:  # unpickling raises anything
        raise UserError(f"cannot read Inception's weights in {path}") from error
    return network.eval().to(device)


def _verified() -> Path:
    path = weights()
    if path is None:
        raise UserError(lacking())
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(_digest()):
        raise UserError(f"{path} is damaged: its SHA-256 begins with {found[:8]}, not {_digest()}")
    return path


def _digest() -> str:
    return Path(WEIGHTS).stem.rpartition("-")[2]
