"""BibTeX of registered sources."""

import re
from pathlib import Path

from benchmark.registry import DATASETS, METHODS, METRICS
from results.citations import Work, bibtex, works
from tests.command import Command
from tests.studies import small_study


def test_a_source_names_works() -> None:
    source = (
        "protocol of Locatello et al., 2019, https://example.org/a_lib, code https://example.org; "
        "reference row of Kim & Bińk, On B & C, ICML 2018, table 1, https://example.org/b; ours"
    )
    first, second = works(source)
    assert first == Work(("Locatello", "others"), "a_lib", "", "2019", "https://example.org/a_lib")
    assert (first.key, second.venue, second.url) == (
        "locatello2019alib",
        "ICML",
        "https://example.org/b",
    )
    assert works("drawn here") == []


def test_every_registered_source_is_cited_once() -> None:
    kinds = {"dataset": DATASETS, "method": METHODS, "metric": METRICS}
    sources = [
        {"kind": kind, "name": name, "source": registry[name].source}
        for kind, registry in kinds.items()
        for name in registry.names()
    ]
    text = bibtex(sources)
    keys = re.findall(r"@misc\{(\w+),", text)
    assert len(keys) == len(set(keys)) > 30
    for one in sources:
        assert f"{one['kind']} {one['name']}" in text
        assert ("http" in one["source"]) == bool(works(one["source"]))


def test_runs_are_cited(command: Command, tmp_path: Path) -> None:
    out = command("cite", "--out", small_study(tmp_path)).out
    assert "% method betavae, method truth\n@misc{higgins2017betavae,\n" in out
    assert "  title = {{InfoGAN}},\n  howpublished = {NeurIPS},\n  year = {2016},\n" in out
    assert "% dataset dsprites\n" in out
    assert "% method random: the floor" in out
