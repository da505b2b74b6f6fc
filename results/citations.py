"""Sources as BibTeX: what a paper that used methods, data sets and metrics cites."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

WORK = re.compile(
    r"(?:[a-z -]+(?: of|:) )?(?P<before>.+?), (?:(?P<venue>[A-Z]\w*) )?(?P<year>(?:19|20)\d\d),"
    r"(?: [^,;]+,)? (?P<url>https?://[^\s,;]+)"
)
"""A work in the text of a source: `Kim & Mnih, Disentangling by Factorising, ICML 2018, URL`."""


class Work(NamedTuple):
    """A work that is cited.

    Attributes:
        authors: surnames; the last may be `others`.
        title: without a title, the last part of the address.
        venue: "" if the source names none.
        year, url: as text.
    """

    authors: tuple[str, ...]
    title: str
    venue: str
    year: str
    url: str

    @property
    def identity(self) -> tuple[object, ...]:
        """What is the same wherever the work is published."""
        return self.authors, self.title, self.year

    @property
    def key(self) -> str:
        """First author, year and first word of the title, in ASCII."""
        text = f"{self.authors[0]}{self.year}{self.title.split()[0]}"
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        return re.sub(r"\W|_", "", plain).lower()


def works(source: str) -> list[Work]:
    """Return the works that a registered source names, each with its first address."""
    found = []
    for part in source.split("; "):
        if work := WORK.match(part):
            names, comma, title = work["before"].rpartition(", ")
            if not comma:
                names, title = title, work["url"].rpartition("/")[2]
            authors = re.split(", | & ", names.replace(" et al.", ", others"))
            venue = work["venue"] or ""
            found.append(Work(tuple(authors), title, venue, work["year"], work["url"]))
    return found


def bibtex(sources: Iterable[Mapping[str, str]]) -> str:
    """Return one BibTeX entry per work, below the names of what it is the source of.

    A source that names no work is a comment.

    Args:
        sources: kind, name and source of each thing, as `results.provenance.sources` returns them.
    """
    users: dict[Work, list[str]] = {}
    cited: dict[tuple[object, ...], Work] = {}
    comments = []
    for one in sources:
        user, named = f"{one['kind']} {one['name']}", works(one["source"])
        for work in named:
            first = cited.setdefault(work.identity, work)
            users.setdefault(first, []).append(user)
        if not named:
            comments.append(f"% {user}: {one['source']}")
    entries = [f"% {', '.join(names)}\n{_entry(work)}" for work, names in users.items()]
    return "\n\n".join([*entries, *(["\n".join(comments)] if comments else [])])


def _entry(work: Work) -> str:
    fields = {
        "author": " and ".join(work.authors),
        "title": f"{{{work.title}}}",
        "howpublished": work.venue,
        "year": work.year,
        "url": work.url,
    }
    lines = [f"  {name} = {{{_escaped(name, text)}}}," for name, text in fields.items() if text]
    return "\n".join([f"@misc{{{work.key},", *lines, "}"])


def _escaped(field: str, text: str) -> str:
    return text if field == "url" else re.sub(r"([&%#_])", r"\\\1", text)
