"""`python -m benchmark reproduce`: runs the studies of claims, and says which hold."""

import math
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmark.claims.base import SEEDS, Lab
from benchmark.claims.expected import stands
from benchmark.registry import CLAIMS, UserError
from benchmark.training.environment import describe, versions
from benchmark.training.loop import Diverged
from results.atomic import written
from results.terminal import console

if TYPE_CHECKING:  # which listing claims does without
    import pandas as pd

REPRODUCED = Path(__file__).resolve().parents[2] / "results" / "reproduced.csv"
COLUMNS = [
    *("claim", "quantity", "source", "published", "low", "high", "ours", "interval", "values"),
    *("seeds", "verdict", "reason", "date", "machine", "torch"),
]
"""Of a frame with a row per quantity of a claim, and of `REPRODUCED`.

`low` to `high` is the range that counts as reproduced, `ours` and its 95 % `interval` are those of
`benchmark.claims.expected`, mostly the mean over `seeds`; `values` those of each seed, and `reason`
why a quantity does not hold, where an experiment has shown it.
"""
BEFORE = [column for column in COLUMNS if column != "reason"]
"""Of a CSV that was written before there were reasons."""


def seeds_of(name: str, given: Sequence[int] | None) -> Sequence[int]:
    """Return the seeds of a claim: those given, or as many as it asks for."""
    return range(CLAIMS[name].facts.get("seeds", SEEDS)) if given is None else given


def reproduce(
    names: Sequence[str], given: Sequence[int] | None, lab: Lab, to: Path
) -> "pd.DataFrame":
    """Run each study once per seed, and return its rows.

    They are written to a CSV as soon as they are there, in place of older ones of the same claim.

    Args:
        names: of claims.
        given: the seeds of each; None: those of `seeds_of`.
        lab: what they train with.
        to: the CSV.

    Raises:
        UserError: `to` is another kind of file, or cannot be written.
    """
    import pandas as pd

    rows = pd.DataFrame(columns=COLUMNS)
    for name in names:
        seeds = seeds_of(name, given)
        new = _rows(name, seeds, [_study(name, lab, seed) for seed in seeds], lab)
        rows = pd.concat([rows, pd.DataFrame(new, columns=COLUMNS, dtype=object)])
        older = stored(to)
        every = pd.concat([older[~older["claim"].isin(rows["claim"])], rows])
        every = every.sort_values("claim", kind="stable")
        with written(to) as path:
            every.to_csv(path, index=False, na_rep="nan", lineterminator="\r\n")
    return rows


def _study(name: str, lab: Lab, seed: int) -> dict[str, float]:
    """Return the quantities of a study; NaN for each if a training of it diverged."""
    try:
        found: dict[str, float] = CLAIMS[name].value(lab, seed)
    except Diverged as error:
        print(f"{name} seed {seed}: diverged: {error}", file=sys.stderr)
        return dict.fromkeys(CLAIMS[name].facts["expected"], math.nan)
    return found


def _rows(
    name: str, seeds: Sequence[int], found: Sequence[dict[str, float]], lab: Lab
) -> Iterator[tuple[Any, ...]]:
    """Yield a row per quantity of a claim, of what its study found with each seed."""
    entry, about = CLAIMS[name], describe(lab.device)
    for quantity, expected in entry.facts["expected"].items():
        values = [one[quantity] for one in found]
        ours, between = expected.ours(values), expected.interval(values)
        verdict = expected.verdict(values)
        yield (
            *(name, quantity, entry.source, expected.published, expected.low, expected.high, ours),
            "" if between is None else f"{between[0]:.4g} to {between[1]:.4g}",
            " ".join(f"{value:.4g}" for value in values),
            " ".join(map(str, seeds)),
            verdict,
            "" if stands(verdict) else expected.reason,
            datetime.now(UTC).date().isoformat(),
            f"{about['device']}, {about['threads']} threads",
            versions()["torch"],
        )


def stored(to: Path) -> "pd.DataFrame":
    """Return the rows of a CSV, as text; none if there is no such file.

    Raises:
        UserError: it is another kind of file, or cannot be read.
    """
    import pandas as pd

    try:
        rows = pd.read_csv(to, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        return pd.DataFrame(columns=COLUMNS)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {to}: {error}; give another file to --to") from error
    if list(rows) not in (COLUMNS, BEFORE):
        raise UserError(f"{to} is not a table of reproduced claims; give another file to --to")
    return rows.reindex(columns=COLUMNS, fill_value="")


def minutes(names: Sequence[str], given: Sequence[int] | None) -> str:
    """Return how long the studies take on two cores, in all and each."""
    each = {name: CLAIMS[name].facts["minutes"] * len(seeds_of(name, given)) for name in names}
    parts = ", ".join(f"{name} {math.ceil(number)}" for name, number in each.items())
    total = math.ceil(sum(each.values()))
    return f"{total} minute{'s' * (total != 1)} on two cores ({parts})"


def show(rows: "pd.DataFrame") -> None:
    """Print rows."""
    table = Table("claim", "quantity", "published", "ours", "verdict")
    for *cells, _, verdict in _cells(rows):
        table.add_row(*cells, verdict)
    console().print(table)


def markdown(rows: "pd.DataFrame") -> str:
    """Return rows as a table in Markdown."""
    head = "| claim | quantity | published | ours | seeds | verdict |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(f"| {' | '.join(cells)} |" for cells in _cells(rows))])


def _cells(rows: "pd.DataFrame") -> Iterator[list[str]]:
    """Yield claim, quantity, published value, ours, seeds and the verdict with its reason."""
    for row in rows.to_dict("records"):
        ours = f"{float(row['ours']):.4g}" + (f" ({row['interval']})" if row["interval"] else "")
        names = row["claim"], row["quantity"].replace("_", " ")
        verdict = ": ".join(filter(None, [row["verdict"], row["reason"]]))
        yield [*names, row["published"], ours, row["seeds"], verdict]
