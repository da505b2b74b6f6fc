"""What the weights and capacities of the beta-VAE family do to information and its sharing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.claims.base import Lab, claim, log
from benchmark.claims.expected import Expected
from methods import losses
from methods.betatcvae import total_correlation
from methods.vae import VAE

IMAGES = 2_000
STEPS = 3_000
LATE = 500
ACTIVE = 0.1


@dataclass(frozen=True)
class Terms:
    """Terms of the loss of a trained VAE on real images: nats an image.

    Attributes:
        reconstruction: -E log p(x | z).
        kl: (L,), of each latent.
        tc: total correlation of the aggregated posterior, estimated within `IMAGES` images.
    """

    reconstruction: float
    kl: Tensor
    tc: float


@torch.no_grad()
def terms(lab: Lab, name: str, seed: int, **given: float) -> Terms:
    """Train a method of the family on dSprites, and return its terms."""
    method, _ = lab.train(name, "dsprites", seed, STEPS, **given)
    assert isinstance(method, VAE)
    torch.manual_seed(seed)
    x = lab.images("dsprites", lab.sample("dsprites", IMAGES, seed))
    q = method.posterior(x)
    z = q.sample()
    reconstruction = losses.bernoulli(method.decoder(z), x)
    return Terms(float(reconstruction), q.kl(), float(total_correlation(z, q)))


@claim(
    "betavae-beta",
    source="Higgins et al., beta-VAE, ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl, "
    "section 2",
    says="the larger beta, the less information, the worse the image, the fewer active latents",
    minutes=8,
    kl_at_4_by_1=Expected("below 1", 0, 0.9),
    kl_at_16_by_4=Expected("below 1", 0, 0.9),
    reconstruction_at_4_by_1=Expected("above 1", 1.05),
    reconstruction_at_16_by_4=Expected("above 1", 1.05),
    active_latents_lost_from_1_to_16=Expected("some", 1),
)
def betavae_beta(lab: Lab, seed: int) -> dict[str, float]:
    """Train beta-VAEs on dSprites with beta 1, 4 and 16."""
    one, four, sixteen = (terms(lab, "betavae", seed, beta=beta) for beta in (1.0, 4.0, 16.0))
    active = [int((found.kl > ACTIVE).sum()) for found in (one, sixteen)]
    return {
        "kl_at_4_by_1": float(four.kl.sum() / one.kl.sum()),
        "kl_at_16_by_4": float(sixteen.kl.sum() / four.kl.sum()),
        "reconstruction_at_4_by_1": four.reconstruction / one.reconstruction,
        "reconstruction_at_16_by_4": sixteen.reconstruction / four.reconstruction,
        "active_latents_lost_from_1_to_16": active[0] - active[1],
    }


@claim(
    "annealedvae-capacity",
    source="Burgess et al., Understanding disentangling in beta-VAE, 2018, "
    "https://arxiv.org/abs/1804.03599, section 5",
    says="the KL divergence follows the capacity C as that rises",
    minutes=3,
    mean_distance_of_kl_to_c=Expected("0 nats", 0, 1.0),
    kl_by_c_at_the_end=Expected("1", 0.95, 1.05),
)
def annealedvae_capacity(lab: Lab, seed: int) -> dict[str, float]:
    """Raise C to 20 nats within 2,000 steps on dSprites, and read the log from step 500 on."""
    given = {"c_max": 20.0, "c_steps": 2_000}
    _, folder = lab.train("annealedvae", "dsprites", seed, STEPS, **given)
    late = log(folder).query(f"step > {LATE}")
    return {
        "mean_distance_of_kl_to_c": (late["kl"] - late["capacity"]).abs().mean(),
        "kl_by_c_at_the_end": late["kl"].iloc[-1] / late["capacity"].iloc[-1],
    }


def against_vae(lab: Lab, name: str, seed: int, **given: float) -> dict[str, float]:
    """Return the total correlation and reconstruction of a method by those of the VAE."""
    vae, other = terms(lab, "vae", seed), terms(lab, name, seed, **given)
    return {
        "tc_by_the_vaes": other.tc / vae.tc,
        "reconstruction_by_the_vaes": other.reconstruction / vae.reconstruction,
    }


@claim(
    "factorvae-tc",
    source="Kim & Mnih, Disentangling by Factorising, ICML 2018, "
    "https://arxiv.org/abs/1802.05983, section 5",
    says="less total correlation than the VAE at about its reconstruction",
    minutes=10,
    tc_by_the_vaes=Expected("below 1", 0, 0.9),
    reconstruction_by_the_vaes=Expected("about 1", 0, 1.15),
)
def factorvae_tc(lab: Lab, seed: int) -> dict[str, float]:
    """Train both on dSprites, with a gamma that costs little reconstruction in so few steps."""
    return against_vae(lab, "factorvae", seed, gamma=10.0)


@claim(
    "betatcvae-tc",
    source="Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS 2018, "
    "https://arxiv.org/abs/1802.04942, section 3",
    says="less total correlation than the VAE at about its reconstruction",
    minutes=6,
    tc_by_the_vaes=Expected("below 1", 0, 0.9),
    reconstruction_by_the_vaes=Expected("about 1", 0, 1.15),
)
def betatcvae_tc(lab: Lab, seed: int) -> dict[str, float]:
    """Train both on dSprites, with a beta that costs little reconstruction in so few steps."""
    return against_vae(lab, "betatcvae", seed, beta=3.0)
