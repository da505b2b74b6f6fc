"""What is made of a stored study is what is kept in `tests/golden`."""

from pathlib import Path

import pandas as pd

from tests.golden import write

KEPT = Path(__file__).parents[1] / "golden"


def test_tables_are_those_that_are_kept(tmp_path: Path) -> None:
    """`python -m tests.golden` makes them anew; its other files are compared by `diff -r`."""
    write(tmp_path / "made", ("table",))
    for name in ("table.txt", "table.md", "table.tex"):
        assert (tmp_path / "made" / name).read_text() == (KEPT / name).read_text(), name
    made, kept = (pd.read_csv(folder / "table.csv") for folder in (tmp_path / "made", KEPT))
    pd.testing.assert_frame_equal(made, kept)
