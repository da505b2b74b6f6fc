"""The page of a study: what it says, that it escapes, and that it works in a real browser."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import Select

from results import report
from results.arrays import Traversal
from results.frame import tidy
from results.provenance import commands, sources
from results.runs import Runs
from tests.studies import ask, done, row, with_pictures

EVIL = "<script>document.title = 'owned'</script>"
EVIL_NAME = "<img src=x onerror=document.title='owned'>"


def small(out: Path) -> Path:
    rng = np.random.default_rng(0)
    for seed, value in enumerate([0.2, 0.3, 0.4]):
        settings = {"beta": 4.0}
        vae = done(out, "betavae", seed, row("mig", value), row("sap", 0.1), settings=settings)
        with_pictures(vae, rng)
        gan = done(out, "infogan", seed, row("mig", 0.9 + seed / 100), row("sap", None, EVIL))
        with_pictures(gan, rng)
    done(out, "vae", 0, row("mig", 0.1), settings={"nets": EVIL})
    done(out, "pca", 1, row("mig", 10.0), dataset=EVIL_NAME.replace("/", ""), steps=0)
    done(out, "random", 0, row("mig", 0.05), steps=0)
    ask(out, "cgan", 3).fail("failed", f"cannot: {EVIL}")
    return out


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    out = small(tmp_path_factory.mktemp("runs"))
    return Runs(out, tidy(out))


@pytest.fixture(scope="module")
def page(study: Runs) -> Path:
    known = {("method", "vae"): "Kingma & Welling <2014>"}
    return report.write(study, study.out / "report.html", known)


def test_it_is_one_file_that_needs_no_network(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"(?:src|href|url\()=?[\"']?(?:https?:|//|/)", text)
    assert "default-src 'none'" in text
    assert (
        len(re.findall(r"<img [^>]*alt=\"[^\"]{20,}", text)) == text.count('<img src="data:') >= 7
    )
    assert "Kingma &amp; Welling &lt;2014&gt;" in text


def test_text_from_run_folders_is_escaped(page: Path) -> None:
    text = page.read_text()
    assert "<script>document" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;document" in text


def test_the_table_holds_means_intervals_and_reasons(page: Path) -> None:
    text = page.read_text()
    rows = {
        re.sub("<[^>]*>", "", row.split("</th>")[0]).strip(): row
        for row in text.split("<tbody>")[1].split("</tbody>")[0].split("<tr ")[1:]
    }
    (vae,) = (row for name, row in rows.items() if name.endswith("betavae beta=4"))
    assert re.search(r">0\.300<small>0\.2\d\d to 0\.\d\d\d</small>", vae)
    assert ">0.100<small>0.100 to 0.100</small>" in vae
    (gan,) = (row for name, row in rows.items() if name.endswith("infogan"))
    assert ">- (1)</td>" in gan
    assert "(1) &lt;script&gt;document" in text
    (cgan,) = (row for name, row in rows.items() if name.endswith("cgan"))
    assert ">0/1</td>" in cgan


def test_commands_make_the_same_runs_again(study: Runs) -> None:
    found = commands(study)
    assert (
        "python -m benchmark run --methods betavae --datasets dsprites --budget quick --precision "
        "float32 --set betavae.beta=4 --seeds 0-2 --no-reference --metrics mig,sap"
    ) in found
    assert any("--methods infogan " in line and "--seeds 0-2" in line for line in found)
    (quoted,) = (line for line in found if "--methods vae " in line)
    assert f"'vae.nets={EVIL.split(chr(39))[0]}" in quoted


def test_a_run_says_its_own_source(tmp_path: Path) -> None:
    folder = done(tmp_path, "vae", 0, row("mig", 0.5))
    folder.write_config({**folder.config, "sources": {"method": "told by the run"}})
    study = Runs(tmp_path, tidy(tmp_path))
    known = {("method", "vae"): "of today", ("dataset", "dsprites"): "Matthey"}
    found = {(s["kind"], s["name"]): s["source"] for s in sources(study, known)}
    assert found["method", "vae"] == "told by the run"
    assert found["dataset", "dsprites"] == "Matthey"
    assert "Chen" in found["metric", "mig"]


def test_a_study_of_failures_alone_has_a_page(tmp_path: Path) -> None:
    ask(tmp_path, "gan", 3).fail("diverged", "nan")
    (tmp_path / "d-m-0-0123456789").mkdir()
    (tmp_path / "d-m-0-0123456789" / "run.json").write_text("{")
    text = report.write(Runs(tmp_path, tidy(tmp_path)), tmp_path / "x.html", {}).read_text()
    assert "diverged" in text
    assert "d-m-0-0123456789" in text
    assert "No run holds a traversal." in text


@pytest.mark.slow
def test_twenty_runs_in_colour_are_below_ten_megabytes(tmp_path: Path) -> None:
    rng, x = np.random.default_rng(0), np.linspace(0, 1, 64)
    for seed in range(20):
        folder = done(tmp_path, "vae", seed, row("mig", 0.5))
        # Smooth images with noise: harder to pack than what a method paints.
        shape = rng.random((20, 10, 3, 1, 1)) * 120 + 60 * x[:, None] + 40 * x
        images = (shape + rng.integers(0, 20, (20, 10, 3, 64, 64))).astype(np.uint8)
        values = np.tile(np.linspace(-3, 3, 10), (20, 1))
        folder.write(Traversal(images, [f"z{i}" for i in range(20)], values, "x"))
    path = report.write(Runs(tmp_path, tidy(tmp_path)), tmp_path / "x.html", {})
    assert 100_000 < path.stat().st_size < 10_000_000


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Any]:
    """Open the page in Chromium, once for all tests."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no browser: needs Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    chrome.set_window_size(1200, 900)
    chrome.get(page.resolve().as_uri())
    yield chrome
    chrome.quit()


