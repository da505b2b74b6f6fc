"""Where results come from: whom to cite, the commands that make them again, the versions used."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.config.parse import BUDGETS, spans
from benchmark.registry import GENERATOR, METRICS
from results.frame import settings_text
from results.runs import Runs, rows_of
from results.store import Folder


def sources(runs: Runs, known: Mapping[tuple[str, str], str]) -> list[dict[str, str]]:
    """Return kind, name and source of each method, data set and metric that was used.

    A run records the source of its method and data set; `known` has those of runs that do not.
    """
    found: dict[tuple[str, str], str] = {}
    for config in runs.configs.values():
        recorded = config.get("sources", {})
        for kind in ("method", "dataset"):
            name = config["run"][kind]
            source = recorded.get(kind) or known.get((kind, name), "no source is known")
            found[kind, name] = str(source)
    for metric in _metrics(runs.lines["metric"]):
        found["metric", metric] = METRICS[metric].source
    return [{"kind": k, "name": n, "source": text} for (k, n), text in sorted(found.items())]


def commands(runs: Runs) -> list[str]:
    """Return the commands that make all runs again."""
    tail = _scored(runs.lines["metric"])
    seeds: dict[tuple[str, ...], list[int]] = {}
    for config in runs.configs.values():
        run = config["run"]
        seeds.setdefault((run["method"], *_options(run)), []).append(run["seed"])
    joined: dict[tuple[str, ...], list[str]] = {}
    for (method, *options), numbers in seeds.items():
        joined.setdefault((*options, "--seeds", spans(numbers)), []).append(method)
    return [
        "python -m benchmark run "
        + shlex.join(["--methods", ",".join(sorted(methods)), *options, "--no-reference"])
        + tail
        for options, methods in sorted(joined.items())
    ]


def command(folder: Folder) -> str:
    """Return the command that makes a run again, in place of what is in its folder."""
    remove = shlex.join(["rm", "-r", str(folder.path)])
    return f"{remove} && {made_by(folder, '--out', str(folder.path.parent))}"


def made_by(folder: Folder, *more: str) -> str:
    """Return the command that makes a run, with more options."""
    config, rows = folder.config, (folder.scores or {"rows": []})["rows"]
    run = config["run"] | {"precision": config.get("precision", config["run"]["precision"])}
    words = ["--methods", run["method"], *_options(run), "--seeds", str(run["seed"])]
    sizes = (re.search(r"/rows=(\d+)", row["protocol"]) for row in rows)
    table = next((found[1] for found in sizes if found), "all")
    words += ["--no-reference", "--rows", table, *more]
    tail = _scored(row["metric"] for row in rows)
    return f"python -m benchmark run {shlex.join(words)}{tail}"


def versions(runs: Runs) -> list[tuple[str, str, int]]:
    """Return what the runs were made with: name, version, and how many runs record it."""
    counts = Counter(
        (str(name), str(value))
        for config in runs.configs.values()
        for part in ("versions", "machine")
        for name, value in config.get(part, {}).items()
    )
    return [(name, value, n) for (name, value), n in sorted(counts.items())]


def _options(run: Mapping[str, Any]) -> list[str]:
    """Return the options of a run that are not its method, its seed or its scores."""
    method, given = run["method"], run["settings"]
    sets = [f"{method}.{k}={settings_text({k: v}).split('=', 1)[1]}" for k, v in given.items()]
    options = ["--datasets", run["dataset"], *_budget(run), "--precision", run["precision"]]
    return options + [option for text in sorted(sets) for option in ("--set", text)]


def _scored(rows: Iterable[str]) -> str:
    """Return the options that score runs by the metrics of these rows."""
    there = set(rows)
    found = ",".join(_metrics(there))
    side = " --side both" if any(row.endswith(GENERATOR) for row in there) else ""
    return (f" --metrics {found}" if found else "") + side


def _budget(run: Mapping[str, Any]) -> list[str]:
    if run["budget"] in BUDGETS:
        return ["--budget", run["budget"]]
    return ["--steps", str(run["steps"])] if run["steps"] else []


def _metrics(rows: Iterable[str]) -> list[str]:
    """Return the registered metrics that gave these rows of scores."""
    there = set(rows)
    return [name for name in METRICS.names() if there & set(rows_of(name))]
