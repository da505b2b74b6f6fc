"""What a method is: a torch module that says how it is trained and what its codes are."""

import inspect
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from methods.posterior import Posterior

Kind = Literal["normal", "uniform", "categorical", "ordinal", "noise"]
Sees = Literal["images", "label", "factors", "one-factor", "pairs"]


@dataclass(frozen=True)
class Batch:
    """What a step is given: images, and only what the method's `sees` entitles it to.

    Attributes:
        x: images (B, C, H, W), float32 in [0, 1].
        factors: (B, K) integer ground-truth factors; for `sees = "label"` the label alone, (B, 1).
        active: the one factor that varies in this batch, for `sees = "one-factor"`.
        y: (B, C, H, W), the other image of each pair, for `sees = "pairs"`.
        phase: what the method's `phase` says of the step.
    """

    x: Tensor
    factors: Tensor | None = None
    active: int | None = None
    y: Tensor | None = None
    phase: int = 0

    @property
    def kind(self) -> tuple[int | None, int]:
        """What differs from step to step and is no tensor; steps of one kind are alike."""
        return self.active, self.phase

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors that it has, by name."""
        fields = {"x": self.x, "factors": self.factors, "y": self.y}
        return {name: tensor for name, tensor in fields.items() if tensor is not None}

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on the device."""
        moved = {name: x.to(device, non_blocking=True) for name, x in self.tensors.items()}
        return replace(self, **moved)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Code:
    """One column of z.

    Attributes:
        name: `c1`, `z3`, ...
        kind: its prior: normal N(0, 1); uniform U(-1, 1); categorical, the number of one of `size`
            categories, all equally likely; ordinal, a known value; noise, U(-1, 1) and no code.
        size: how many categories or values it has; 1 for a real number.
    """

    name: str
    kind: Kind
    size: int = 1


def normal_codes(n: int) -> tuple[Code, ...]:
    """Return z1..zn with a standard normal prior."""
    return tuple(Code(f"z{i + 1}", "normal") for i in range(n))


def uniform_codes(n: int) -> tuple[Code, ...]:
    """Return z1..zn with the prior U(-1, 1)."""
    return tuple(Code(f"z{i + 1}", "uniform") for i in range(n))


