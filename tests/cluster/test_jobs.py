"""`run --on local`: the same jobs in processes of this machine; and what jobs do without Slurm."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.cluster.job import AGAIN, Stop, Task, execute_runs
from benchmark.cluster.leases import Leases, Owner
from benchmark.cluster.liveness import release_dead
from benchmark.cluster.sbatch_options import options, setup
from benchmark.cluster.slurm import queue
from benchmark.cluster.submission import JobOptions, Submission, submissions
from benchmark.config.run import Run
from benchmark.config.score import Score
from benchmark.registry import METHODS, UserError
from methods.base import Batch, defaults
from methods.vae import VAE
from results.state import Wanted, state_of
from results.store import Folder, folders
from tests.cli.test_cli import refused
from tests.command import ROOT, Command
from tests.supervisor import die_with_parent

STUDY = """datasets = "toy"
metrics = ["mig"]
seeds = "0-1"
steps = 20

[[grid]]
method = ["vae", "pca"]
"""


WANTED = (("mig", "disentanglement_lib-1"),)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(STUDY)
    return file


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.1)


@pytest.mark.slow
def test_workers_share_the_runs(command: Command, study: Path, tmp_path: Path) -> None:
    """A study is previewed, done, done again without work, counted; its options narrow it."""
    words = ("run", "--study", study, "--out", tmp_path / "runs", "--on", "local")
    preview = command(*words, "--dry-run")
    assert preview.out.splitlines()[:2] == ["4 runs: 4 missing", "to submit: 4 runs in 4 jobs"]
    assert not (tmp_path / "runs").exists()
    done = command(*words, "--parallel", 2, "--json", "--seeds", "1", "--methods", "vae,pca")
    assert done.code == 0, done.err
    assert {(row["method"], row["seed"]) for row in json.loads(done.out)} == {
        ("vae", 1),
        ("pca", 1),
    }
    assert "submitted 2 runs" in done.err
    again = command(*words, "--dry-run")
    assert again.out.splitlines()[0] == "4 runs: 2 done, 2 missing"
    assert "hours of one device" in again.out
    assert Leases(tmp_path / "runs").all() == {}
    told = command("status", "--study", study, "--out", tmp_path / "runs", "--json")
    counts = json.loads(told.out)["counts"]
    assert (counts["done"], counts["missing"]) == (2, 2)
    last = command(*words, "--detach")
    assert last.code == 0, last.err
    until(lambda: sum(folder.state == "done" for folder in folders(tmp_path / "runs")) == 4)


@pytest.mark.slow
def test_what_fails_stays_so_until_it_is_retried(command: Command, tmp_path: Path) -> None:
    study = tmp_path / "mine.toml"
    study.write_text(STUDY.replace('["vae", "pca"]', '"vae"\nset = { lr = 1e30 }'))
    words = ("run", "--study", study, "--out", tmp_path / "runs", "--on", "local")
    done = command(*words, "--parallel", 1)
    assert done.code == 1, done.err
    assert "2 runs: 2 diverged" in done.err
    assert "submitted" not in command(*words, "--retry").err  # it would diverge again
    for folder in folders(tmp_path / "runs"):
        folder.fail("failed", "no luck")
    assert "submitted" not in command(*words).err
    retried = command(*words, "--retry", "--parallel", 1)
    assert "submitted 2 runs" in retried.err
    assert "2 runs: 2 diverged" in retried.err
    told = command("status", "--out", tmp_path / "runs")
    assert "diverged: step" in told.out


def test_killed_and_stopped_workers(command: Command, study: Path, tmp_path: Path) -> None:
    """What a killed worker trained failed, and says so; a stopped one leaves its run."""
    out = tmp_path / "runs"
    study.write_text(STUDY.replace("20", "100000").replace('["vae", "pca"]', '"vae"'))
    words = ("run", "--study", study, "--out", out, "--on", "local", "--parallel", 2, "--detach")
    assert command(*words).code == 0
    until(lambda: len(list(out.glob("toy-*/log.csv"))) == 2)
    (submission,) = submissions(out)
    killed, stopped = submission.workers
    os.kill(stopped.pid, signal.SIGTERM)
    until(lambda: not stopped.alive)
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: not killed.alive)
    found = json.loads(command("status", "--out", out, "--json").out)
    assert (found["counts"]["failed"], found["counts"]["missing"]) == (1, 1)
    (failed,) = (run for run in found["runs"] if run["state"] == "failed")
    assert f"process {killed.pid}" in failed["why"]
    assert "begins" in failed["log"]
    (left,) = (run["run"] for run in found["runs"] if run["state"] == "missing")
    assert Folder(out / left).checkpoint().exists()


@pytest.mark.slow
def test_workers_end_with_the_command(study: Path, tmp_path: Path) -> None:
    """It is killed; what trains is saved, what waits is free, and the same command continues."""
    out, steps = tmp_path / "runs", 600
    few = '"vae"\nset = { batch_size = 4 }'
    study.write_text(STUDY.replace("20", str(steps)).replace('["vae", "pca"]', few))
    words = f"run --study {study} --out {out} --on local --parallel 1".split()
    command = [sys.executable, "-m", "benchmark", *words]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.DEVNULL, env=env, preexec_fn=die_with_parent
    ) as process:
        until(lambda: any(out.glob("toy-*/log.csv")))
        process.kill()
    ((worker,),) = (submission.workers for submission in submissions(out))
    until(lambda: not worker.alive)
    (folder,) = folders(out)
    assert folder.state == "unfinished"
    assert 0 < torch.load(folder.checkpoint(), weights_only=True)["step"] < steps
    assert release_dead(out) == {}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert "2 runs: 2 done" in done.stderr


def test_in_this_process(command: Command, study: Path, tmp_path: Path) -> None:
    done = command("run", "--study", study, "--out", tmp_path / "runs", "--on", "debug", "--json")
    assert done.code == 0, done.err
    assert len(json.loads(done.out)) == 4


def test_a_run_in_other_hands_is_waited_for(command: Command, study: Path, tmp_path: Path) -> None:
    """One that its holder leaves without an end is taken over."""
    out = tmp_path / "runs"
    done = command("run", "--study", study, "--out", out, "--seeds", "0")
    assert done.code == 0, done.err
    (pca, vae) = (folder.name for folder in folders(out))
    (out / vae / "scores.json").unlink()
    with Leases(out).owner(Owner()) as own:
        own.take([vae], {})
        told = json.loads(command("status", "--out", out, "--json").out)
        assert {run["run"]: run["state"] for run in told["runs"]} == {pca: "done", vae: "running"}
        release = threading.Timer(2, own.release, [[vae]])
        release.start()
        waited = command("run", "--study", study, "--out", out, "--seeds", "0")
        release.join()
    assert waited.code == 0, waited.err
    assert f"waiting for others, who have {vae}" in waited.err
    assert Folder(out / vae).state == "done"
    assert waited.out == done.out


@pytest.fixture
def job(tmp_path: Path) -> Submission:
    """A job of one run, as it waits for Slurm."""
    run = Run("toy", "vae", 0, 100, defaults(METHODS["vae"].value, "toy"))
    wanted, scores = Wanted(frozenset(WANTED)), (Score("mig"),)
    submission = Submission(tmp_path / "runs", JobOptions("slurm"), wanted, scores).write()
    name, record = run.folder(submission.out).name, run.record("auto")
    submission.write_tasks([[{"name": name, "run": asdict(run), "record": record}]])
    with Leases(submission.out).owner(Owner(submission=submission.id)) as own:
        own.take([name], {})
    return submission


def live(job: Submission, stop: Stop) -> Folder:
    """One start of the job, which may be killed."""
    (run,) = job.tasks[0]
    with suppress(Killed):
        execute_runs(job, 0, [run], stop)
    return Folder(job.out / run["name"])


class Late(Stop):
    """Slurm's wish that the job ends, after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        self.signalled = self.left <= 0
        return self.signalled


