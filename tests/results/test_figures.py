"""Figures: the numbers that each draws, and that what is drawn can be read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure
from PIL import Image

from results import figures
from results.arrays import Traversal
from results.figures.scores import draw_comparison
from results.figures.style import KNOWN, method_style
from results.figures.traversals import draw_traversal
from results.frame import tidy
from results.runs import Runs
from results.statistics import interval
from tests.studies import ask, done, row, small_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return small_study(tmp_path / "runs")


def drawn(figure: Figure, panel: int) -> tuple[list[float], dict[str, list[float]]]:
    """Return the scores of a panel's points, and the x of its lines by label."""
    axes = figure.axes[panel]
    drawn = [(str(line.get_label()), np.asarray(line.get_xdata()).tolist()) for line in axes.lines]
    points = [x for label, xs in drawn if label == "seeds" for x in xs]
    lines = {label: xs for label, xs in drawn if label != "seeds"}
    return sorted(points), lines


def test_what_a_comparison_draws(study: Path) -> None:
    figure = draw_comparison(tidy(study), {})
    assert [axes.get_title() for axes in figure.axes] == ["mig", "sap"]
    points, lines = drawn(figure, 0)
    assert points == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])
    assert lines["floor"] == [0.05, 0.05]
    assert lines["ceiling"] == [1.0, 1.0]
    assert lines["interval"] == pytest.approx(interval([0.2, 0.3, 0.4]))
    assert [x for name, x in lines.items() if name.startswith("_")] == [[pytest.approx(0.3)]]
    points, _ = drawn(figure, 1)
    assert points == pytest.approx([0.1, 0.15, 0.2])
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["betavae beta=4", "infogan"]


def test_the_floor_is_scored_like_the_methods(tmp_path: Path) -> None:
    done(tmp_path, "vae", 0, row("mig", 0.5))
    done(tmp_path, "random", 0, row("mig", 0.1))
    done(tmp_path, "random", 3, row("mig", 0.1))
    done(tmp_path, "random", 1, row("mig", 0.9, protocol="2"))
    done(tmp_path, "random", 2, row("mig", 0.8), precision="float64")
    assert drawn(draw_comparison(tidy(tmp_path), {}), 0)[1] == {"floor": [0.1, 0.1]}


def test_comparison_files(study: Path, tmp_path: Path) -> None:
    before = dict(rcParams)
    to = tmp_path / "figures"
    pdf, png = figures.draw(Runs(study, tidy(study)), to, ["scores"])
    assert (pdf.name, png.name) == ("scores-dsprites.pdf", "scores-dsprites.png")
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    first = pdf.read_bytes()
    done(study, "vae", 0, row("mig", 0.5), dataset="a b$x^{")
    paths = figures.draw(Runs(study, tidy(study)), to, ["scores"])
    assert sorted(path.name for path in paths if path.suffix == ".pdf") == [
        "scores-a_b_x__.pdf",
        "scores-dsprites.pdf",
    ]
    assert (tmp_path / "figures" / "scores-dsprites.pdf").read_bytes() == first
    assert dict(rcParams) == before


def test_nothing_to_draw_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done(tmp_path, "random", 0, row("mig", 0.1))
    assert figures.draw(Runs(tmp_path, tidy(tmp_path)), tmp_path / "x", figures.known()) == []
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[:2] for line in said] == [
        ["left out", name] for name in figures.known()
    ]


def test_no_text_of_a_figure_is_cut_or_covers_another(study: Path) -> None:
    figure = draw_comparison(tidy(study), {})
    figure.draw_without_rendering()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [text for text in axes.get_xticklabels() if low <= text.get_position()[0] <= high]
        boxes = [part.get_window_extent() for part in (axes.title, *axes.texts, *ticks)]
        for index, box in enumerate(boxes):
            assert figure.bbox.padded(1).contains(box.x0, box.y0)
            assert figure.bbox.padded(1).contains(box.x1, box.y1)
            assert not any(box.overlaps(other) for other in boxes[index + 1 :])


@pytest.mark.parametrize("channels", [1, 3])
def test_traversals(tmp_path: Path, channels: int) -> None:
    folder = ask(tmp_path, "infogan", 3, settings={"lambda": 0.1})
    strips = np.random.default_rng(0).integers(0, 256, (3, 4, channels, 8, 6)).astype(np.uint8)
    values = np.array([[0, 1, 2, 3], [-2, -0.666, 0.666, 2], [-2, -0.666, 0.666, 2]])
    folder.write(Traversal(strips, ["c1", "c2", "$c_3"], values, "from the prior"))
    figure = draw_traversal(folder)
    title = figure.get_suptitle()
    assert title == "infogan lambda=0.1 on dsprites, seed 3\nfrom the prior"
    first, second = figure.axes
    assert [text.get_text() for text in first.get_xticklabels()] == ["0", "1", "2", "3"]
    assert [text.get_text() for text in second.get_yticklabels()] == ["c2", "$c_3"]
    sheet = np.asarray(second.images[0].get_array()).reshape(18, 30, channels)
    np.testing.assert_array_equal(sheet[10:, 8:14], strips[2, 1].transpose(1, 2, 0))
    assert (sheet[8:10] == 255).all()
    folder.finish({"rows": [], "train": {}})
    pdf, png, gif = figures.draw(Runs(tmp_path, tidy(tmp_path)), tmp_path, ["traversals"])
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert png.exists()
    with Image.open(gif) as film:
        assert getattr(film, "n_frames") == 6  # noqa: B009, there and back


def test_a_method_has_the_same_style_everywhere_and_no_other_has() -> None:
    assert len({method_style(method) for method in KNOWN}) == len(KNOWN)
    assert method_style("somebody's") == method_style("somebody's")
    assert method_style("somebody's") not in {method_style(method) for method in KNOWN}


def test_a_new_figure_is_one_new_file(tmp_path: Path) -> None:
    """It is found among the modules of the package, and comes where its order says."""
    (tmp_path / "dots.py").write_text(
        "from results.figures.base import FIGURES, Picture\n"
        '@FIGURES.register("dots", source="a test", order=2.5)\n'
        "def dots(runs):\n"
        '    yield Picture("dots", "no dots", None)\n'
    )
    code = (
        "from results import figures; from results.figures.base import FIGURES;"
        f"figures.__path__.append({str(tmp_path)!r});"
        "print(*figures.chosen(None)); print(next(FIGURES['dots'].value(None)).alt)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, alt = done.stdout.splitlines()
    assert names.split()[:4] == ["scores", "sweeps", "dots", "steps"]
    assert alt == "no dots"
