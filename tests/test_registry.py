"""The registries: plug-ins of third parties, and names that are wrong or taken."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config.parse import seeds, spans
from benchmark.registry import DATASETS, METHODS, METRICS, Registry, UserError, unknown

ROOT = Path(__file__).resolve().parents[1]

METHOD = '''
from benchmark.registry import METHODS
from methods.base import Method, normal_codes


@METHODS.register("brightness", source="Nobody, 2020, https://example.org", version=1)
class Brightness(Method):
    """How bright the image is."""

    def __init__(self, spec, *, gain: float = 1.0):
        super().__init__()
        self.codes = normal_codes(1)
        self.gain = gain

    def encode(self, batch):
        return self.gain * batch.x.mean((1, 2, 3))[:, None]
'''
METRIC = '''
from benchmark.registry import METRICS


@METRICS.register("spread", source="Nobody, 2020, https://example.org", range=(0.0, 9.0),
                  higher_is_better=True, protocol="1", factors=0)
def spread(codes) -> float:
    """Return the standard deviation of the first code."""
    return float(codes[:, 0].std())
'''


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A site folder with a package in it, as pip leaves it."""
    site = tmp_path / "site"
    package, info = site / "plugin", site / "plugin-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "method.py").write_text(METHOD)
    (package / "metric.py").write_text(METRIC)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[benchmark.methods]\nbrightness = plugin.method\n"
        "[benchmark.metrics]\nspread = plugin.metric\n"
    )
    return site


def test_a_third_party_package_adds_a_method_and_a_metric(installed: Path, tmp_path: Path) -> None:
    """It runs, is scored and is listed without an edit here."""
    out = tmp_path / "runs"
    code = f"import sys; sys.path.append({str(installed)!r})\nimport benchmark.__main__"
    words = ["run", "--methods", "brightness", "--datasets", "toy", "--metrics", "spread,mig"]
    words += ["--no-reference", "--json", "--set", "brightness.gain=2,0", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = {(r["settings"], r["metric"]): r["value"] for r in json.loads(done.stdout)}
    assert len(found) == 4
    assert sorted(v > 0 for (_, metric), v in found.items() if metric == "spread") == [False, True]


class TestRegistry:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("def (", "SyntaxError: "),
            ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("raise ValueError('twice\\nand more')", "ValueError: twice$"),
        ],
    )
    def test_a_file_that_cannot_be_imported_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
    ) -> None:
        room = f"room_{tmp_path.name}".replace("-", "_")
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
        (tmp_path / room / "broken.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(UserError, match=rf"^cannot import {room}\.broken: {reason}"):
            Registry[object]("method", room).names()

    def test_a_name_is_taken_once(self) -> None:
        registry: Registry[object] = Registry("method", "methods")
        registry.register("one", source="here")(object())
        with pytest.raises(ValueError, match=r"^method 'one' is registered twice$"):
            registry.register("one", source="there")(object())

    def test_what_is_registered_comes_back(self) -> None:
        registry: Registry[object] = Registry("metric", "metrics")
        thing = object()
        assert registry.register("one", source="here", range=(0, 1))(thing) is thing
        entry = registry["one"]
        assert (entry.name, entry.value, entry.source) == ("one", thing, "here")
        assert entry.facts == {"range": (0, 1)}

    @pytest.mark.parametrize(
        ("registry", "wrong", "right"),
        [
            (METHODS, "infogam", "infogan"),
            (METRICS, "migg", "mig"),
            (DATASETS, "dsprite", "dsprites"),
        ],
    )
    def test_an_unknown_name(self, registry: Registry[object], wrong: str, right: str) -> None:
        expected = f"unknown {registry.kind} '{wrong}'; did you mean '{right}'? known: "
        with pytest.raises(UserError) as error:
            registry[wrong]
        assert str(error.value) == expected + ", ".join(registry.names())

    def test_nothing_near_is_not_suggested(self) -> None:
        expected = "unknown colour 'zzz'; known: blue, red"
        assert str(unknown("colour", "zzz", ["red", "blue"])) == expected

    @pytest.mark.parametrize("registry", [METHODS, METRICS, DATASETS])
    def test_every_plug_in_says_what_it_is_and_from_whom(self, registry: Registry[object]) -> None:
        assert registry.names() == sorted(set(registry.names()))
        for name in registry.names():
            entry = registry[name]
            assert entry.source
            assert (entry.value.__doc__ or "").strip().splitlines()[0].endswith((".", ":"))
            assert name == name.lower()
            assert "," not in name


def test_a_plug_in_that_does_not_say_what_it_must_is_named() -> None:
    registry: Registry[object] = Registry("metric", "nowhere", ("range", "factors"))
    with pytest.raises(UserError, match="metric 'mine' is registered without factors"):
        registry.register("mine", source="me", range=(0, 1))(object())


@given(st.sets(st.integers(0, 300), min_size=1))
def test_spans_are_read_as_the_seeds_that_they_are_of(numbers: set[int]) -> None:
    assert seeds(spans(numbers)) == sorted(numbers)


def test_seeds_as_numbers() -> None:
    assert seeds(3) == [3]
    assert seeds(np.arange(3)) == seeds([0, 1, 1, 2]) == [0, 1, 2]
    with pytest.raises(UserError, match="--seeds names none"):
        seeds([])


def test_spans_join_neighbours() -> None:
    assert spans([7, 2, 0, 1, 3, 9, 10]) == "0-3,7,9-10"
