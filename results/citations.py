"""Sources as BibTeX: what a paper that used methods, data sets and metrics cites."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

WORKS = Path(__file__).with_name("works.bib")
ADDRESS = re.compile(r"https?://[^\s,;{}]+")


def works() -> dict[str, str]:
    """Return the BibTeX entry of a work by each address that its entry names."""
    entries = WORKS.read_text(encoding="utf-8").strip().split("\n\n")
    return {address: entry for entry in entries for address in ADDRESS.findall(entry)}


def bibtex(sources: Iterable[Mapping[str, str]]) -> str:
    """Return one BibTeX entry per work, below the names of what it is the source of.

    A source that names no address of a known work is a comment.

    Args:
        sources: kind, name and source of each thing, as `results.provenance.sources` returns them.
    """
    known, users, comments = works(), dict[str, list[str]](), list[str]()
    for one in sources:
        user = f"{one['kind']} {one['name']}"
        found = [known[a] for a in ADDRESS.findall(one["source"]) if a in known]
        for entry in dict.fromkeys(found):
            users.setdefault(entry, []).append(user)
        if not found:
            comments.append(f"% {user}: {one['source']}")
    entries = [f"% {', '.join(names)}\n{entry}" for entry, names in users.items()]
    return "\n\n".join([*entries, *(["\n".join(comments)] if comments else [])])
