"""Locks: of all who take a run at once one gets it, and who is gone holds nothing."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.cluster.holders import look, settle
from benchmark.cluster.leases import Locks, Owner
from benchmark.cluster.processes import Process, process
from benchmark.cluster.submission import Submission
from benchmark.registry import UserError
from results.store import Folder
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
    locks = Locks(tmp_path)
    with locks.owner(Owner()) as one, locks.owner(Owner()) as other:
        assert one.take([RUN], {}) == [RUN]
        assert other.take([RUN], {}) == []
        assert locks.held()[RUN].owner.process == process()
        one.release([RUN])
        assert other.take([RUN], {}) == [RUN]
        assert locks.of(RUN) is not None
        other.release([RUN])
    assert locks.held() == {}
    assert not locks.folder.exists()


def test_many_at_once(tmp_path: Path) -> None:
    """Each lock of a dead owner goes to at most one of those who find him gone; so new ones."""
    rounds = 40
    with Locks(tmp_path).owner(Owner()) as dead:
        dead.take([f"toy-vae-{i}-0123456789" for i in range(0, rounds, 2)], {})
    before = Locks(tmp_path).held()
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        won = pool.starmap(take_all, [(tmp_path, rounds)] * 4)
    kept = [i for one in won for i in one]
    assert len(kept) == len(set(kept))
    assert len(before) == rounds / 2
    assert {i for i in kept if i % 2} == set(range(1, rounds, 2))


def take_all(out: Path, rounds: int) -> list[int]:
    """Take what nobody of this test's processes has, as it was seen before any began."""
    locks = Locks(out)
    held = {run: lock for run, lock in locks.held().items() if set(lock.turns) == {0} and even(run)}
    with locks.owner(Owner()) as mine:
        runs = [f"toy-vae-{i}-0123456789" for i in range(rounds)]
        return [int(run.split("-")[2]) for run in mine.take(runs, held)]


def even(run: str) -> bool:
    return int(run.split("-")[2]) % 2 == 0


def test_who_saw_too_little_gives_it_back(tmp_path: Path) -> None:
    """One saw a dead owner's lock, and slept while others took the run, ended and retook it."""
    locks = Locks(tmp_path)
    with locks.owner(Owner()) as dead, locks.owner(Owner()) as quick, locks.owner(Owner()) as slow:
        dead.take([RUN], {})
        seen = locks.held()
        assert quick.take([RUN], seen) == [RUN]
        quick.release([RUN])
        assert quick.take([RUN], {}) == [RUN]
        assert slow.take([RUN], seen) == []
        assert set(locks.held()[RUN].turns) == {0}


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from benchmark.cluster.leases import *\n"
        "with Locks(Path(sys.argv[1])).owner(Owner()) as mine:\n"
        f"    print(mine.take(['{RUN}'], {{}}), flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, text=True, preexec_fn=die_with_parent) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == f"['{RUN}']"
        assert look(tmp_path)[RUN].place == "running"
        assert str(other.pid) in look(tmp_path)[RUN].why
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert look(tmp_path)[RUN].place == "gone"
    assert settle(tmp_path) == {}
    assert Locks(tmp_path).held() == {}


def test_a_process_of_another_host_is_there_while_it_beats(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    far = Owner(process=process().__class__("elsewhere", 1, "1"))
    with locks.owner(far) as mine:
        mine.take([RUN], {})
        assert look(tmp_path)[RUN].place == "running"
        os.utime(locks.file(RUN, 0), (1e9, 1e9))
        assert look(tmp_path)[RUN].place == "gone"


def test_what_waits_for_processes_of_another_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They beat for all that waits; once silent, it is free, and what they trained failed."""
    locks, far = Locks(tmp_path), Process("elsewhere", 1, "1")
    submission = Submission(tmp_path, "local", submitter=far, workers=(far,)).write()
    submission.write_tasks([[{"name": name, "asked": ASKED}] for name in (RUN, OTHER)])
    with locks.owner(Owner(process=far, submission=submission.id)) as submitter:
        submitter.take([RUN, OTHER], {})
        submitter.leave_at(submission.ticket)
    assert places(tmp_path) == {RUN: "queued", OTHER: "queued"}
    os.utime(submission.ticket, (1e9, 1e9))
    assert places(tmp_path) == {RUN: "gone", OTHER: "gone"}
    monkeypatch.setattr("benchmark.cluster.leases.BEAT_SECONDS", 0.01)
    worker = Owner(process=far, submission=submission.id, task=0)
    with locks.owner(worker, submission.ticket) as mine:
        mine.take([RUN], locks.held())
        while submission.ticket.stat().st_mtime == 1e9:
            time.sleep(0.01)
        assert places(tmp_path) == {RUN: "running", OTHER: "queued"}
    for file in (submission.ticket, locks.file(RUN, 1)):
        os.utime(file, (1e9, 1e9))
    assert settle(tmp_path) == {}
    assert Folder(tmp_path / RUN).reason == "its process (process 1 on elsewhere) died"
    assert not (tmp_path / OTHER).exists()


def places(out: Path) -> dict[str, str]:
    return {run: hold.place for run, hold in look(out).items()}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / ".locks").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write .*\.locks"), Locks(tmp_path).owner(Owner()):
        pass
