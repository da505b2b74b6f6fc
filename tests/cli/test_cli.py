"""The command line, in real processes: what it prints, where, and with which exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from benchmark.registry import DATASETS, METHODS, METRICS, Registry
from results.store import Folder, folders
from tests.command import ROOT, Command, Result


def refused(result: Result, *expected: str) -> None:
    """One line on stderr that says so much, nothing on stdout, and exit code 2."""
    assert "Traceback" not in result.err
    assert result.code == 2, result.err
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("error: ")
    for text in expected:
        assert text in line


RUN = ("run", "--methods", "betavae", "--datasets", "toy", "--steps", "2")


class TestMistakes:
    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["--methods", "infogam"], ["method 'infogam'; did you mean 'infogan'?", "betavae"]),
            (["--methods", "vae,quux"], ["method 'quux'", "known: adavae, all, annealedvae"]),
            (["--methods", " , "], ["no method named", "betavae"]),
            (["--datasets", "dsprite"], ["data set 'dsprite'; did you mean 'dsprites'?", "mnist"]),
            (["--metrics", "mgi"], ["metric 'mgi'; did you mean 'mig'?", "betavae"]),
            (["--budget", "quik"], ["budget 'quik'; did you mean 'quick'?", "paper"]),
            (["--budget", "paper"], ["--budget paper and --steps 2 exclude each other"]),
            (["--precision", "float16"], ["precision 'float16'", "bfloat16, float32, tf32"]),
            (
                ["--precision", "tf32", "--device", "cpu"],
                ["precision on cpu 'tf32'", "auto, bfloat16, float32"],
            ),
            (["--device", "tpu"], ["device 'tpu'", "auto", "cpu"]),
            (
                ["--methods", "vae,cgan", "--datasets", "celeba"],
                ["cgan needs a label, and celeba has none; --sees images"],
            ),
            (
                ["--methods", "vib", "--datasets", "celeba_32", "--dry-run"],
                ["vib needs a label, and celeba_32 has none"],
            ),
            (["--set", "betavae.bta=4"], ["of betavae 'bta'; did you mean 'beta'?", "latents"]),
            (["--set", "betavae.beta=four"], ["betavae.beta", "'four' is not a number"]),
            (["--set", "betavae.beta=1,x"], ["betavae.beta", "'x' is not a number"]),
            (["--set", "betavae.beta=-1"], ["betavae.beta", "'-1'", "at least 0"]),
            (["--set", "betavae.beta=nan"], ["betavae.beta", "'nan'"]),
            (["--set", "betavae.beta=1e999"], ["betavae.beta", "'1e999'"]),
            (["--set", "betavae.latents=0"], ["betavae.latents", "'0'", "from 1 to"]),
            (["--set", "betavae.latents=1000001"], ["betavae.latents", "to 1,000,000"]),
            (["--set", "betavae.latents=1.5"], ["betavae.latents", "'1.5'", "whole number"]),
            (["--set", "betavae.beta="], ["betavae.beta=", "is not like betavae.beta=1,4,16"]),
            (["--set", "beta=4"], ["'beta=4' is not like betavae.beta=1,4,16"]),
            (["--set", "gan.latents=4"], ["gan is not among --methods betavae"]),
            (["--set", "gam.latents=4"], ["method in --set 'gam'", "betavae"]),
            (["--set", "random.beta=4"], ["hyper-parameter of random 'beta'", "latents"]),
            (["--methods", "pixels", "--set", "pixels.x=1"], ["pixels has no hyper-parameters"]),
            (["--set", "betavae.beta=1", "--set", "betavae.beta=2"], ["betavae.beta is set twice"]),
            (["--set", "betavae.batch_size=1"], ["betavae.batch_size", "from 2 to"]),
            (["--methods", "infogan", "--set", "infogan.inform=ja"], ["'ja'", "true, false"]),
            (["--sees", "image"], ["supervision 'image'; did you mean 'images'?", "one-factor"]),
            (["--sees", "pairs"], ["--sees pairs", "betavae sees images"]),
            (["--seeds", "x"], ["--seeds 'x' is not like 0-4 or 0,2,7"]),
            (["--seeds", "4-0"], ["--seeds '4-0'", "backwards"]),
            (["--seeds", "1-"], ["--seeds '1-'"]),
            (["--seeds", ""], ["--seeds ''"]),
            (["--seeds", "-1"], ["--seeds '-1'"]),
            (["--seeds", "4294967296"], ["--seeds '4294967296'", "below"]),
            (["--seeds", "0-99999999999"], ["--seeds '0-99999999999'"]),
            (["--seeds", "0-20000"], ["more than 10000 seeds"]),
            (["--seeds", "9" * 5000], ["is not like"]),
            (["--methods", ""], ["no method named", "betavae"]),
            (["--steps", "0"], ["--steps '0' is not a whole number of at least 1"]),
            (["--steps", "-3"], ["--steps '-3' is not"]),
            (["--steps", "many"], ["--steps 'many' is not a whole number"]),
            (["--steps", "1e3"], ["--steps '1e3' is not a whole number"]),
            (["--data-dir", "/no/such/folder"], ["/no/such/folder"]),
            (["--frobnicate"], ["--frobnicate"]),
            (["surplus"], ["surplus"]),
        ],
        ids=lambda part: " ".join(part)[:40] if part and part[0][:2] == "--" else "",
    )
    def test_run(
        self, command: Command, tmp_path: Path, words: list[str], expected: list[str]
    ) -> None:
        """Later words override; nothing is written."""
        refused(command(*RUN, "--out", tmp_path / "runs", *words), *expected)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["run"], ["no method named; known: all, adavae, annealedvae"]),
            (
                ["nope"],
                [
                    "No such command 'nope'",
                    "best, cite, data, list, plot, report, reproduce, run, score, speed, status, "
                    "table",
                ],
            ),
            (["reproduce", "gan-optimun"], ["claim 'gan-optimun'; did you mean 'gan-optimum'?"]),
            (["rum"], ["rum"]),
            (["list", "method"], ["kind 'method'; did you mean 'methods'?", "metrics"]),
            (["speed", "--methods", "truth"], ["truth is not trained by steps"]),
            (["speed", "--methods", "vea"], ["method 'vea'; did you mean 'vae'?"]),
            (["speed", "--dataset", "toi"], ["data set 'toi'; did you mean 'toy'?"]),
            (["speed", "--device", "tpu"], ["device 'tpu'"]),
            (["speed", "--study", "locatelo2019"], ["study 'locatelo2019'; did you mean"]),
            (["speed", "--study", "locatello2019", "--methods", "vae"], ["method of the study"]),
            (["speed", "--whole", "--methods", "pca"], ["pca is not trained by steps"]),
            (["speed", "--rounds", "0"], ["--rounds '0' is not a whole number of at least 1"]),
        ],
        ids=lambda part: " ".join(part),
    )
    def test_other_commands(self, command: Command, words: list[str], expected: list[str]) -> None:
        refused(command(*words), *expected)

    @pytest.mark.parametrize("what", ["table", "plot"])
    def test_no_runs(self, command: Command, tmp_path: Path, what: str) -> None:
        for out in (tmp_path, tmp_path / "nowhere"):
            refused(command(what, "--out", out), f"no runs in {out}", "benchmark run")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("below", [False, True])
    def test_out_is_a_file(self, command: Command, tmp_path: Path, below: bool) -> None:
        file = tmp_path / "file"
        file.write_text("mine")
        out = file / "runs" if below else file
        refused(command(*RUN, "--out", out), str(out))
        assert file.read_text() == "mine"

    def test_a_process_of_its_own(self, tmp_path: Path) -> None:
        """Without the server of the other tests, and from the module's real entry."""
        words = [sys.executable, "-m", "benchmark", "table", "--out", str(tmp_path)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        refused(Result(done.returncode, done.stdout, done.stderr), f"no runs in {tmp_path}")


class Study(NamedTuple):
    """A finished comparison: the words that made it, and what they printed."""

    words: tuple[str, ...]
    out: Path
    said: Result


@pytest.fixture(scope="module")
def study(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Study:
    out = tmp_path_factory.mktemp("study") / "deep" / "runs"
    words: tuple[str, ...] = (
        "run",
        "--methods",
        "betavae,pca",
        "--datasets",
        "toy",
        "--metrics",
        "mig,c1_accuracy",
    )
    words += ("--steps", "3", "--set", "betavae.beta=1,8", "--seeds", "0-1", "--out", str(out))
    return Study(words, out, command(*words))


class TestRun:
    def test_it_prints_a_table_and_says_where_the_rest_is(self, study: Study) -> None:
        code, out, err = study.said
        assert code == 0, err
        for text in ("betavae", "pca", "mig", "c1_accuracy", "floor", "ceiling", "beta=8"):
            assert text in out
        assert "betavae seed 1 train 3/3" in err
        for path in written(study):
            assert path.stat().st_size > 0

    def test_files(self, study: Study) -> None:
        assert {path.suffix for path in written(study)} == {".csv", ".gif", ".pdf", ".png"}
        names = [path.name for path in written(study)]
        assert names.count("scores-toy.pdf") == names.count("scores-toy.png") == 1
        assert sum(name.startswith("traversal-toy-betavae") for name in names) == 3 * 4
        for path in written(study):
            heads = {".gif": b"GIF8", ".png": b"\x89PNG", ".pdf": b"%PDF", ".csv": b"dataset,"}
            assert path.read_bytes().startswith(heads[path.suffix])

    def test_folders(self, study: Study) -> None:
        found = folders(study.out)
        # 2 seeds of: two betas, PCA, untrained, floor and ceiling.
        assert len(found) == 2 * 6
        assert {folder.state for folder in found} == {"done"}
        settings = {str(folder.config["run"]["settings"]) for folder in found}
        assert settings == {"{'beta': 1.0}", "{'beta': 8.0}", "{}"}
        assert not list(study.out.rglob("checkpoint.pt"))
        assert not list(study.out.rglob(".*")), "temporary files were left"

    def test_again_it_trains_nothing_and_prints_the_same(
        self, command: Command, study: Study
    ) -> None:
        before = {path: path.stat().st_mtime_ns for path in study.out.glob("*-*/*")}
        again = command(*study.words)
        assert again.code == 0
        assert again.out == study.said.out
        assert " train " not in again.err
        assert {path: path.stat().st_mtime_ns for path in study.out.glob("*-*/*")} == before

    def test_json_is_alone(self, command: Command, study: Study) -> None:
        found = command(*study.words, "--json")
        assert found.code == 0
        records = json.loads(found.out)
        csv = pd.read_csv(study.out / "scores.csv")
        assert len(records) == len(csv) == 2 * 6 * 2
        assert [record["value"] for record in records] == [
            None if pd.isna(value) else pytest.approx(value) for value in csv["value"]
        ]
        missing = [r for r in records if r["metric"] == "c1_accuracy" and r["method"] == "pca"]
        assert all(r["value"] is None and "c1" in r["reason"] for r in missing)

    def test_a_new_metric_trains_nothing(self, command: Command, study: Study) -> None:
        before = {path: path.stat().st_mtime_ns for path in study.out.rglob("model.pt")}
        more = command(*study.words, "--metrics", "mig,betavae", "--json")
        assert more.code == 0
        assert {r["metric"] for r in json.loads(more.out)} == {"mig", "betavae"}
        assert all(r["value"] is not None for r in json.loads(more.out))
        assert {path: path.stat().st_mtime_ns for path in study.out.rglob("model.pt")} == before

    def test_table_and_plot_of_what_is_there(
        self, command: Command, study: Study, tmp_path: Path
    ) -> None:
        csv = tmp_path / "rows.csv"
        words = ("table", "--out", study.out, "--methods", "pca", "--csv", csv, "--json")
        found = command(*words)
        assert found.code == 0
        assert {record["method"] for record in json.loads(found.out)} == {"pca", "random", "truth"}
        plot = ("plot", "--out", study.out, "--figures", "scores,traversals,variance")
        assert set(pd.read_csv(csv)["method"]) == {"pca", "random", "truth"}
        drawn = command(*plot, "--seeds", "1", "--to", tmp_path / "to")
        assert drawn.code == 0
        assert all(Path(line).is_file() for line in drawn.out.splitlines())
        assert {path.parent for path in map(Path, drawn.out.splitlines())} == {tmp_path / "to"}
        assert "scores-toy.png" in drawn.out
        assert "traversal-toy-betavae-0" not in drawn.out
        assert "variance: it needs two configurations, and two seeds of one of them" in drawn.err
        assert "replaced" not in drawn.err
        other = command(*plot[:-1], "scores", "--methods", "pca", "--to", tmp_path / "to")
        assert f"replaced 2 files in {tmp_path / 'to'}; --to FOLDER would" in other.err

    @pytest.mark.parametrize("what", ["table", "plot"])
    def test_names_among_the_runs(self, command: Command, study: Study, what: str) -> None:
        for option, name, near in (
            ("--methods", "pcb", "pca"),
            ("--metrics", "mog", "mig"),
            ("--datasets", "tou", "toy"),
        ):
            refused(command(what, "--out", study.out, option, name), f"{name!r}", f"{near!r}")
        refused(command(what, "--out", study.out, "--seeds", "7"), "'7'", "known: 0, 1")


def written(study: Study) -> list[Path]:
    """The files that the run said it wrote."""
    lines = study.said.err.splitlines()
    told = [line.removeprefix("wrote ") for line in lines if line.startswith("wrote ")]
    return [
        Path(stem.removesuffix(".") + "." + kind if kinds else stem)
        for stem, _, kinds in (text.removesuffix("}").partition("{") for text in told)
        for kind in kinds.split(",")
    ]


class TestTrouble:
    def test_a_diverged_run_is_shown_and_the_others_finish(
        self, command: Command, tmp_path: Path
    ) -> None:
        words: tuple[str, ...] = (
            *RUN,
            "--steps",
            "9",
            "--set",
            "betavae.lr=1e30,0.001",
            "--metrics",
            "mig",
        )
        words += ("--no-reference", "--out", str(tmp_path))
        found = command(*words)
        assert found.code == 1
        assert "Traceback" not in found.err
        states = {folder.state: folder for folder in folders(tmp_path)}
        assert sorted(states) == ["diverged", "done"]
        failure = states["diverged"].failure
        assert failure is not None
        assert 1 < failure["step"] <= 9
        assert f"step {failure['step']}: " in failure["reason"]
        assert "loss_elbo is " in failure["reason"]
        assert "diverged" in found.out
        assert "lr=1e+30" in found.out
        records = json.loads(command("table", "--out", tmp_path, "--json").out)
        assert {r["state"] for r in records} == {"diverged", "done"}
        assert command(*words).out == found.out

    def test_a_failed_run_is_shown_and_the_others_finish(
        self, command: Command, tmp_path: Path
    ) -> None:
        """More components than pixels, which scikit-learn refuses."""
        words = (*RUN, "--methods", "pca,vae", "--metrics", "mig", "--set", "pca.latents=300")
        found = command(*words, "--out", tmp_path)
        assert found.code == 1
        assert "Traceback" not in found.err
        states = {folder.name.split("-")[1]: folder.state for folder in folders(tmp_path)}
        assert states.pop("pca") == "failed"
        assert states == dict.fromkeys(("random", "truth", "untrained", "vae"), "done")
        assert "failed" in found.out
        failure = folders(tmp_path)[0].failure
        assert failure is not None
        assert "n_components=300" in failure["reason"]

    def test_a_failed_run_beside_references_alone(self, command: Command, tmp_path: Path) -> None:
        words = (*RUN, "--methods", "pca", "--metrics", "mig", "--set", "pca.latents=300")
        assert command(*words, "--out", tmp_path).code == 1

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"run": 3}'])
    def test_a_broken_record_is_named_and_not_hidden(
        self, command: Command, tmp_path: Path, text: str
    ) -> None:
        words: tuple[str, ...] = (
            "run",
            "--methods",
            "truth",
            "--datasets",
            "toy",
            "--metrics",
            "mig",
        )
        words += ("--seeds", "0-1", "--no-reference", "--out", str(tmp_path))
        assert command(*words).code == 0
        (tmp_path / "figures").mkdir(exist_ok=True)
        broken: Folder = folders(tmp_path)[0]
        (broken.path / "run.json").write_text(text)
        for what in ("table", "plot"):
            found = command(what, "--out", tmp_path)
            assert "Traceback" not in found.err
            assert found.code in (0, 2)
            if found.code == 2:
                refused(found)
        assert "failed: " in command("table", "--out", tmp_path, COLUMNS="200").out
        again = command(*words)
        assert "Traceback" not in again.err
        assert again.code == 1
        assert "truth (ceiling)" in again.out  # the other seed's row


class TestList:
    @pytest.mark.parametrize(
        ("room", "registry"), [("methods", METHODS), ("datasets", DATASETS), ("metrics", METRICS)]
    )
    def test_it_names_everything_with_its_source(
        self, command: Command, room: str, registry: Registry[object]
    ) -> None:
        found = command("list", room, COLUMNS="400")
        assert found.code == 0
        lines = {line.split()[0]: line for line in found.out.splitlines() if line.strip()}
        for name in registry.names():
            assert registry[name].source in lines[name]
            assert (registry[name].value.__doc__ or "").splitlines()[0] in lines[name]

    def test_all_rooms(self, command: Command) -> None:
        out = command("list").out
        for registry in (METHODS, DATASETS, METRICS):
            assert all(f"\n  {name} " in out for name in registry.names())

    def test_one_room(self, command: Command) -> None:
        found = command("list", "metrics")
        assert "mig" in found.out
        assert "infogan" not in found.out

    def test_no_address_is_cut(self, command: Command) -> None:
        assert "…" not in command("list", COLUMNS="80").out

    def test_help(self, command: Command) -> None:
        found = command("run", "--help")
        assert found.code == 0
        for option in ("--methods", "--datasets", "--metrics", "--seeds", "--budget", "--set"):
            assert option in found.out
