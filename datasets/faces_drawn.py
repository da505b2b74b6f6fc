"""Drawn heads: a stand-in with the factors of 3D Faces, for those without its licence.

Scores on it compare with nothing published. A head is made of ellipsoids, seen and lit from far
away; 50 people differ in the sizes, places and greys of theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.registry import DATASETS
from datasets import prepared
from datasets.base import Grid, Images, Spec

Reals = NDArray[np.float64]

VERSION = 1
"""Changes whenever a pixel could."""
SOURCE = "drawn here; comparable with no published number"
SPEC = Spec(
    name="faces_drawn",
    shape=(1, 64, 64),
    levels=256,
    factor_names=("identity", "azimuth", "elevation", "light"),
    factor_sizes=(50, 21, 11, 11),
    grid=True,
)
AZIMUTHS = np.radians(np.linspace(-90, 90, 21))
ELEVATIONS = np.radians(np.linspace(-30, 30, 11))
LIGHTS = np.radians(np.linspace(-75, 75, 11))
AMBIENT = 0.2


@dataclass(frozen=True)
class Head:
    """Ellipsoids, in a frame with x to the head's left, y up and z out of its face.

    Attributes:
        centre, radius: (P, 3), where the image's half side is 1.
        grey: (P,) in 0..1, how much light each reflects.
    """

    centre: Reals
    radius: Reals
    grey: Reals


@DATASETS.register("faces_drawn", source=SOURCE, images=127_050, licence="MIT", spec=SPEC)
def faces_drawn(folder: Path | None = None) -> Grid:
    """Return the data set, drawn at first use and kept in the cache; `folder` is ignored."""
    return prepared.grid(SPEC, lambda _: _blocks(), source=SOURCE, version=VERSION)


def _blocks() -> Iterator[Images]:
    """Yield all images, one person's (2541, 4096) at a time."""
    rng = np.random.default_rng(0)
    heads = [head(rng) for _ in range(SPEC.factor_sizes[0])]
    for one in heads:
        yield np.concatenate([draw(one, a, e) for a in AZIMUTHS for e in ELEVATIONS])


def head(rng: np.random.Generator) -> Head:
    """Return a person's head."""

    def about(value: float, spread: float = 0.12) -> float:
        return float(value * (1 + spread * rng.uniform(-1, 1)))

    x, y, z = about(0.52), about(0.7), about(0.6)
    skin, hair, dark = about(0.8), rng.uniform(0.1, 0.6), rng.uniform(0.05, 0.25)
    apart, level, size = about(0.2, 0.2), about(0.12, 0.5), about(0.085, 0.25)
    nose, mouth = about(0.22, 0.35), about(0.17, 0.3)
    parts: list[tuple[tuple[float, ...], tuple[float, ...], float]] = [
        ((0, 0, 0), (x, y, z), skin),
        ((0, -0.08, 0.72 * z), (about(0.09, 0.3), nose, nose), skin),
        ((0, 0.25 * y, -0.12), (1.04 * x, 0.85 * y, 1.02 * z), hair),
        ((0, -0.5 * y, 0.74 * z), (mouth, about(0.04, 0.4), 0.12), 0.45 * skin),
        ((0, -0.95 * y, -0.1), (0.5 * x, 0.35, 0.3), 0.9 * skin),
    ]
    for side in (-1, 1):
        parts += [
            ((side * apart, level, 0.8 * z), (size, 0.6 * size, 0.12), 0.95),
            ((side * apart, level, 0.86 * z), (0.45 * size, 0.45 * size, 0.12), dark),
            ((side * apart, level + 1.6 * size, 0.76 * z), (1.3 * size, 0.25 * size, 0.1), hair),
            ((side * x, 0, 0), (0.06, about(0.16, 0.3), 0.1), skin),
        ]
    centre, radius, grey = (np.array(column, float) for column in zip(*parts, strict=True))
    return Head(centre, radius, grey)


def draw(one: Head, azimuth: float, elevation: float) -> Images:
    """Return a head, turned to its left by `azimuth` and up by `elevation`, in all lights.

    Returns:
        (11, 4096) uint8, one image a light.
    """
    turn = _turn(azimuth, elevation)
    normal, grey = seen(one, turn)
    light = np.stack([np.sin(LIGHTS), np.full(11, 0.35), np.cos(LIGHTS)], 1) @ turn
    light /= np.linalg.norm(light, axis=1, keepdims=True)
    shade = AMBIENT + (1 - AMBIENT) * np.clip(light @ normal.T, 0, None)
    return np.rint(255 * grey * shade).astype(np.uint8)


def _turn(azimuth: float, elevation: float) -> Reals:
    """Return the rotation (3, 3) from the head's frame to the camera's, which looks along -z."""
    (ca, sa), (ce, se) = ((np.cos(t), np.sin(t)) for t in (azimuth, elevation))
    side = np.array([[ca, 0, sa], [0, 1, 0], [-sa, 0, ca]])
    up = np.array([[1, 0, 0], [0, ce, se], [0, -se, ce]])
    turn: Reals = up @ side
    return turn


def seen(one: Head, turn: Reals) -> tuple[Reals, Reals]:
    """Return what the rays of an image meet first: its normal (4096, 3) and its grey (4096,).

    Where a ray meets nothing the grey is 0. A ray o + t d meets the ellipsoid of centre c and radii
    r where |(o + t d - c) / r| = 1, a quadratic equation in t.
    """
    v, u = np.meshgrid(-(np.arange(64) - 31.5) / 32, (np.arange(64) - 31.5) / 32, indexing="ij")
    origin = np.stack([u.ravel(), v.ravel(), np.zeros(64 * 64)], 1) @ turn
    ray, weight = turn[2], 1 / one.radius**2
    shift = weight * one.centre
    a = weight @ ray**2
    b = (origin * ray) @ weight.T - shift @ ray
    c = origin**2 @ weight.T - 2 * origin @ shift.T + (shift * one.centre).sum(1) - 1
    inside = b**2 - a * c
    t = np.where(inside > 0, (np.sqrt(np.clip(inside, 0, None)) - b) / a, -np.inf)
    part = t.argmax(1)
    depth = t[np.arange(len(t)), part]
    hit = np.isfinite(depth)
    point = origin + np.where(hit, depth, 0)[:, None] * ray
    normal = (point - one.centre[part]) / one.radius[part] ** 2
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-12)
    return normal, np.where(hit, one.grey[part], 0)
