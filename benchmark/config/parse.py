"""Names, seeds and counts as the command line, a study or a notebook gives them.

It imports nothing of ours but errors, so that `results` may import it.
"""

import re
from collections.abc import Iterable, Sequence
from operator import index

from benchmark.errors import UserError, unknown

BUDGETS = ("quick", "paper")
PRECISIONS = ("auto", "float32", "tf32", "bfloat16")
SEEDS = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
MOST_SEEDS = 10_000
SEEDS_BELOW = 2**31

Names = str | Iterable[str]
Seeds = str | int | Iterable[int]


def names(given: Names, kind: str, known: Sequence[str]) -> list[str]:
    """Return the names, comma-separated or one by one, each once; `all` stands for all of them.

    Raises:
        UserError: a name is not known, or there is none.
    """
    found = parts(given)
    if not found:
        raise UserError(f"no {kind} named; known: all, {', '.join(known)}")
    for name in found:
        if name not in known and name != "all":
            raise unknown(kind, name, [*known, "all"])
    return list(known) if "all" in found else list(dict.fromkeys(found))


def parts(given: Names) -> list[str]:
    """Return the parts of comma-separated text, or of several texts, without empty ones."""
    texts = given.split(",") if isinstance(given, str) else given
    return [text.strip() for text in texts if text.strip()]


def seeds(given: Seeds) -> list[int]:
    """Return seeds, each once, of a text like `0-4` or `0,2,7`, of a number or of several.

    Raises:
        UserError: it is none of these, or a number is no seed.
    """
    if isinstance(given, str):
        found = [seed for part in given.split(",") for seed in _span(part.strip(), given)]
    else:
        found = [given] if isinstance(given, int) else [index(seed) for seed in given]
    for seed in found:
        if not 0 <= seed < SEEDS_BELOW:
            raise UserError(f"--seeds {seed}: a seed is at least 0 and below {SEEDS_BELOW}")
    if not found:
        raise UserError("--seeds names none")
    return list(dict.fromkeys(found))


def _span(part: str, text: str) -> range:
    """Return the seeds of a part like `3` or `0-4` of a text."""
    match = SEEDS.fullmatch(part)
    if match is None:
        raise UserError(f"--seeds {text!r} is not like 0-4 or 0,2,7")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise UserError(f"--seeds {text!r}: {part} runs backwards")
    if last >= SEEDS_BELOW:
        raise UserError(f"--seeds {text!r}: a seed is below {SEEDS_BELOW}")
    if last - first >= MOST_SEEDS:
        raise UserError(f"--seeds {text!r}: {part} is more than {MOST_SEEDS} seeds")
    return range(first, last + 1)


def spans(numbers: Iterable[int]) -> str:
    """Return seeds as `seeds` reads them: "0-3,7" of 0, 1, 2, 3, 7."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ",".join("-".join(map(str, part)) for part in found)


def count(option: str, given: str | int, least: int = 1) -> int:
    """Return the number that an option of the command line was given.

    Raises:
        UserError: it is no whole number, or below `least`.
    """
    text = str(given).strip()
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < least:
        raise UserError(f"{option} {given!r} is not a whole number of at least {least}")
    return int(text)


def one_of(kind: str, name: str, known: Sequence[str]) -> str:
    """Return `name`; UserError if it is not known."""
    if name not in known:
        raise unknown(kind, name, known)
    return name
