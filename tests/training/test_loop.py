"""The loop: interrupted or killed anywhere, a run ends with the same bits as one that never was."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from benchmark.config.plan import Plan
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.registry import METHODS
from benchmark.runner import Context, execute
from benchmark.training import hardware
from benchmark.training.batches import Batches
from benchmark.training.loop import (
    LOG_EVERY,
    Diverged,
    Stopped,
    Training,
    advance,
    cut_log,
    write_row,
)
from datasets import Dataset, load
from methods.base import Batch, Method, normal_codes
from results.store import Codes, Folder
from tests.supervisor import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
STEPS = LOG_EVERY + 10


class After:
    """Asks to stop after so many steps; 0 for never."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


def go(run: Run, toy: Dataset, out: Path, stop: int = 0) -> Folder:
    """One session, as in a process of its own: nothing of the last one is in torch's generator."""
    torch.manual_seed(random.SystemRandom().randrange(2**31))
    return execute(run, toy, [Score("mig")], Context(out, CPU, After(stop)))


def test_what_another_version_trained_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run, entry = Run("toy", "vae", 0, 1), METHODS["vae"]
    before = run.key
    monkeypatch.setitem(entry.facts, "version", entry.facts["version"] + 1)
    assert run.key != before


def session(run: Run, toy: Dataset, out: Path, stop: int) -> Folder:
    """One session that is stopped, with its checkpoint written."""
    with pytest.raises(Stopped):
        go(run, toy, out, stop)
    folder = run.folder(out)
    assert folder.state == "unfinished"
    return folder


def assert_same(a: Folder, b: Folder) -> None:
    """Every tensor that was trained, every log, code and score is the same, to the last bit."""
    stages = ["train", *(["posthoc"] if a.model("posthoc").exists() else [])]
    for stage in stages:
        assert a.log(stage).read_text() == b.log(stage).read_text()
        one, other = (weights(folder, stage) for folder in (a, b))
        assert one.keys() == other.keys()
        assert [name for name in one if not torch.equal(one[name], other[name])] == []
        assert not a.checkpoint(stage).exists()
        assert not b.checkpoint(stage).exists()
    assert (a.read(Codes).codes == b.read(Codes).codes).all()
    assert untimed(a) == untimed(b)


def weights(folder: Folder, stage: str = "train") -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder.model(stage), weights_only=True)["method"]
    return state


def untimed(folder: Folder) -> dict[str, Any]:
    """The scores, without what a clock measured."""
    scores = folder.scores
    assert scores is not None
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in scores["rows"]]
    return {"rows": rows, "train": {k: v for k, v in scores["train"].items() if "second" not in k}}


def small(method: str, precision: str) -> Run:
    return Run("toy", method, 3, STEPS, {"batch_size": 16}, "steps", precision)


class TestResume:
    @pytest.mark.parametrize(
        ("method", "precision", "stops"),
        [
            # In turn: between two rows of the log, at a row, before the last step.
            ("betavae", "float32", (LOG_EVERY - 13, 13, 9)),
            ("infogan", "bfloat16", (LOG_EVERY - 13, 13, 9)),
            # And into the second stage, the post-hoc encoder: after its first step, at its row.
            ("gan", "bfloat16", (LOG_EVERY, 10, LOG_EVERY - 1, 7)),
        ],
    )
    def test_a_stopped_run_ends_with_the_same_bits(
        self, toy: Dataset, tmp_path: Path, method: str, precision: str, stops: tuple[int, ...]
    ) -> None:
        run = small(method, precision)
        whole = go(run, toy, tmp_path / "whole")
        assert whole.state == "done", whole.reason
        for stop in stops:
            session(run, toy, tmp_path / "parts", stop)
        assert_same(whole, go(run, toy, tmp_path / "parts"))

    def test_killed_before_the_second_stage_saved(self, toy: Dataset, tmp_path: Path) -> None:
        run = small("gan", "float32")
        whole = go(run, toy, tmp_path / "whole")
        folder = session(run, toy, tmp_path / "parts", STEPS + 7)
        folder.checkpoint("posthoc").unlink()
        assert folder.model().exists()
        assert_same(whole, go(run, toy, tmp_path / "parts"))

    def test_killed_after_rows_that_no_checkpoint_holds(self, toy: Dataset, tmp_path: Path) -> None:
        run = small("betavae", "float32")
        whole = go(run, toy, tmp_path / "whole")
        folder = session(run, toy, tmp_path / "parts", LOG_EVERY - 3)
        write_row(folder.log(), LOG_EVERY, {"loss_elbo": 1.0})
        assert_same(whole, go(run, toy, tmp_path / "parts"))

    def test_another_seed_is_another_run(self, toy: Dataset, tmp_path: Path) -> None:
        runs = [Run("toy", "betavae", seed, 1, {"batch_size": 4}) for seed in (0, 1)]
        one, other = (weights(go(run, toy, tmp_path)) for run in runs)
        assert not torch.equal(one["encoder.1.weight"], other["encoder.1.weight"])

    def test_a_done_run_is_not_touched(self, toy: Dataset, tmp_path: Path) -> None:
        run = Run("toy", "vae", 0, 1, {"batch_size": 4})
        folder = go(run, toy, tmp_path)
        before = {path: path.stat().st_mtime_ns for path in folder.path.iterdir()}
        go(run, toy, tmp_path)
        assert {path: path.stat().st_mtime_ns for path in folder.path.iterdir()} == before


