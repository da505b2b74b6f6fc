"""One section per method, metric and data set, from the registry: `docs/_generated/*.md`.

Sphinx calls it as an extension before it reads the pages, which include these files. Without
Sphinx, from the checkout: `python -m docs.generate`, which also writes the tables of stored runs
into README and the pages. Their place there is marked; the options are those of `table`:

    <!-- table: results/stored/NAME.parquet --metrics mig,sap -->
    <!-- end of the table -->
"""

import inspect
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.registry import DATASETS, METHODS, METRICS, Entry, Registry
from methods.base import Method, settings
from metrics.base import needs, row_names
from results.atomic import write_text
from results.frame import COLUMNS
from results.output import directions, selected
from results.significance import compared
from results.stored import read
from results.table import tables
from results.table_formats import markdown, markdown_text

ROOT = Path(__file__).resolve().parents[1]
HEADER = re.compile("(Args|Raises|Attributes):")
ARGUMENT = re.compile(r"    (\w+(?:, \w+)*): (.*)")
REFERS = re.compile("those of `")
"""Begins what a docstring says of a setting that its base class describes."""
URL = re.compile(r"https?://[^\s,;)]*[^\s,;).]")
STORED = re.compile(r"(<!-- table: (\S+)([^\n]*) -->\n).*?(<!-- end of the table -->)", re.DOTALL)
NOT_SETTINGS = ("held_out",)
"""Keyword arguments of metrics that the suite sets, not the user."""


def parts(doc: str) -> tuple[str, dict[str, str]]:
    """Return the prose of a Google-style docstring, and what it says of each argument."""
    prose, about, within = [], dict[str, str](), False
    named: list[str] = []
    for line in inspect.cleandoc(doc).splitlines():
        if HEADER.fullmatch(line):
            within = True
        elif within and line.startswith("    "):
            if argument := ARGUMENT.fullmatch(line):
                named = argument[1].split(", ")
                about |= dict.fromkeys(named, argument[2])
            else:
                about |= {name: f"{about[name]} {line.strip()}" for name in named if name in about}
        else:
            within = within and not line
            prose.append(line)
    return "\n".join(prose).strip(), about


def linked(text: str) -> str:
    """Return text with its addresses as Markdown links."""
    return URL.sub(lambda found: f"<{found[0]}>", text)


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a Markdown table; nothing without rows."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    if lines:
        yield from ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines]


def section(entry: Entry[Any], facts: Mapping[str, str], doc: str) -> Iterator[str]:
    """Yield what every plug-in has: name, docstrings of its file and its own, facts, file."""
    path = Path(inspect.getsourcefile(entry.value) or "").resolve()
    module = inspect.getdoc(inspect.getmodule(entry.value)) or ""
    yield from [f"### {entry.name}", "", linked(module), "", linked(parts(doc)[0]), ""]
    yield f"- source: {linked(entry.source)}"
    yield from (f"- {name}: {value}" for name, value in facts.items())
    yield f"- file: `{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}`"


def method(entry: Entry[type[Method]]) -> Iterator[str]:
    """Yield the section of a method."""
    value = entry.value
    steps = [f"{n:,}{f' on {name}' if name else ''}" for name, n in value.paper_steps.items()]
    facts = {
        "sees": value.sees,
        "codes come from": value.representation().replace("posthoc", "a post-hoc encoder"),
        "steps of its paper": ("; ".join(steps) or "not stated") if value.trains() else "none",
        "version": str(entry.facts["version"]),
    }
    yield from section(entry, facts, value.__doc__ or "")
    about: dict[str, str] = {}
    for base in reversed(value.__mro__):
        if issubclass(base, Method) and base is not Method:
            said = parts(base.__dict__.get("__doc__") or "")[1]
            about |= {k: v for k, v in said.items() if not (k in about and REFERS.match(v))}
    usual = settings(value)
    rows = ((f"`{name}`", f"`{p.default}`", about.get(name, "")) for name, p in usual.items())
    yield from table(("setting", "default", "meaning"), rows)
    for chosen, brought in {"": value.paper_settings, **value.settings_with}.items():
        for dataset, changed in ((name, values) for name, values in brought.items() if values):
            values = ", ".join(f"`{name}={value}`" for name, value in changed.items())
            where = dataset or ("other data sets" if len(brought) > 1 else "every data set")
            yield from ["", f"{f'With `{chosen}` on' if chosen else 'On'} {where}: {values}."]


