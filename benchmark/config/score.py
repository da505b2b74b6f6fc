"""Which scores a run should have: metrics, of a side, of some factors, of some rows."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmark.config import factors
from benchmark.config.factors import ALL
from benchmark.config.parse import Names, names
from benchmark.errors import unknown
from benchmark.registry import GENERATOR, METRICS, Entry
from datasets.base import TABLE_ROWS
from metrics.base import needs, row_names, usual
from results.arrays import FILES, Codes, Features, Generated

Side = Literal["encoder", "generator"]
SIDES: dict[str, tuple[Side, ...]] = {
    "encoder": ("encoder",),
    "generator": ("generator",),
    "both": ("encoder", "generator"),
}
ROWS = ("all", str(TABLE_ROWS))


@dataclass(frozen=True)
class Score:
    """A metric that a run is to be scored by, and on what.

    Attributes:
        metric: its registered name.
        side: encoder: codes of real images; generator: images of the prior's codes.
        factors: those that are scored, sorted; `all` or `distinct` alone.
        rows: how many rows of the data set, its fixed table; None for all.
    """

    metric: str
    side: Side = "encoder"
    factors: tuple[str, ...] = (ALL,)
    rows: int | None = None

    def __str__(self) -> str:
        """Return it as messages name it: `mig`, `mig/shape,x` or `mig@generator`."""
        return self.metric + ("" if self.of_all_factors else f"/{self._factors}") + self._suffix

    @property
    def entry(self) -> Entry[Any]:
        """The registered metric."""
        return METRICS[self.metric]

    @property
    def of_generator(self) -> bool:
        """Whether it is of the generator's side."""
        return self.side == "generator"

    @property
    def of_all_factors(self) -> bool:
        """Whether all factors are scored, as they are."""
        return self.factors == (ALL,)

    @property
    def of_images(self) -> bool:
        """Whether it compares images, not codes, as FID does."""
        return "features_generated" in needs(self.entry.value)

    @property
    def of_table(self) -> bool:
        """Whether it is of a table of real images' codes, which may be of some rows only."""
        coded = not {"codes", "c1"}.isdisjoint(needs(self.entry.value))
        return coded and not self.of_generator

    @property
    def file(self) -> str:
        """The file of a run's folder that it is computed of."""
        kind = Features if self.of_images else Generated if self.of_generator else Codes
        return FILES[kind].name

    @property
    def row_names(self) -> tuple[str, ...]:
        """The names of its rows, `dci_disentanglement@generator` for example."""
        return tuple(row + self._suffix for row in row_names(self.entry))

    @property
    def protocol(self) -> str:
        """The metric's protocol, with rows and factors that are not all."""
        rows = "" if self.rows is None else f"/rows={self.rows}"
        view = "" if self.of_all_factors else f", factors {self._factors}"
        return f"{self.entry.facts['protocol']}{rows}{view}"

    @property
    def signs(self) -> set[tuple[str, str]]:
        """The (row, protocol) pairs that a run has once it is scored."""
        return {(row, self.protocol) for row in self.row_names}

    def of_rows(self, rows: int | None) -> "Score":
        """Return it of so many rows, if it is of a table of codes."""
        return replace(self, rows=rows) if self.of_table else self

    @property
    def _factors(self) -> str:
        return ",".join(self.factors)

    @property
    def _suffix(self) -> str:
        return GENERATOR if self.of_generator else ""


@dataclass(frozen=True)
class Scoring:
    """The options of `run` about scores, as given.

    Attributes:
        metrics: names, or all; None: those of the study, or the usual ones.
        side: encoder, generator or both; None: that of the study, or encoder.
        factors: all, distinct, or names.
        rows: all, or the size of the fixed table; None: as the study or its budget has it.
    """

    metrics: Names | None = None
    side: str | None = None
    factors: Names = ALL
    rows: str | int | None = None

    def scores(self, quick: bool = False, default: Sequence[str] | None = None) -> list[Score]:
        """Return the scores.

        Args:
            quick: whether the budget is the quick one, which scores the fixed table.
            default: the metrics where none is named; None: the usual ones.

        Raises:
            UserError: a metric, a side or a number of rows is not known.
        """
        found = usual(METRICS) if default is None else list(default)
        if self.metrics is not None:
            found = names(self.metrics, "metric", METRICS.names())
        sides = self.side or "encoder"
        if sides not in SIDES:
            raise unknown("side", sides, SIDES)
        chosen, rows = factors.parse(self.factors), self._rows(quick)
        scores = []
        for side, name in itertools.product(SIDES[sides], found):
            score = Score(name, side).of_rows(rows)
            if "factors" in needs(score.entry.value):
                score = replace(score, factors=chosen)
            scores.append(replace(score, side="encoder") if score.of_images else score)
        return list(dict.fromkeys(scores))

    def _rows(self, quick: bool) -> int | None:
        if self.rows is None:
            return TABLE_ROWS if quick else None
        if str(self.rows) not in ROWS:
            raise unknown("--rows", str(self.rows), ROWS)
        return None if self.rows == "all" else TABLE_ROWS