WRAPPER = """
import sys
import benchmark.training.loop
benchmark.training.loop.SAVE_SECONDS = 0
from benchmark.cli.main import main
main()
"""


class TestProcess:
    """Real processes, really killed; every step is saved, so that they die while saving, too."""

    @pytest.mark.slow
    def test_interrupted_and_killed(self, toy: Dataset, tmp_path: Path) -> None:
        steps, out = 150, tmp_path / "parts"
        command = f"run --methods betavae --datasets toy --metrics mig --steps {steps} --seeds 3"
        command += f" --no-reference --set betavae.batch_size=4 --out {out}"
        setting = ["betavae.batch_size=4"]
        plan = Plan("betavae", "toy", 3, steps=steps, settings=setting, reference=False)
        (run,) = plan.parse().runs()
        whole = execute(
            run, toy, [Score("mig")], Context(tmp_path / "whole", hardware.device("auto"))
        )
        folder = run.folder(out)

        code, said = signalled(command, folder, signal.SIGINT, 0)
        assert code == 130, said
        assert "the same command continues" in said
        assert "Traceback" not in said
        done = torch.load(folder.checkpoint(), weights_only=True)["step"]
        assert 0 < done < steps

        moment = random.SystemRandom().uniform(0, 0.2)
        code, said = signalled(command, folder, signal.SIGKILL, moment)
        assert code == -signal.SIGKILL, (moment, said)
        assert folder.state == "unfinished"

        with begun(command, ["-m", "benchmark"]) as process:
            _, said = process.communicate(timeout=120)
        assert process.returncode == 0, (moment, said)
        assert_same(whole, folder)


def begun(command: str, program: Sequence[str] = ("-c", WRAPPER)) -> "subprocess.Popen[str]":
    words = [sys.executable, *program, *command.split()]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, preexec_fn=die_with_parent
    )


def signalled(command: str, folder: Folder, number: int, seconds: float) -> tuple[int, str]:
    """Send a signal so long after a new checkpoint is there; return exit code and stderr."""
    checkpoint = folder.checkpoint()
    before = checkpoint.stat().st_ino if checkpoint.exists() else 0
    with begun(command) as process:
        while not checkpoint.exists() or checkpoint.stat().st_ino == before:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    return process.returncode, said


class Toy(Method):
    """One weight; its loss is what `losses` says, step by step."""

    def __init__(self, values: Callable[[int], float]) -> None:
        super().__init__()
        self.codes = normal_codes(1)
        self.weight = nn.Parameter(torch.ones(()))
        self.values, self.step = values, 0

    def optimisers(self) -> dict[str, Optimizer]:
        return {"a": SGD([self.weight], 0.0)}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        self.step += 1
        yield "a", self.weight * 0 + self.values(self.step)


def training(method: Method, folder: Path, **more: Any) -> Training:
    batches, checkpoint, log = (
        Batches(load("toy"), CPU),
        folder / "checkpoint.pt",
        folder / "log.csv",
    )
    return Training(method, batches, STEPS, checkpoint, log, **more)


class TestDivergence:
    @pytest.mark.parametrize("first", [1, 7, LOG_EVERY, LOG_EVERY + 1, STEPS])
    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_the_first_step_that_is_not_finite(
        self, tmp_path: Path, first: int, value: float
    ) -> None:
        """Even where later losses are finite again: a sum stays what it was."""
        method = Toy(lambda step: value if step == first else 1.0)
        with pytest.raises(Diverged, match=f"^step {first}: loss_a is {value}$") as error:
            training(method, tmp_path).run()
        assert error.value.step == first

    def test_the_step_is_right_after_a_resume(self, tmp_path: Path) -> None:
        """The checkpoint is between the first bad step and the row of the log that finds it."""
        with pytest.raises(Stopped):
            training(Toy(lambda step: 1.0), tmp_path, stop=After(LOG_EVERY + 2)).run()
        with pytest.raises(Stopped):
            training(Toy(lambda step: float("nan")), tmp_path, stop=After(3)).run()
        with pytest.raises(Diverged) as error:
            training(Toy(lambda step: 1.0), tmp_path).run()
        assert error.value.step == LOG_EVERY + 3

    def test_a_large_loss_is_no_divergence(self, tmp_path: Path) -> None:
        training(Toy(lambda step: 1e37 if step == 1 else 1.0), tmp_path).run()
        assert (tmp_path / "log.csv").read_text().startswith("step,loss_a\n50,2e+35\n")