def shown(browser: Any) -> list[str]:
    """Return the lines of the table that can be seen, by method."""
    rows = browser.find_elements("css selector", "#table tbody tr:not([hidden]) th")
    return [str(row.text) for row in rows]


def find(browser: Any, css: str) -> Any:
    return browser.find_element("css selector", css)


def sort_by(browser: Any, column: str) -> str:
    heads = browser.find_elements("css selector", "#table thead th")
    (head,) = (head for head in heads if head.text.strip().startswith(column))
    head.find_element("tag name", "button").send_keys("\ue007")
    return str(head.get_attribute("aria-sort"))


@pytest.mark.browser
class TestBrowser:
    def test_sorting_by_keyboard(self, browser: Any) -> None:
        assert sort_by(browser, "mig") == "descending"
        down = shown(browser)
        assert down[0].startswith("pca")
        assert down[1] == "infogan"
        assert down[-1] == "cgan", "what has no value comes last"
        assert sort_by(browser, "mig") == "ascending"
        up = shown(browser)
        assert up[:-1] == down[-2::-1]
        assert up[-1] == "cgan"
        assert sort_by(browser, "method") == "ascending"
        assert shown(browser)[0] == "betavae beta=4"

    def test_filtering(self, browser: Any) -> None:
        words = find(browser, "#words")
        words.send_keys("INFO")
        assert shown(browser) == ["infogan"]
        assert find(browser, "#count").text == "1 of 6 lines"
        words.clear()
        words.send_keys(" ")
        assert len(shown(browser)) == 6
        choice = Select(find(browser, "#dataset"))
        choice.select_by_visible_text("dsprites")
        assert len(shown(browser)) == 5
        choice.select_by_visible_text("all")
        assert len(shown(browser)) == 6

    def test_sliders_move_images_on_two_sides(self, browser: Any) -> None:
        sides = browser.find_elements("css selector", ".side")
        names = [
            side.find_element("css selector", "select").get_attribute("value") for side in sides
        ]
        runs = json.loads(find(browser, "#runs").get_attribute("textContent"))
        assert [runs[int(name)]["name"].split()[0] for name in names] == ["betavae", "infogan"]
        slider = sides[0].find_elements("css selector", "input")[1]
        image = sides[0].find_elements("css selector", ".image")[1]
        before = image.screenshot_as_png, image.get_attribute("aria-label")
        other = sides[1].find_elements("css selector", ".image")[1].screenshot_as_png
        slider.send_keys("\ue014")  # the right arrow
        assert image.screenshot_as_png != before[0]
        assert image.get_attribute("aria-label") != before[1]
        assert slider.get_attribute("aria-valuetext") == "1"
        assert sides[1].find_elements("css selector", ".image")[1].screenshot_as_png == other
        slider.send_keys("\ue010")  # End: a code of three values has no fourth
        values = runs[int(names[0])]["codes"][1]["values"]
        assert slider.get_attribute("aria-valuetext") == f"{values[-1]:g}"

    def test_another_run_can_be_chosen(self, browser: Any) -> None:
        side = browser.find_elements("css selector", ".side")[1]
        before = side.find_element("css selector", ".image").screenshot_as_png
        side.find_element("css selector", "select").send_keys("\ue015")
        assert side.find_element("css selector", ".image").screenshot_as_png != before

    def test_each_control_has_a_name_and_the_page_fits(self, browser: Any) -> None:
        for css in ("input", "select"):
            for control in browser.find_elements("css selector", css):
                assert control.accessible_name
        browser.set_window_size(500, 900)
        wide = browser.execute_script("return document.documentElement.scrollWidth - innerWidth")
        browser.set_window_size(1200, 900)
        assert wide <= 0

    def test_nothing_of_a_run_folder_ran_and_no_error_was_logged(self, browser: Any) -> None:
        assert browser.title == "Disentanglement benchmark: report"
        assert EVIL in find(browser, "#missing").text
        assert browser.get_log("browser") == []
