"""BibTeX of registered sources."""

import re
from pathlib import Path

from benchmark.registry import DATASETS, METHODS, METRICS
from results.citations import bibtex, works
from tests.command import Command
from tests.studies import small_study

REQUIRED = {"misc": "", "inproceedings": "booktitle", "article": "journal"}


def test_works_are_entries_with_full_names() -> None:
    for entry in works().values():
        kind, fields = (
            re.findall(r"^@(\w+)\{", entry),
            dict(re.findall(r"  (\w+) = \{(.*)\},", entry)),
        )
        assert entry.count("{") == entry.count("}")
        assert {"author", "title", "year", "url", REQUIRED[kind[0]]} <= {*fields, ""}
        assert all(re.fullmatch(r".+, .+", author) for author in fields["author"].split(" and "))


def test_every_registered_source_is_cited_once() -> None:
    kinds = {"dataset": DATASETS, "method": METHODS, "metric": METRICS}
    sources = [
        {"kind": kind, "name": name, "source": registry[name].source}
        for kind, registry in kinds.items()
        for name in registry.names()
    ]
    text = bibtex(sources)
    keys = re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) == len(set(works().values()))
    for one in sources:
        user = f"{one['kind']} {one['name']}"
        assert user in text
        assert ("http" in one["source"]) != (f"% {user}: {one['source']}" in text)


def test_runs_are_cited(command: Command, tmp_path: Path) -> None:
    out = command("cite", "--out", small_study(tmp_path)).out
    assert "% method betavae, method truth\n@inproceedings{higgins2017betavae,\n" in out
    assert "Duan, Yan and Houthooft, Rein" in out
    assert "% dataset dsprites\n" in out
    assert "% method random: the floor" in out