class TestLog:
    def test_means_since_the_last_row(self, tmp_path: Path) -> None:
        told: list[tuple[int, dict[str, float]]] = []
        method = Toy(float)
        training(method, tmp_path, report=lambda step, means: told.append((step, means))).run()
        assert told == [(50, {"loss_a": 25.5}), (60, {"loss_a": 55.5})]
        assert (tmp_path / "log.csv").read_text() == "step,loss_a\n50,25.5\n60,55.5\n"

    def test_a_value_that_comes_late_gets_a_column(self, tmp_path: Path) -> None:
        log = tmp_path / "log.csv"
        write_row(log, 50, {"loss_d": 1.0, "kl": 2.0})
        write_row(log, 100, {"loss_d": 1.5, "loss_cr": 3.0, "kl": 2.5})
        write_row(log, 150, {"kl": 4.0, "loss_d": 0.5})
        assert log.read_text().splitlines() == [
            "step,loss_d,kl,loss_cr",
            "50,1,2,",
            "100,1.5,2.5,3",
            "150,0.5,4,",
        ]

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ("", None),
            ("step,a\n", None),
            ("step,a\n50,1\n100,2\n150,3\n", "step,a\n50,1\n100,2\n"),
            ("step,a\n50,1\n100,2\n15", "step,a\n50,1\n100,2\n"),
            ("step,a\n150,1\n", None),
        ],
    )
    def test_rows_after_the_checkpoint_go(
        self, tmp_path: Path, text: str, kept: str | None
    ) -> None:
        """A row torn by a crash goes, too."""
        log = tmp_path / "log.csv"
        log.write_text(text)
        cut_log(log, 120)
        assert (log.read_text() if log.exists() else None) == kept


class TestStep:
    def test_it_is_the_plain_alternation(self, toy: Dataset) -> None:
        """Two players, one step each in turn, as everybody writes it by hand."""
        ours, plain = (built("gan", toy) for _ in range(2))
        batch = Batches(toy, CPU).training_batch(ours, 0)
        fast, hand = ours.optimisers(), plain.optimisers()
        for seed in range(3):
            torch.manual_seed(seed)
            advance(ours, batch, fast, "float32")
            torch.manual_seed(seed)
            for name, loss in plain.losses(batch):
                plain.zero_grad()
                torch.autograd.backward(loss)
                hand[name].step()
        same = zip(ours.parameters(), plain.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in same)

    def test_a_loss_costs_no_gradient_of_the_other_player(self, toy: Dataset) -> None:
        ours, plain = (built("gan", toy) for _ in range(2))
        batch = Batches(toy, CPU).training_batch(ours, 0)
        torch.manual_seed(0)
        advance(ours, batch, ours.optimisers(), "float32")
        torch.manual_seed(0)
        torch.autograd.backward(next(plain.losses(batch))[1])
        for name in ("1.weight", "0.1.parametrizations.weight.original"):
            one, other = (m.get_parameter(f"discriminator.{name}").grad for m in (ours, plain))
            assert one is not None
            assert other is not None
            assert torch.equal(one, other)


def built(name: str, dataset: Dataset) -> Method:
    torch.manual_seed(0)
    method: Method = METHODS[name].value(dataset.spec, batch_size=8)
    return method.train()


class TestDamage:
    @pytest.mark.parametrize("name", ["checkpoint.pt", "model.pt"])
    @pytest.mark.parametrize("damage", ["empty", "torn", "foreign", "other"])
    def test_a_damaged_file_is_named(
        self, toy: Dataset, tmp_path: Path, name: str, damage: str
    ) -> None:
        """The run is recorded as failed, with the file and what to do in one line."""
        run = Run("toy", "vae", 0, 4, {"batch_size": 4})
        folder = session(run, toy, tmp_path, 2)
        file = folder.path / name
        whole = folder.checkpoint().read_bytes()
        folder.checkpoint().unlink()
        texts = {"empty": b"", "torn": whole[:-1000], "foreign": b"not a checkpoint" * 99}
        if damage == "other":
            torch.save({"step": 2}, file)
        else:
            file.write_bytes(texts[damage])
        go(run, toy, tmp_path)
        failure = json.loads((folder.path / "failure.json").read_text())
        assert failure["state"] == "failed"
        assert str(file) in failure["reason"]
        assert "remove it" in failure["reason"]
        assert "\n" not in failure["reason"]
        file.unlink()
        assert go(run, toy, tmp_path).state == "done"
