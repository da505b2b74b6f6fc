"""Scores that are asked for, as text: `mig:50000/shape,x@generator`.

A metric, the size of the table of rows where that is not all, the factors where they are not all,
and the generator's side where that is meant.
"""

from benchmark.config import factors as views
from benchmark.registry import GENERATOR, METRICS, UserError, names, unknown
from datasets.base import TABLE_ROWS
from metrics.base import needs, row_names, usual

ROWS = ":"
"""Parts the name of a metric from how many rows it is asked of, where they are not all."""
FACTORS = "/"
"""Parts the name of a metric, and its rows, from the factors, where they are not all."""


def metrics_for(
    text: str | None, side: str = "encoder", factors: str = views.ALL, rows: int | None = None
) -> list[str]:
    """Return the metrics that `text` names, of a side or both; the usual ones without it.

    Those that look at factors are asked of `factors` alone: see `config.factors`. Those of codes
    are asked of the fixed table of so many `rows`, or of all.

    Raises:
        UserError: a metric or a side is not known.
    """
    chosen = usual(METRICS) if text is None else names(text, "metric", METRICS.names())
    ends = {"encoder": [""], "generator": [GENERATOR], "both": ["", GENERATOR]}
    if side not in ends:
        raise unknown("side", side, ends)
    view = ""
    if factors.strip() != views.ALL:
        parts = {part.strip() for part in factors.split(",")} - {""}
        if not parts:
            raise UserError("--factors names none; known: all, distinct, and a data set's own")
        view = FACTORS + ",".join(sorted(parts))
    looks = {name: "factors" in needs(METRICS[name].value) for name in chosen}
    chosen = [name + view if looks[name] else name for name in chosen]
    wanted = [name if of_images(name) else name + end for end in ends[side] for name in chosen]
    return list(dict.fromkeys(of_table(request, rows) for request in wanted))


def table_size(text: str | None, quick: bool) -> int | None:
    """Return how many rows of a data set are scored, None for all.

    Args:
        text: what --rows says; None: as the budget has it.
        quick: whether the budget is the quick one, which scores the fixed table.

    Raises:
        UserError: it is neither all nor the size of the fixed table.
    """
    if text not in (None, "all", str(TABLE_ROWS)):
        raise unknown("--rows", str(text), ["all", str(TABLE_ROWS)])
    return TABLE_ROWS if text == str(TABLE_ROWS) or (text is None and quick) else None


def metric_of(request: str) -> str:
    """Return the metric of a request like `mig`, `mig:50000/distinct` or `mig/x@generator`."""
    return request.removesuffix(GENERATOR).partition(FACTORS)[0].partition(ROWS)[0]


def table_of(request: str) -> int | None:
    """Return how many rows of a data set a request is about, None for all."""
    rows = request.removesuffix(GENERATOR).partition(FACTORS)[0].partition(ROWS)[2]
    return int(rows) if rows else None


def without_table(request: str) -> str:
    """Return a request without the size of its table."""
    return request.replace(f"{ROWS}{table_of(request)}", "", 1)


def has_table(metric: str) -> bool:
    """Return whether a metric is asked of a table of codes."""
    return not {"codes", "c1"}.isdisjoint(needs(METRICS[metric].value))


def of_table(request: str, size: int | None) -> str:
    """Return a request as one of the fixed table of so many rows, if it is of a table of codes."""
    metric = metric_of(request)
    if size is None or request.endswith(GENERATOR) or not has_table(metric):
        return request
    return f"{metric}{ROWS}{size}{request.removeprefix(metric)}"


def factors_of(request: str) -> str:
    """Return the factors that a request is about, as the command line names them."""
    return request.removesuffix(GENERATOR).partition(FACTORS)[2] or views.ALL


def of_images(request: str) -> bool:
    """Return whether a request like `fid` is about images, not codes."""
    return "features_generated" in needs(METRICS[metric_of(request)].value)


def rows_of(request: str) -> tuple[str, ...]:
    """Return the names of the rows that a request like `dci@generator` comes to."""
    side = GENERATOR if request.endswith(GENERATOR) else ""
    return tuple(row + side for row in row_names(METRICS[metric_of(request)]))


def protocol(request: str) -> str:
    """Return the protocol of a request: the metric's, with rows and factors that are not all."""
    text, rows = factors_of(request), table_of(request)
    own = str(METRICS[metric_of(request)].facts["protocol"])
    own += "" if rows is None else f"/rows={rows}"
    return own if text == views.ALL else f"{own}, factors {text}"


def signs(request: str) -> set[tuple[str, str]]:
    """Return the (row, protocol) pairs that a run has once a request is scored."""
    return {(row, protocol(request)) for row in rows_of(request)}
