"""Tables as Markdown, and as LaTeX that compiles as it is."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from results.aggregate import wrapped
from results.table_content import Cell, Line, Sheet

HEADS = ("method", "sees", "codes", "seeds", "failed")
WIDE = 135
"""Characters of a table as wide as a page in LaTeX's `\\scriptsize`."""
GAP = 4
"""Characters that the gap before a column is as wide as."""
NAME = 40
"""Characters of a line's name before it is broken, at spaces."""
LONG = 50
"""Lines of a table as long as a page."""

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
_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lamda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
)


def markdown(sheets: Sequence[Sheet]) -> str:
    """Return the tables as GitHub's Markdown; text of run folders stays text."""
    return "\n".join(line for sheet in sheets for line in _markdown(sheet))


def _markdown(sheet: Sheet) -> Iterator[str]:
    def cell(found: Cell) -> str:
        mean = f"**{found.mean}**" if found.bold else found.mean
        note = "" if found.note is None else f"({found.note})"
        return " ".join(part for part in (mean, markdown_text(found.spread), note) if part)

    yield f"### {markdown_text(sheet.title)}\n"
    if sheet.lines:
        yield _row([*HEADS, *map(markdown_text, sheet.metrics)])
        yield _row(["---"] * 3 + ["---:"] * (2 + len(sheet.metrics)))
    for line in sheet.lines:
        told = (line.sees, line.codes, line.seeds, line.failed)
        name = "<br>".join(map(markdown_text, line.name))
        cells = (cell(line.cells.get(metric, Cell())) for metric in sheet.metrics)
        yield _row([name, *map(markdown_text, told), *cells])
    yield ""
    yield from (f"- {markdown_text(text)}" for text in _below(sheet))
    yield ""


def markdown_text(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def latex(sheets: Sequence[Sheet]) -> str:
    """Return a document of the tables, with booktabs; a table of it can be put into another."""
    tables = "\n".join(part for sheet in sheets for part in _latex(sheet))
    return (
        "% Of a table, copy from \\begin{table} to \\end{table}; it needs booktabs.\n"
        "\\documentclass[10pt,a4paper]{article}\n"
        "\\usepackage[margin=15mm]{geometry}\n"
        "\\usepackage{booktabs}\n"
        "\\begin{document}\n\n" + tables + "\n\\end{document}\n"
    )


def _latex(sheet: Sheet) -> Iterator[str]:
    """Yield tables of as many metrics and lines as a page takes, and what stands below them."""
    title = latex_text(sheet.title)
    pages = [sheet.lines[start : start + LONG] for start in range(0, len(sheet.lines), LONG)]
    parts = [(lines, metrics) for lines in pages for metrics in _fitting(sheet)]
    for number, (lines, metrics) in enumerate(parts, start=1):
        of = f" ({number} of {len(parts)})" if len(parts) > 1 else ""
        below = _below(sheet) if number == len(parts) else []
        shown = [line for line in lines if line.group != "published" or {*metrics} & {*line.cells}]
        yield _latex_table(f"{title}{of}", shown, metrics, below)
    if not parts:
        lost = "\n\n".join(map(latex_text, _below(sheet)))
        yield f"\\section*{{{title}}}\n{{\\raggedright\\footnotesize {lost}\\par}}\n"
    yield "\\clearpage\n"


def _fitting(sheet: Sheet) -> list[list[str]]:
    """Return the metrics by table; each table takes at least one."""
    names = max(len(part) for line in sheet.lines for part in _name(line))
    told = max(len(line.sees + line.codes) for line in sheet.lines)
    found: list[list[str]] = []
    width = WIDE
    for metric in sheet.metrics:
        cells = (line.cells.get(metric, Cell()) for line in sheet.lines)
        longest = max(len(metric), *(len(cell.mean + cell.spread) for cell in cells)) + GAP
        if width + longest > WIDE:
            found.append([])
            width = names + told + len("seeds failed") + 4 * GAP
        found[-1].append(metric)
        width += longest
    return found or [[]]


def _latex_table(
    title: str, lines: Sequence[Line], metrics: Sequence[str], below: Sequence[str]
) -> str:
    heads = [*HEADS, *map(latex_text, metrics)]
    rows = [" & ".join(heads) + r" \\", r"\midrule"]
    for before, line in zip([None, *lines], lines, strict=False):
        if before is not None and before.group != line.group:
            rows.append(r"\midrule")
        rows += _latex_rows(line, metrics)
    aligned = "lllrr" + "r" * len(metrics)
    notes = "".join(f"\\par {latex_text(text)}\n" for text in below)
    return (
        f"\\begin{{table}}[htbp]\n\\centering\\scriptsize\n\\caption{{{title}}}\n"
        f"\\begin{{tabular}}{{@{{}}{aligned}@{{}}}}\n\\toprule\n"
        + "\n".join(rows)
        + f"\n\\bottomrule\n\\end{{tabular}}\n\n\\medskip\\raggedright\n{notes}\\end{{table}}\n"
    )


def _latex_rows(line: Line, metrics: Sequence[str]) -> Iterator[str]:
    name, *more = map(latex_text, _name(line))
    told = map(latex_text, (line.sees, line.codes, line.seeds, line.failed))
    cells = (_latex_cell(line.cells.get(metric, Cell())) for metric in metrics)
    yield " & ".join([name, *told, *cells]) + r" \\"
    yield from (f"\\quad {part}{' &' * (len(HEADS) - 1 + len(metrics))} \\\\" for part in more)


def _name(line: Line) -> list[str]:
    return wrapped("\n".join(line.name), NAME).split("\n")


def _latex_cell(cell: Cell) -> str:
    mean = latex_text(cell.mean) if cell.mean != "-" else "--"
    mean = f"\\textbf{{{mean}}}" if cell.bold else mean
    note = "" if cell.note is None else f"\\textsuperscript{{{cell.note}}}"
    return mean + (f" {latex_text(cell.spread)}" if cell.spread else "") + note


def latex_text(text: str) -> str:
    """Return `text` so that LaTeX shows it as it is; letters that it lacks by their number."""
    shown = "".join(map(_latex_character, unicodedata.normalize("NFC", text)))
    return shown.replace("--", "-{}-")


def _latex_character(character: str) -> str:
    if character in _LATEX or character.isascii():
        return _LATEX.get(character, character)
    *kind, letter = unicodedata.name(character, "?").split()
    if kind == ["GREEK", "SMALL", "LETTER"] and letter.lower() in _GREEK:
        return rf"\ensuremath{{\{letter.lower().replace('lamda', 'lambda')}}}"
    plain, accent = (*unicodedata.normalize("NFD", character), "", "")[:2]
    if plain.isascii() and plain.isalpha() and accent in _ACCENTS:
        return rf"\{_ACCENTS[accent]}{{{plain}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"


def _below(sheet: Sheet) -> list[str]:
    """Return the notes, the footnotes and what is missing."""
    footnotes = (f"({number}) {why}" for number, why in enumerate(sheet.footnotes, start=1))
    return [*sheet.notes, *footnotes, *(text for _, text in sheet.missing)]
