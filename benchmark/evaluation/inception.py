"""Features of images for FID and KID: the last pooling layer of the Inception network of 2015.

Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015,
https://arxiv.org/abs/1512.00567; the network of the papers on FID and KID, as torch-fidelity ports
it from TensorFlow, resizing of images included: https://github.com/toshas/torch-fidelity. Its
weights are a file that is never downloaded by the suite.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.evaluation.generate import pairs
from benchmark.registry import UserError
from benchmark.training.batches import Dealer, gathered
from benchmark.training.hardware import Precision, autocast
from benchmark.training.loop import Report, Stopped
from datasets import packed_file
from methods.base import Method
from results.files import read_arrays, write_arrays

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""torch-fidelity's name of them: what follows the last hyphen is the beginning of their SHA-256."""
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS}"
LACKING = "needs the weights of torch-fidelity's Inception"
UNSEEN = "needs Inception's features of its images: the command that made the run computes them"
IMAGES = 10_000
BATCH = {"cpu": 32, "cuda": 256}

Features = NDArray[np.float32]


def shows(method: type[Method]) -> bool:
    """Return whether a method has images to score; a reference row's are other real ones."""
    return method.decode is not Method.decode or method.reference


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
    return (UNSEEN,) if weights() is None else (UNSEEN, LACKING)


def of_real(
    dealer: Dealer,
    report: Report = lambda done, means: None,
    stop: Callable[[], bool] = lambda: False,
) -> Features:
    """Return the features (n, 2048) of `IMAGES` held-out images, all if there are fewer.

    They are kept in the cache folder.

    Raises:
        Stopped: `stop` said so.
        UserError: the weights are not there, or damaged.
    """
    path = packed_file.root() / "inception" / f"{dealer.dataset.name}-{_digest()}.h5"
    if not path.is_file():
        rows, size = real_rows(dealer), BATCH[dealer.device.type]
        parts = (dealer.images(rows[i : i + size]) for i in range(0, len(rows), size))
        write_arrays(path, features=_features(parts, len(rows), dealer.device, report, stop))
    remedy = "remove it, and it is made again"
    features: Features = read_arrays(path, "features", remedy=remedy)["features"]
    return features


@torch.no_grad()
def of_generated(
    method: Method, dealer: Dealer, precision: Precision, report: Report, stop: Callable[[], bool]
) -> Features:
    """Return the features (n, 2048) of as many images of the prior's codes; torch's chance.

    Of a reference row, which makes no images, they are those of other real ones.

    Raises:
        Stopped: `stop` said so.
        UserError: the weights are not there, or damaged.
    """
    rows = dealer.dataset.sample(len(real_rows(dealer)), np.random.default_rng(1))
    size = BATCH[dealer.device.type]

    def made(i: int) -> Tensor:
        with autocast(dealer.device, precision):
            return pairs(method, dealer, rows[i : i + size])[1]

    parts = (made(i) for i in range(0, len(rows), size))
    return _features(parts, len(rows), dealer.device, report, stop)


def real_rows(dealer: Dealer) -> NDArray[np.int64]:
    """Return the rows of the real images, the same for every run."""
    test = dealer.dataset.test
    rows = np.random.default_rng(0).choice(test, min(IMAGES, len(test)), replace=False)
    return np.sort(rows)


@torch.no_grad()
def _features(
    parts: Iterator[Tensor],
    n: int,
    device: torch.device,
    report: Report,
    stop: Callable[[], bool],
) -> Features:
    """Return the features (n, 2048) of n images that come in parts."""
    network = _network(device)

    def features() -> Iterator[tuple[Features]]:
        done = 0
        for x in parts:
            if stop():
                raise Stopped
            yield (network(_bytes(x))[0].cpu().numpy(),)
            done += len(x)
            report(done, {})

    (found,) = gathered(features(), n)
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
