"""`uv run --with pythae python -m tests.speed.peer`: the suite's loop beside pythae's own trainer.

pythae: Chadebec et al., Pythae, 2022, https://arxiv.org/abs/2206.08309, version 0.1.2. Both train a
beta-VAE with the same networks, batch size, optimiser and rate in float32 on the same images of
dSprites, in one process and in turns. What pythae does at the end of an epoch (it keeps the best
model, and asks for a validation loss only where there is a validation set) is part of its time.
"""

import statistics
import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from pythae.data.datasets import BaseDataset  # type: ignore[import-not-found]
from pythae.models import BetaVAE, BetaVAEConfig  # type: ignore[import-not-found]
from pythae.models.base.base_utils import ModelOutput  # type: ignore[import-not-found]
from pythae.models.nn import BaseDecoder, BaseEncoder  # type: ignore[import-not-found]
from pythae.trainers import BaseTrainer, BaseTrainerConfig  # type: ignore[import-not-found]
from torch import Tensor

from benchmark.registry import METHODS
from benchmark.speed.timing import suite_step, warm_up
from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.hardware import KEEP_FREED
from benchmark.training.operations import Step
from datasets import Dataset, load
from methods.base import Method
from methods.vae_nets import shared
from tests.speed.bars import Measurement, report, timed

CPU = torch.device("cpu")
ROUNDS, STEPS, WARM = 5, 150, 50
BATCH, LATENTS, BETA, RATE = 64, 10, 4.0, 1e-4
MALLOC_DEFAULT = 32 * 2**20, 64 * 2**20
"""The thresholds that glibc's malloc reaches by itself once large tensors are freed, in bytes."""


class Encoder(BaseEncoder):  # type: ignore[misc]
    """The suite's encoder with pythae's interface."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> ModelOutput:
        """Return means and logarithms of variances, (B, latents) each."""
        mean, logvar = self.network(x).chunk(2, dim=1)
        return ModelOutput(embedding=mean, log_covariance=logvar)


class Decoder(BaseDecoder):  # type: ignore[misc]
    """The suite's decoder with pythae's interface."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> ModelOutput:
        """Return images in [0, 1], of which pythae takes the binary cross-entropy."""
        return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))


def pythae_trainer(dataset: Dataset, steps: int, folder: str) -> BaseTrainer:
    """Return pythae's trainer for one epoch of so many steps."""
    spec = dataset.spec
    encoder, decoder = shared(spec, LATENTS)
    shape = BetaVAEConfig(
        input_dim=spec.shape, latent_dim=LATENTS, beta=BETA, reconstruction_loss="bce"
    )
    rows = np.random.default_rng(0).choice(len(dataset), steps * BATCH)
    images = torch.from_numpy(dataset.images(rows)).float()  # dSprites has two levels: 0 and 1
    config = BaseTrainerConfig(
        output_dir=folder,
        num_epochs=1,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        no_cuda=True,
    )
    model = BetaVAE(shape, Encoder(encoder), Decoder(decoder))
    return BaseTrainer(model, BaseDataset(images, torch.zeros(len(images))), training_config=config)


def measure(rounds: int = ROUNDS, steps: int = STEPS) -> Iterator[Measurement]:
    """Measure training steps per second of both, in turns."""
    hardware.prepare()
    images = load("dsprites")
    torch.manual_seed(0)
    method: Method = METHODS["betavae"].value(images.spec, beta=BETA, lr=RATE)
    ours = suite_step(hardware.placed(method, CPU).train(), Batches(images, CPU, "float32"))
    with tempfile.TemporaryDirectory() as folder:
        trainer = pythae_trainer(images, steps, folder)
        times = [(_suite(ours, steps), _pythae(trainer)) for _ in range(rounds + 1)][1:]
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(other / one for one, other in times)
    yield Measurement("the suite's loop, float32", steps / mine, "steps/s")
    yield Measurement("pythae's trainer, float32", steps / theirs, "steps/s")
    yield Measurement("times as fast", ratio, "", ">= 1", ratio >= 1)


def _suite(step: Step, steps: int) -> float:
    warm_up(step, KEEP_FREED, lambda: None, WARM)
    return timed(lambda: [step(i) for i in range(steps)])[0]


def _pythae(trainer: BaseTrainer) -> float:
    hardware.set_malloc_thresholds(*MALLOC_DEFAULT)
    return timed(trainer.train)[0]


if __name__ == "__main__":
    report(measure())