class Killed(BaseException):
    """What nothing in a job catches."""


def test_what_comes_back_without_progress_failed(
    job: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its next step, again and again; one step that is saved, and it counts anew."""

    def killed(vae: VAE, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        raise Killed

    # What other tests save for all runs, such as a factor classifier, would count as progress.
    monkeypatch.setenv("BENCHMARK_DATA", str(job.out.parent / "data"))
    step = VAE.losses
    for life in (killed, killed, step, killed, killed, killed):
        monkeypatch.setattr(VAE, "losses", life)
        assert live(job, Late(1) if life is step else Stop()).state == "unfinished"
    monkeypatch.setattr(VAE, "losses", step)
    folder = live(job, Stop())
    assert folder.reason.startswith("it came back 3 times with no step and no stage done")
    assert Leases(job.out).all() == {}
    assert not list(job.folder.glob("toy-*"))


def test_a_job_without_scontrol_leaves_its_run_to_the_next_command(tmp_path: Path) -> None:
    """Time is short, and Slurm cannot be told to queue the job again: the run is saved and free."""
    run = Run("toy", "vae", 0, 10**6, defaults(VAE, "toy"))
    submission = Submission(tmp_path, JobOptions("slurm"), scores=(Score("mig"),)).write()
    name = run.folder(tmp_path).name
    record = {"name": name, "run": asdict(run), "record": run.record("auto")}
    submission.write_tasks([[record]])
    with Leases(tmp_path).owner(Owner(submission=submission.id)) as own:
        own.take([name], {})
    words = [sys.executable, "-m", "benchmark.cluster.job", str(submission.folder), "0"]
    env = os.environ | {"SLURM_JOB_ID": "7", "PATH": "/nowhere"}
    with subprocess.Popen(
        words, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent
    ) as job:
        until(lambda: Folder(tmp_path / name).log().exists())
        job.send_signal(signal.SIGUSR2)
        said = job.communicate()[1]
    assert job.returncode == AGAIN
    assert "scontrol does not answer" in said
    assert Leases(tmp_path).all() == {}
    assert state_of(tmp_path / name, submission.wanted).is_left(retry=False)
    assert Folder(tmp_path / name).checkpoint().exists()


def test_what_submitit_calls_needs_no_torch_where_all_is_done(job: Submission) -> None:
    (run,) = job.tasks[0]
    row = {"metric": "mig", "protocol": WANTED[0][1], "seconds": 0, "images": 96, "value": 0.5}
    Folder(job.out / run["name"]).write_config(run["record"])
    Folder(job.out / run["name"]).finish({"rows": [row | {"reason": None}], "train": {}})
    pickled = pickle.dumps(Task(str(job.folder), 0))
    code = f"import pickle, sys; pickle.loads({pickled!r})(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
    assert Leases(job.out).all() == {}


def test_hours_are_told_by_runs_under_way(job: Submission, command: Command, study: Path) -> None:
    words = ("run", "--study", study, "--out", job.out, "--dry-run")
    assert command(*words).out.splitlines()[2].startswith("no time is known until one")
    assert live(job, Late(60)).checkpoint().exists()
    told = command(*words).out.splitlines()[2]
    assert "hours of one device as it was measured, of vae on toy training alone" in told
    assert "without 2 runs of pca on toy: no time is known" in told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--study", "locatelo2019"], ["unknown study 'locatelo2019'", "locatello2019"]),
        (["--study", "locatello2019", "--steps", "3"], ["--steps", "locatello2019 says that"]),
        (["--methods", "vae", "--detach"], ["--detach", "add --on slurm or --on local"]),
        (["--methods", "vae", "--pack", "2"], ["--pack", "add --on"]),
        (["--methods", "vae", "--on", "slrum"], ["place in --on 'slrum'", "slurm"]),
        (["--methods", "vae", "--on", "local", "--pack", "0"], ["--pack"]),
        (["--methods", "vae", "--on", "local", "--beside", "2"], ["--beside 2", "--parallel"]),
        (
            ["--methods", "vae", "--on", "slurm", "--slurm", "array=3"],
            ["array is not yours to set"],
        ),
        (["--methods", "vae", "--on", "slurm", "--slurm", "=3"], ["'=3' is not like qos=low"]),
        (["--methods", "vae", "--on", "slurm"], ["no Slurm here", "--on local"]),
    ],
    ids=lambda part: " ".join(part[-2:]),
)
def test_mistakes(command: Command, tmp_path: Path, words: list[str], expected: list[str]) -> None:
    given = ["--datasets", "toy", "--out", tmp_path / "runs", *words]
    found = command("run", *given, PATH="/nowhere", BENCHMARK_CONFIG=str(tmp_path / "none"))
    refused(found._replace(err=found.err.splitlines()[-1]), *expected)


def test_the_last_to_say_an_option_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = {"partition": "cpu", "account": "lab", "setup": ["one"], "exclusive": True}
    study = {"partition": "gpu", "setup": ["two"], "requeue": False}
    found = options([user, study], ["qos=low", "account=mine", "mail_user=a=b"])
    assert dict(found) == {
        "partition": "gpu", "account": "mine", "exclusive": "", "qos": "low", "mail-user": "a=b",
    }  # fmt: skip
    assert setup([user, study]) == ("one", "two")


def test_the_users_own_file(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.cluster.sbatch_options import user_table

    monkeypatch.setenv("BENCHMARK_CONFIG", str(tmp_path / "config.toml"))
    assert user_table() == {}
    (tmp_path / "config.toml").write_text('[slurm]\naccount = "lab"\n')
    assert user_table() == {"account": "lab"}
    (tmp_path / "config.toml").write_text("[slurm\n")
    with pytest.raises(UserError, match=r"config\.toml: .*line 1"):
        user_table()


def test_what_squeue_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit codes of older and newer versions, an array's task, and a job that is no array."""
    lines = [
        "CLUSTER: tests",
        "one  |N/A |7   |FAILED   |9    |JobLaunchFailure |",
        "two  |3   |8_3 |FAILED   |0:9  |None             |",
        "two  |4   |8_4 |PENDING  |0    |Resources        |",
        "two  |5   |8_5 |FAILED   |768  |NonZeroExitCode  |",
    ]
    program = tmp_path / "squeue"
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = queue(["one", "two"])
    assert found is not None
    assert {key: str(record) for key, record in found.items()} == {
        ("one", 0): "FAILED, signal 9",
        ("two", 3): "FAILED, signal 9",
        ("two", 4): "PENDING",
        ("two", 5): "FAILED",
    }
    waits = found["two", 4]
    assert (waits.job, waits.reason, waits.runs, waits.ended) == ("8_4", "Resources", False, False)