def metric(entry: Entry[Callable[..., Any]]) -> Iterator[str]:
    """Yield the section of a metric."""
    said, keywords = entry.facts, inspect.signature(entry.value).parameters.values()
    low, high = (f"{end:.4g}".replace("inf", "infinity") for end in said["range"])
    facts = {
        "range": f"{low} to {high}",
        "direction": f"{'higher' if said['higher_is_better'] else 'lower'} is better",
        "needs": ", ".join(f"`{name}`" for name in needs(entry.value)),
        "ground-truth factors": f"at least {said['factors']}" if said["factors"] else "none needed",
        "protocol": f"`{said['protocol']}`",
        "scored": "where `--metrics` names it" if said.get("by_name") else "by default",
        "rows": ", ".join(f"`{name}`" for name in row_names(entry)),
    }
    yield from section(entry, facts, entry.value.__doc__ or "")
    about = parts(entry.value.__doc__ or "")[1]
    own = [p for p in keywords if p.kind is p.KEYWORD_ONLY and p.name not in NOT_SETTINGS]
    rows = ((f"`{p.name}`", f"`{p.default}`", about.get(p.name, "")) for p in own)
    yield from table(("setting", "value", "meaning"), rows)


def dataset(entry: Entry[Callable[..., Any]]) -> Iterator[str]:
    """Yield the section of a data set."""
    said = entry.facts
    spec = said.get("spec")
    facts = {"images": f"{said['images']:,}", "licence": said.get("licence", "not stated")}
    if spec is not None:
        facts["image"] = " x ".join(map(str, spec.shape)) + f", {spec.levels} levels"
        facts["factors"] = str(said.get("factors", spec.factors))
        facts["label"] = spec.label or "none"
        facts["sampling"] = "full grid" if spec.grid else "table of factors"
    files = [f"`{one.name}`" for one in said.get("files", ())]
    facts["original files"] = ", ".join(files) or "none: it is drawn"
    yield from section(entry, facts, entry.value.__doc__ or "")


KINDS: dict[str, tuple[Registry[Any], Callable[[Any], Iterator[str]]]] = {
    "methods": (METHODS, method),
    "metrics": (METRICS, metric),
    "datasets": (DATASETS, dataset),
}


def write(folder: Path) -> None:
    """Write one Markdown file for each kind of plug-in."""
    folder.mkdir(exist_ok=True)
    for kind, (registry, lines) in KINDS.items():
        text = "\n".join(line for name in registry.names() for line in [*lines(registry[name]), ""])
        (folder / f"{kind}.md").write_text(text)


def filled(page: str, root: Path = ROOT) -> str:
    """Return a page with the tables of stored runs in their places; paths are below `root`."""

    def block(found: re.Match[str]) -> str:
        words = shlex.split(found[3])
        names = (word.removeprefix("--") for word in words[::2])
        options = dict(zip(names, words[1::2], strict=True))
        return f"{found[1]}\n{stored_table(root / found[2], **options)}\n{found[4]}"

    return STORED.sub(block, page)


def stored_table(path: Path, **options: str) -> str:
    """Return the table of a file's runs as Markdown, with what they took and on which machines.

    Runs of an older version of their method do not count.
    """
    rows = read(path)
    today = [METHODS[name].facts["version"] for name in rows["method"]]
    rows = rows[rows["method_version"] == today]
    if rows.empty:
        return "No runs are stored yet.\n"
    frame = selected(rows[[*COLUMNS]].reset_index(drop=True), **options)
    table = markdown(tables(frame, compared(frame, directions())))
    runs = rows[rows["folder"].isin(frame["folder"])].drop_duplicates("folder")
    return "\n".join([table.rstrip("\n"), *_made(runs), ""])


def _made(runs: pd.DataFrame) -> Iterator[str]:
    """Yield the minutes of training per method, and the machines, of a row per run."""
    trained = runs[runs["steps"] > 0].groupby("method")["training_seconds"].mean() / 60
    minutes = ", ".join(f"{markdown_text(str(name))} {mean:.0f}" for name, mean in trained.items())
    yield f"- minutes of training, mean over runs: {minutes}"
    for machine, number in runs["machine"].value_counts().items():
        yield f"- {number} runs on: {markdown_text(str(machine))}"


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx write the files before it reads the pages."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "_generated"))
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    write(Path(__file__).with_name("_generated"))
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        write_text(page, filled(page.read_text()))
