"""GAN and WGAN on distributions of one and two dimensions, whose distances are known."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.claims.base import Lab, claim, log
from benchmark.claims.expected import Expected
from methods import losses
from methods.nets import mlp
from methods.wgan_gp import gradient_norm

GOODFELLOW = "Goodfellow et al., Generative Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661"
ARJOVSKY = "Arjovsky et al., Wasserstein GAN, ICML 2017, https://arxiv.org/abs/1701.07875"
GULRAJANI = (
    "Gulrajani et al., Improved Training of Wasserstein GANs, NeurIPS 2017, "
    "https://arxiv.org/abs/1704.00028"
)
BATCH = 2048
STEPS = 600
SAMPLES = 200_000
Draw = Callable[[int], Tensor]


def fitted(loss: Callable[[nn.Module], Tensor], inputs: int) -> nn.Module:
    """Return a network, (B, inputs) -> (B, 1), that makes the loss small."""
    net = nn.Sequential(*mlp((inputs, 128, 128, 1), nn.SiLU))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        optimiser.zero_grad()
        torch.autograd.backward(loss(net))
        optimiser.step()
        schedule.step()
    return net


def mixture(shift: float) -> tuple[Draw, Callable[[Tensor], Tensor]]:
    """Return a sampler and the density of two Gaussians, at shift -1.5 and +1.5."""
    centres = torch.tensor([shift - 1.5, shift + 1.5])

    def draw(n: int) -> Tensor:
        return (centres[torch.randint(2, (n,))] + 0.7 * torch.randn(n))[:, None]

    def density(x: Tensor) -> Tensor:
        z = (x - centres) / 0.7
        return (torch.exp(-z.square() / 2) / (0.7 * math.sqrt(2 * math.pi))).mean(1)

    return draw, density


def best(real: Draw, fake: Draw, inputs: int) -> nn.Module:
    """Return the discriminator that tells the two apart as well as it can."""
    return fitted(lambda net: losses.discriminator(net(real(BATCH)), net(fake(BATCH))), inputs)


@torch.no_grad()
def value(net: nn.Module, real: Draw, fake: Draw) -> float:
    """Return V(D, G) of equation 1, estimated on fresh samples."""
    return -float(losses.discriminator(net(real(SAMPLES)), net(fake(SAMPLES))))


@claim(
    "gan-optimum",
    source=f"{GOODFELLOW}, proposition 1 and theorem 1",
    says="the best D is p_data / (p_data + p_g), and its value -log 4 + 2 JSD",
    minutes=0.5,
    distance_to_optimum=Expected("0", 0, 0.02),
    value_at_equality=Expected("-log 4 = -1.386", -1.396, -1.376),
    largest_error_of_2_jsd=Expected("0", 0, 0.02),
)
def gan_optimum(lab: Lab, seed: int) -> dict[str, float]:
    """Fit D to a mixture against the same, shifted by several distances."""
    torch.manual_seed(seed)
    real, p = mixture(0)
    grid = torch.linspace(-12, 12, 4801)[:, None]
    step = float(grid[1] - grid[0])
    far, values, errors = [], [], []
    for shift in (0.0, 0.5, 1.0, 2.0, 4.0):
        fake, q = mixture(shift)
        net = best(real, fake, 1)
        m = (p(grid) + q(grid)) / 2
        optimum = p(grid) / (2 * m).clamp(min=1e-30)
        with torch.no_grad():
            far.append(float(((torch.sigmoid(net(grid))[:, 0] - optimum).abs() * m).sum() * step))
        twice = sum(float(torch.xlogy(d, d / m.clamp(min=1e-30)).sum()) for d in (p(grid), q(grid)))
        values.append(value(net, real, fake))
        errors.append(abs(values[-1] + math.log(4) - twice * step))
    return {
        "distance_to_optimum": max(far),
        "value_at_equality": values[0],
        "largest_error_of_2_jsd": max(errors),
    }


def line(theta: float) -> Draw:
    """Return a sampler of (theta, U(0, 1))."""
    return lambda n: torch.stack([torch.full((n,), theta), torch.rand(n)], 1)


@claim(
    "wgan-distance",
    source=f"{ARJOVSKY}, example 1",
    says="between parallel lines W is their distance; JS is log 2 however near they are",
    minutes=0.5,
    smallest_w_by_distance=Expected("1", 0.9, 1.1),
    largest_w_by_distance=Expected("1", 0.9, 1.1),
    smallest_js=Expected("log 2 = 0.693", 0.68, 0.694),
    w_at_0=Expected("0", -0.03, 0.03),
    js_at_0=Expected("0", -0.01, 0.01),
)
def wgan_distance(lab: Lab, seed: int) -> dict[str, float]:
    """Fit a critic with gradient penalty, and a discriminator, to lines at several distances.

    Only slopes above 1 are penalised: at distance 0 the best critic is flat.
    """
    torch.manual_seed(seed)
    w, js = {}, {}
    for theta in (-1.0, -0.5, 0.0, 0.25, 0.5, 1.0):
        real, fake = line(0), line(theta)

        def critic(net: nn.Module, real: Draw = real, fake: Draw = fake) -> Tensor:
            x, y = real(512), fake(512)
            slope = gradient_norm(net, x, y)
            distance: Tensor = net(x).mean() - net(y).mean()
            return 10 * (slope - 1).relu().square().mean() - distance

        net = fitted(critic, 2)
        with torch.no_grad():
            w[theta] = float(net(real(SAMPLES)).mean() - net(fake(SAMPLES)).mean())
        js[theta] = (value(best(real, fake, 2), real, fake) + math.log(4)) / 2
    ratios = [w[theta] / abs(theta) for theta in w if theta]
    return {
        "smallest_w_by_distance": min(ratios),
        "largest_w_by_distance": max(ratios),
        "smallest_js": min(js[theta] for theta in js if theta),
        "w_at_0": w[0.0],
        "js_at_0": js[0.0],
    }


@claim(
    "wgan-gp-norm",
    source=f"{GULRAJANI}, section 4 and figure 1",
    says="the penalty draws the critic's gradients to norm 1; clipping of weights does not",
    minutes=2,
    median_norm_with_penalty=Expected("1", 0.85, 1.15),
    within_a_quarter_of_1=Expected("most", 0.8, 1),
    median_norm_with_clipping=Expected("far below 1 or far above", -math.inf, 0.5),
)
def wgan_gp_norm(lab: Lab, seed: int) -> dict[str, float]:
    """Train both on the toy images; take gradients between real and generated ones."""
    norms = {}
    for name in ("wgan_gp", "wgan"):
        method, _ = lab.train(name, "toy", seed, 800)
        torch.manual_seed(seed)
        x = lab.images("toy", lab.sample("toy", 1024, seed))
        with torch.no_grad():
            fake = method.decode(method.sample(len(x), lab.device))
        norms[name] = gradient_norm(method.critic, x, fake).detach().cpu().numpy()  # type: ignore[arg-type]
    return {
        "median_norm_with_penalty": float(np.median(norms["wgan_gp"])),
        "within_a_quarter_of_1": float((abs(norms["wgan_gp"] - 1) < 0.25).mean()),
        "median_norm_with_clipping": float(np.median(norms["wgan"])),
    }


@claim(
    "infogan-mi",
    source="Chen et al., InfoGAN, NeurIPS 2016, https://arxiv.org/abs/1606.03657, figure 1",
    says="L_I of c1 rises to H(c) with the term, and stays near 0 without it",
    minutes=14,
    with_the_term=Expected("H(c) = 2.303", 2.2, 2.31),
    without_the_term=Expected("near 0", -math.inf, 0.5),
)
def infogan_mi(lab: Lab, seed: int) -> dict[str, float]:
    """Train InfoGAN on MNIST as in the paper, and Q beside a plain GAN; both after 2,000 steps.

    InfoGAN's run is that of `infogan-c1`.
    """
    _, informed = lab.train("infogan", "mnist", seed, 5_000)
    _, plain = lab.train("infogan", "mnist", seed, 2_000, inform=False)
    with_term, without = (
        log(folder).query("step <= 2000")["L_I"].tail(5).mean() for folder in (informed, plain)
    )
    return {"with_the_term": with_term, "without_the_term": without}
