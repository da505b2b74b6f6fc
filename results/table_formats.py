"""The table as it is printed, as Markdown, and as LaTeX that compiles as it is."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from results.aggregate import wrapped
from results.atomic import write_text
from results.frame import NUMBERS, suffix, write_rows
from results.table import Cell, Line, Table

HEADS = ("method", "sees", "codes", "seeds", "failed")
WIDE = 135
"""Characters of a table as wide as a page in LaTeX's `\\scriptsize`."""
GAP = 4
"""Characters that the gap before a column is as wide as."""
NAME, PRINTED_NAME = 40, 30
"""Characters of a line's name before it is broken, at spaces, in LaTeX and in a terminal."""
LONG = 50
"""Lines of a table as long as a page."""
DOCUMENT = r"""% Of a table, copy from \begin{table} to \end{table}; it needs booktabs.
\documentclass[10pt,a4paper]{article}
\usepackage[margin=15mm]{geometry}
\usepackage{booktabs}
\begin{document}

TABLES
\end{document}
"""

Column = tuple[str, Sequence[Text]]

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#&$])")
_LATEX = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''"},
    **{character: "\\" + character for character in "&%$#_{}"},
    # Behind the end of a row these would be an argument to it.
    **{"[": "{[}", "]": "{]}", "*": "{*}"},
    **{"`": "{`}", "±": r"\ensuremath{\pm}", "×": r"\ensuremath{\times}"},
}
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"'}


def printed(table: Table, width: int) -> RenderableType:
    """Return what to print of one data set on a terminal of `width` columns.

    More metrics than fit go into further tables below.
    """
    return Group(
        Text(table.title, "bold"),
        *(_grids(table, width) if table.lines else ()),
        *(Text(re.sub("^bold:", "* (bold):", note), "dim") for note in table.notes),
        *map(Text, table.numbered),
        *(
            Text(text, "yellow" if state == "unfinished" else "red")
            for state, text in table.missing
        ),
        Text(),
    )


def _grids(table: Table, width: int) -> Iterator[Grid]:
    rows = [("\n  ".join(_name(line, PRINTED_NAME)), *line.facts) for line in table.lines]
    texts = [[*map(Text, column)] for column in zip(*rows, strict=True)]
    facts: list[Column] = [*zip(HEADS, texts, strict=True)]
    metrics = {metric: _printed_column(table, metric) for metric in table.metrics}
    room = width - 1 - _width(facts[0])
    widths = {metric: _width(column) for metric, column in metrics.items()}
    for number, part in enumerate(_parts(widths, room - sum(map(_width, facts[1:])), room)):
        columns = facts[:1] if number else facts
        yield _grid([*columns, *(metrics[metric] for metric in part)], table.lines)


def _printed_column(table: Table, metric: str) -> Column:
    """Return a column: where one is bold, all leave a place for the star that marks it."""
    cells = table.cells(metric)
    star = any(cell.bold for cell in cells)
    texts = [
        Text(_joined(cell, cell.mean) + ("*" if cell.bold else " " * star), "bold" * cell.bold)
        for cell in cells
    ]
    return wrapped(metric.replace("_", "_ "), 13).replace("_ ", "_"), texts


def _grid(columns: Sequence[Column], lines: Sequence[Line]) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head, _ in columns:
        text = head in HEADS[:3]
        grid.add_column(Text(head), justify="left" if text else "right", no_wrap=not text)
    after = [line.group for line in (*lines[1:], lines[-1])]
    rows = zip(*(texts for _, texts in columns), strict=True)
    for texts, line, group in zip(rows, lines, after, strict=True):
        grid.add_row(*texts, end_section=line.group != group)
    return grid


def _width(column: Column) -> int:
    """Return how many characters wide a printed column is, with the gap to the next one."""
    texts = (column[0], *(text.plain for text in column[1]))
    return 2 + max(len(part) for text in texts for part in text.split("\n"))


def _parts(widths: Mapping[str, int], room: int, later: int) -> list[list[str]]:
    """Return the metrics of each table: as many as there is room for, at least one each.

    Args:
        widths: of the metrics' columns.
        room, later: how wide they may be together in the first table, and in the others.
    """
    parts: list[list[str]] = [[]]
    for metric, width in widths.items():
        if parts[-1] and width > room:
            parts.append([])
            room = later
        parts[-1].append(metric)
        room -= width
    return parts


def _name(line: Line, width: int) -> list[str]:
    return wrapped("\n".join(line.name), width).split("\n")


def _joined(cell: Cell, mean: str) -> str:
    note = "" if cell.note is None else f"({cell.note})"
    return " ".join(part for part in (mean, cell.spread, note) if part)


def _below(table: Table) -> list[str]:
    return [*table.notes, *table.numbered, *(text for _, text in table.missing)]


def markdown(tables: Sequence[Table]) -> str:
    """Return the tables as GitHub's Markdown; text of run folders stays text."""
    return "\n".join(line for table in tables for line in _markdown(table))