class Method(nn.Module):
    """A method: a constructor of a `Spec` and keyword arguments, its hyper-parameters.

    A subclass sets `codes` and overrides what it has: `optimisers` and `losses` if it is trained by
    steps, `fit` if it has a closed form, `encode` if it infers codes, `decode` if it generates.

    Attributes:
        sees: the supervision that it is granted.
        reference: whether its codes are made without images: a floor or a ceiling of the table. Its
            batches have none.
        paper_steps: training steps in its paper, by data set; "" stands for every other one. 0
            leaves the method untrained.
        paper_settings: the hyper-parameters of its paper, by data set, that differ from the
            constructor's defaults; "" stands for every data set that is not named.
        settings_with: those that a value of another brings, by that value, such as `nets=paper`,
            and by data set.
        codes: the columns of z, in order, noise last.
        batch_size: images a batch.
        batches: how many batches a step takes: `losses` is given all their images at once.
        factor_weights: for `sees = "one-factor"`: how often each factor is the active one, relative
            to the others; None for equally often.
        pair_factor: for `sees = "pairs"`: the factor that differs; None for any, pair by pair.
        logs: values of the step for the log, on the device and detached; `losses` fills it.
    """

    sees: ClassVar[Sees] = "images"
    reference: ClassVar[bool] = False
    paper_steps: ClassVar[Mapping[str, int]] = {}
    paper_settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {"": {}}
    settings_with: ClassVar[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {}
    codes: tuple[Code, ...]
    batch_size: int = 64
    batches: int = 1
    factor_weights: tuple[float, ...] | None = None
    pair_factor: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, Tensor] = {}

    def optimisers(self) -> dict[str, Optimizer]:
        """Return the optimisers by name; none for a method that is not trained by steps."""
        return {}

    def phase(self, step: int) -> int:
        """Return the phase that training step number `step`, from 0, is in.

        On a GPU a step is captured once and replayed: it must run the same operations, with the
        same Python numbers, at every step of a phase. A number that changes from step to step is a
        buffer on the device; what changes the operations is a phase, which the batch states.
        """
        return 0

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield (optimiser, scalar loss); each is stepped before the generator goes on."""
        raise NotImplementedError(f"{type(self).__name__} is not trained by steps")

    def fit(self, batch: Batch) -> None:
        """Learn in closed form from one large batch; nothing to do for most methods."""

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes (B, L) of the images, one column per entry of `codes` but the noise."""
        raise NotImplementedError(f"{type(self).__name__} has no inference")

    def decode(self, z: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [0, 1] for z (B, len(codes))."""
        raise NotImplementedError(f"{type(self).__name__} does not generate images")

    def posterior(self, x: Tensor) -> Posterior:
        """Return q(z | x), whose mean `encode` returns."""
        raise NotImplementedError(f"{type(self).__name__} has no posterior")

    @classmethod
    def trains(cls) -> bool:
        """Whether it is trained by steps."""
        return cls.losses is not Method.losses and cls.paper_steps.get("") != 0

    @property
    def encodes(self) -> bool:
        """Whether it infers codes from images."""
        return type(self).encode is not Method.encode

    @property
    def has_posterior(self) -> bool:
        """Whether its codes are the means of a posterior with a variance."""
        return type(self).posterior is not Method.posterior

    @property
    def decodes(self) -> bool:
        """Whether it makes images from codes."""
        return type(self).decode is not Method.decode

    @classmethod
    def representation(cls) -> str:
        """Where codes come from: its encoder, one that is fitted post hoc, or none."""
        if cls.encode is not Method.encode:
            return "encoder"
        return "posthoc" if cls.decode is not Method.decode else "none"

    @property
    def informative(self) -> tuple[Code, ...]:
        """The codes that are not noise: the columns that `encode` returns."""
        return tuple(code for code in self.codes if code.kind != "noise")

    def sample(self, n: int, device: torch.device | None = None) -> Tensor:
        """Return z (n, len(codes)) from the prior; torch's generator draws."""
        uniform = torch.rand(n, len(self.codes), device=device) * 2 - 1
        normal = torch.randn(n, sum(code.kind == "normal" for code in self.codes), device=device)
        columns, first, drawn = [], 0, 0
        # Neighbours of a kind are one slice: an index of numbers would be copied to the device.
        alike = itertools.groupby(self.codes, lambda code: (code.kind, code.size))
        for (kind, size), codes in alike:
            width = len(list(codes))
            z = uniform[:, first : first + width]
            if kind == "normal":
                z = normal[:, drawn : drawn + width]
                drawn += width
            columns.append(((z + 1) / 2 * size).floor() if kind == "categorical" else z)
            first += width
        return torch.cat(columns, 1)


def defaults(
    method: type[Method], dataset: str, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return every hyper-parameter of a method class with its paper's value on a data set.

    Args:
        method: the class.
        dataset: the name of the data set.
        given: values that are chosen, which may bring others: `settings_with`.
    """
    values = {name: p.default for name, p in settings(method).items()}
    values |= _on(dataset, method.paper_settings)
    chosen = values | dict(given or {})
    for value, brought in method.settings_with.items():
        name, _, wanted = value.partition("=")
        if chosen.get(name) == wanted:
            values |= _on(dataset, brought)
    return values


def _on(dataset: str, by_dataset: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return dict(by_dataset.get(dataset, by_dataset[""]))


def settings(method: type[Method]) -> dict[str, inspect.Parameter]:
    """Return the hyper-parameters of a method class: its constructor's keyword arguments.

    Those of a constructor with `**shared` are its own and the ones of the class that it extends.
    """
    found: dict[str, inspect.Parameter] = {}
    for init in (vars(cls)["__init__"] for cls in method.__mro__ if "__init__" in vars(cls)):
        parameters = inspect.signature(init, eval_str=True).parameters.values()
        found |= {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in found}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return found


def adam(module: nn.Module, lr: float, **kwargs: Any) -> Optimizer:
    """Return Adam over the module's parameters; fused: one pass over memory a step."""
    return torch.optim.Adam(module.parameters(), lr=lr, fused=True, **kwargs)


def adagrad(module: nn.Module, lr: float) -> Optimizer:
    """Return Adagrad over the module's parameters; fused, where it is, counts on the device."""
    parameters = list(module.parameters())
    return torch.optim.Adagrad(parameters, lr=lr, fused=parameters[0].device.type != "mps")
