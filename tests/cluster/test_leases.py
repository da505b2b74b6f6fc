"""Leases: of all who take a run at once one gets it, and who is gone holds nothing."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmark.cluster.leases import Leases, Lost, Owner, Process, process
from benchmark.cluster.liveness import find, release_dead
from benchmark.cluster.submission import JobOptions, Submission
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.registry import UserError
from benchmark.runner import Context, execute
from datasets import Dataset
from methods.base import defaults
from methods.vae import VAE
from results.store import Folder
from tests.command import ROOT
from tests.supervisor import die_with_parent

RUN, OTHER = "toy-vae-0-0123456789", "toy-vae-1-0123456789"
ASKED = {
    "run": {
        "dataset": "toy",
        "method": "vae",
        "seed": 0,
        "steps": 1,
        "budget": "steps",
        "settings": {},
        "precision": "auto",
    },
    "key": "0123456789",
    "sees": "images",
    "representation": "mean",
}


def test_one_of_two_gets_it(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    with leases.owner(Owner()) as one, leases.owner(Owner()) as other:
        assert one.take([RUN], {}) == [RUN]
        assert other.take([RUN], {}) == []
        assert leases.all()[RUN].owner.process == process()
        one.release([RUN])
        assert other.take([RUN], {}) == [RUN]
        assert leases.of(RUN) is not None
        other.release([RUN])
    assert leases.all() == {}
    assert not leases.folder.exists()


def test_many_at_once(tmp_path: Path) -> None:
    """Each lease of a dead owner goes to at most one of those who find him gone; so new ones."""
    rounds = 40
    with Leases(tmp_path).owner(Owner()) as dead:
        dead.take([f"toy-vae-{i}-0123456789" for i in range(0, rounds, 2)], {})
    before = Leases(tmp_path).all()
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        won = pool.starmap(take_all, [(tmp_path, rounds)] * 4)
    kept = [i for one in won for i in one]
    assert len(kept) == len(set(kept))
    assert len(before) == rounds / 2
    assert {i for i in kept if i % 2} == set(range(1, rounds, 2))


def take_all(out: Path, rounds: int) -> list[int]:
    """Take what nobody of this test's processes has, as it was seen before any began."""
    leases = Leases(out)
    held = {
        run: lease for run, lease in leases.all().items() if set(lease.owners) == {0} and even(run)
    }
    with leases.owner(Owner()) as own:
        runs = [f"toy-vae-{i}-0123456789" for i in range(rounds)]
        return [int(run.split("-")[2]) for run in own.take(runs, held)]


def even(run: str) -> bool:
    return int(run.split("-")[2]) % 2 == 0


def test_who_saw_too_little_gives_it_back(tmp_path: Path) -> None:
    """One saw a dead owner's lease, and slept while others took the run, ended and retook it."""
    leases = Leases(tmp_path)
    with (
        leases.owner(Owner()) as dead,
        leases.owner(Owner()) as quick,
        leases.owner(Owner()) as slow,
    ):
        dead.take([RUN], {})
        seen = leases.all()
        assert quick.take([RUN], seen) == [RUN]
        quick.release([RUN])
        assert quick.take([RUN], {}) == [RUN]
        assert slow.take([RUN], seen) == []
        assert set(leases.all()[RUN].owners) == {0}


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from benchmark.cluster.leases import *\n"
        "with Leases(Path(sys.argv[1])).owner(Owner()) as own:\n"
        f"    print(own.take(['{RUN}'], {{}}), flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, text=True, preexec_fn=die_with_parent) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == f"['{RUN}']"
        assert find(tmp_path)[RUN].place == "running"
        assert str(other.pid) in find(tmp_path)[RUN].why
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert find(tmp_path)[RUN].place == "dead"
    assert release_dead(tmp_path) == {}
    assert Leases(tmp_path).all() == {}


def test_a_process_of_another_host_is_there_while_it_beats(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    far = Owner(process=process().__class__("elsewhere", 1, "1"))
    with leases.owner(far) as own:
        own.take([RUN], {})
        assert find(tmp_path)[RUN].place == "running"
        os.utime(leases.file(RUN, 0), (1e9, 1e9))
        assert find(tmp_path)[RUN].place == "dead"


def test_what_waits_for_processes_of_another_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They beat for all that waits; once silent, it is free, and what they trained failed."""
    leases, far = Leases(tmp_path), Process("elsewhere", 1, "1")
    options = JobOptions("local")
    submission = Submission(tmp_path, options, submitter=far, workers=(far,)).write()
    submission.write_tasks([[{"name": name, "record": ASKED}] for name in (RUN, OTHER)])
    with leases.owner(Owner(process=far, submission=submission.id)) as submitter:
        submitter.take([RUN, OTHER], {})
    assert places(tmp_path) == {RUN: "queued", OTHER: "queued"}
    os.utime(submission.file, (1e9, 1e9))
    assert places(tmp_path) == {RUN: "dead", OTHER: "dead"}
    monkeypatch.setattr("benchmark.cluster.leases.HEARTBEAT_SECONDS", 0.01)
    worker = Owner(process=far, submission=submission.id, task=0)
    with leases.owner(worker, submission.file) as own:
        own.take([RUN], leases.all())
        while submission.file.stat().st_mtime == 1e9:
            time.sleep(0.01)
        assert places(tmp_path) == {RUN: "running", OTHER: "queued"}
    for file in (submission.file, leases.file(RUN, 1)):
        os.utime(file, (1e9, 1e9))
    assert release_dead(tmp_path) == {}
    assert Folder(tmp_path / RUN).reason == "its process (process 1 on elsewhere) died"
    assert not (tmp_path / OTHER).exists()


def places(out: Path) -> dict[str, str]:
    return {run: holder.place for run, holder in find(out).items()}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / ".leases").write_text("in the way")
    with (
        Leases(tmp_path).owner(Owner()) as own,
        pytest.raises(UserError, match=rf"cannot write to the folder of runs {tmp_path}: "),
    ):
        own.take([RUN], {})


def test_who_was_followed_writes_no_more(tmp_path: Path, toy: Dataset) -> None:
    """It was suspended until another took it for dead; its run's folder is the other's now."""
    leases, run = Leases(tmp_path), Run("toy", "vae", 0, 60, defaults(VAE, "toy"))
    name = run.folder(tmp_path).name
    with leases.owner(Owner()) as slow, leases.owner(Owner()) as other:
        slow.take([name], {})
        slow.verify(name)
        other.take([name], leases.all())
        context = Context(tmp_path, torch.device("cpu"), verify=slow.verify)
        with pytest.raises(Lost, match=f"{name} was taken over"):
            execute(run, toy, [Score("mig")], context)
        other.verify(name)
    assert not run.folder(tmp_path).model().exists()
    assert run.folder(tmp_path).failure is None


@pytest.mark.slow
def test_two_commands_share_the_runs_without_fcntl(tmp_path: Path) -> None:
    """Where the system has no fcntl, as on Windows: no module of ours needs it."""
    code = "import sys; sys.modules['fcntl'] = None\nfrom benchmark.cli.main import main\nmain()"
    words = ["run", "--methods", "pca", "--datasets", "toy", "--metrics", "mig", "--no-reference"]
    done = [
        subprocess.Popen(
            [sys.executable, "-c", code, *words, "--out", str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent,
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in done]
    assert [process.returncode for process in done] == [0, 0], said
    assert all("pca" in text for text in said)