def _markdown(table: Table) -> Iterator[str]:
    yield f"### {markdown_text(table.title)}\n"
    if table.lines:
        yield _row([*HEADS, *map(markdown_text, table.metrics)])
        yield _row(["---"] * 3 + ["---:"] * (2 + len(table.metrics)))
    for line in table.lines:
        name = "<br>".join(map(markdown_text, line.name))
        cells = (_markdown_cell(line.cells.get(metric, Cell())) for metric in table.metrics)
        yield _row([name, *map(markdown_text, line.facts), *cells])
    yield ""
    yield from (f"- {markdown_text(text)}" for text in _below(table))
    yield ""


def _markdown_cell(cell: Cell) -> str:
    mean = f"**{cell.mean}**" if cell.bold else cell.mean
    return _joined(replace(cell, spread=markdown_text(cell.spread)), mean)


def markdown_text(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def latex(tables: Sequence[Table]) -> str:
    """Return a document of the tables, with booktabs; a table of it can be put into another."""
    return DOCUMENT.replace("TABLES", "\n".join(part for each in tables for part in _latex(each)))


def _latex(table: Table) -> Iterator[str]:
    """Yield tables of as many metrics and lines as a page takes, and what stands below them."""
    title, lines = latex_text(table.title), table.lines
    pages = [lines[start : start + LONG] for start in range(0, len(lines), LONG)]
    parts = [(page, metrics) for page in pages for metrics in _latex_metrics(table)]
    for number, (page, metrics) in enumerate(parts, start=1):
        of = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
        below = _below(table) if number == len(parts) else []
        kept = [line for line in page if line.group != "published" or {*metrics} & {*line.cells}]
        yield _latex_table(f"{title}{of}", kept, metrics, below)
    if not parts:
        lost = "\n\n".join(map(latex_text, _below(table)))
        yield f"\\section*{{{title}}}\n{{\\raggedright\\footnotesize {lost}\\par}}\n"
    yield "\\clearpage\n"


def _latex_metrics(table: Table) -> list[list[str]]:
    names = max(len(part) for line in table.lines for part in _name(line, NAME))
    facts = max(len(line.sees + line.codes) for line in table.lines)
    room = WIDE - names - facts - len("seeds failed") - 4 * GAP
    longest = {
        metric: max(len(metric), *(len(cell.mean + cell.spread) for cell in table.cells(metric)))
        for metric in table.metrics
    }
    return _parts({metric: width + GAP for metric, width in longest.items()}, room, room)


def _latex_table(
    title: str, lines: Sequence[Line], metrics: Sequence[str], below: Sequence[str]
) -> str:
    rows: list[list[str]] = []
    for before, line in zip([None, *lines], lines, strict=False):
        new = before is not None and before.group != line.group
        rows += _latex_rows(line, metrics, "\\midrule\n" if new else "")
    frame = pd.DataFrame(rows, columns=[*HEADS, *map(latex_text, metrics)])
    text = frame.style.hide(axis="index").to_latex(
        column_format="@{}lllrr" + "r" * len(metrics) + "@{}",
        position="htbp",
        position_float="centering",
        caption=title,
        hrules=True,
    )
    notes = "".join(f"\\par {latex_text(note)}\n" for note in below)
    text = text.replace("\\centering\n", "\\centering\\scriptsize\n", 1)
    end = "\\end{tabular}\n"
    return text.replace(end, f"{end}\n\\medskip\\raggedright\n{notes}")


def _latex_rows(line: Line, metrics: Sequence[str], rule: str) -> Iterator[list[str]]:
    """Yield the row of a line, and one for each further part of its name."""
    name, *more = map(latex_text, _name(line, NAME))
    cells = [_latex_cell(line.cells.get(metric, Cell())) for metric in metrics]
    yield [rule + name, *map(latex_text, line.facts), *cells]
    yield from ([rf"\quad {part}", *[""] * (4 + len(metrics))] for part in more)


def _latex_cell(cell: Cell) -> str:
    mean = latex_text(cell.mean) if cell.mean != "-" else "--"
    mean = rf"\textbf{{{mean}}}" if cell.bold else mean
    note = "" if cell.note is None else rf"\textsuperscript{{{cell.note}}}"
    return mean + (f" {latex_text(cell.spread)}" if cell.spread else "") + note


def latex_text(text: str) -> str:
    """Return `text` so that LaTeX shows it as it is; letters that it lacks by their number."""
    escaped = "".join(map(_latex_character, unicodedata.normalize("NFC", text)))
    return escaped.replace("--", "-{}-")


def _latex_character(character: str) -> str:
    if character in _LATEX or character.isascii():
        return _LATEX.get(character, character)
    if "α" <= character <= "ω" and character not in "ος":
        letter = unicodedata.name(character).rpartition(" ")[2].lower()
        return rf"\ensuremath{{\{letter.replace('lamda', 'lambda')}}}"
    plain, accent = (*unicodedata.normalize("NFD", character), "", "")[:2]
    if plain.isascii() and plain.isalpha() and accent in _ACCENTS:
        return rf"\{_ACCENTS[accent]}{{{plain}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"


FORMATS = {".md": markdown, ".tex": latex}
SUFFIXES = (*NUMBERS, *FORMATS)


def write_table(path: Path, tables: Sequence[Table], numbers: pd.DataFrame) -> None:
    """Write a table as it is printed (.md, .tex), or its `numbers` (.csv, .parquet)."""
    kind = suffix(path, SUFFIXES)
    if kind in NUMBERS:
        write_rows(path, numbers)
        return
    write_text(path, FORMATS[kind](tables))
