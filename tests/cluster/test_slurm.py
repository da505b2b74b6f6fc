"""On a real Slurm: what is cancelled, killed or cut off ends as data, or as if never cut."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmark.cluster.leases import Leases, Owner, Process
from benchmark.cluster.liveness import NOT_SHOWN, release_dead
from benchmark.cluster.slurm import accounted
from benchmark.cluster.submission import JobOptions, Submission, submissions
from results.store import Folder, folders
from tests.cluster.test_leases import ASKED
from tests.command import ROOT, Command, Result, served
from tests.one_node import cluster, lacking
from tests.scenes import SLOW, Scene, slurm_says, study, until, words
from tests.supervisor import die_with_parent
from tests.training.test_loop import assert_same

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(lacking() != "", reason=lacking() or "Slurm is there"),
]

long = pytest.mark.skipif(
    "BENCHMARK_LONG" not in os.environ, reason="takes minutes; BENCHMARK_LONG=1 runs it"
)


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    """Slurm's programs find a cluster of our own, and everybody the slow method."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    folder.chmod(0o755)  # MariaDB's user looks into it
    package = folder / "package"
    (package / "slow-1.0.dist-info").mkdir(parents=True)
    (package / "slow.py").write_text(SLOW)
    (package / "slow-1.0.dist-info" / "METADATA").write_text("Name: slow\nVersion: 1.0\n")
    entries = package / "slow-1.0.dist-info" / "entry_points.txt"
    entries.write_text("[benchmark.methods]\nslow = slow\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", str(package))
        patch.setenv("BENCHMARK_CONFIG", str(folder / "none.toml"))
        patch.delenv("SLURM_CONF", raising=False)
        with cluster(folder / "slurm") as variables:
            for name, value in variables.items():
                patch.setenv(name, value)
            yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def command(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    yield from served(tmp_path_factory.mktemp("said"))


class Scenes(NamedTuple):
    """What was disturbed, by name; and the folder of a run that was not."""

    of: dict[str, Scene]
    twin: Folder


@pytest.fixture(scope="module")
def begun(command: Command, tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    """Runs that are the same but for what is done to them, all at once; they go on."""
    top = tmp_path_factory.mktemp("scenes")
    asked: dict[str, tuple[object, ...]] = {
        "limit": ("--time", 2, "--slurm", "signal=B:USR2@30"),
        "preempted": ("--partition", "low", "--gpus", 2),
        "requeued": (),
        "cancelled": (),
        "killed": (),
        "memory": ("--slurm", "mem=100M"),
        "opened": ("--slurm", "hold"),
    }
    of = {name: Scene(top / name / "runs") for name in asked}
    for name, options in asked.items():
        study(top / name)
        done = command(*words(top / name, "--detach", *options), PAUSE="1")
        assert done.code == 0, done.err
        if name == "limit":  # its minutes count from here
            until(of[name].training)
            slurm_says("scontrol", "update", f"JobId={of[name].job()}", "EndTime=now+60")
    study(top / "troubled", steps=20, trouble=["raise", "nan", "none"])
    assert command(*words(top / "troubled", "--detach", "--pack", 3)).code == 0
    disturb(of)
    study(top / "twin")
    undisturbed = command(*[w for w in words(top / "twin") if w not in ("--on", "slurm")])
    assert undisturbed.code == 0, undisturbed.err
    of["troubled"] = Scene(top / "troubled" / "runs")
    return Scenes(of, Scene(top / "twin" / "runs").run)


@pytest.fixture(scope="module")
def scenes(begun: Scenes) -> Scenes:
    """The same when all have ended."""
    until(lambda: not any(scene.waits() for scene in begun.of.values()))
    return begun


def disturb(of: dict[str, Scene]) -> None:
    of["opened"].pickles.chmod(0o770)
    slurm_says("scontrol", "release", of["opened"].job())
    for name in ("requeued", "cancelled", "killed", "preempted"):
        until(of[name].training)
        if name == "requeued":
            slurm_says("scontrol", "requeue", of[name].job())
        if name == "cancelled":
            slurm_says("scancel", of[name].job())
        if name == "killed":
            (lease,) = Leases(of[name].out).all().values()
            os.kill(lease.owner.process.pid, 9)
        if name == "preempted":
            high = ("--partition=high", "--gres=gpu:2", "--mem=50", "--output=/dev/null")
            slurm_says("sbatch", *high, "--wrap", "sleep 3")


# These first: the runs that were cut come to their ends meanwhile.


def test_an_array_with_a_limit(command: Command, begun: Scenes, tmp_path: Path) -> None:
    """Two methods, one at a time: all done, the table complete, nothing to do again."""
    study(tmp_path, "vae,pca", steps=20)
    done = command(*words(tmp_path, "--parallel", 1, "--json"))
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert {row["method"] for row in rows} == {"vae", "pca"}
    assert all(row["state"] == "done" and row["value"] is not None for row in rows)
    (script,) = (tmp_path / "runs").glob(".jobs/*/submitit/[0-9]*_submission.sh")
    assert "#SBATCH --array=0-1%1" in script.read_text()
    again = command(*words(tmp_path, "--dry-run"))
    assert again.out.splitlines() == ["2 runs: 2 done", "nothing to submit"]
    table = command("table", "--study", tmp_path / "study.toml", "--out", tmp_path / "runs")
    assert "2 runs: 2 done" in table.out


def test_what_slurm_refuses(command: Command, tmp_path: Path) -> None:
    """Its words are the error, once; the runs are free again."""
    study(tmp_path)
    refused = command(*words(tmp_path, "--gpus", 9))
    assert refused.code == 2
    (line,) = (line for line in refused.err.splitlines() if "error" in line)
    assert line.startswith("error: sbatch: error: Batch job submission failed: ")
    assert line.endswith("; 0 of 1 runs are submitted")
    assert Leases(tmp_path / "runs").all() == {}


def test_another_cluster(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this one does not show, for it was not told where to ask, is left as it is."""
    study(tmp_path, "pca", "0-1")
    scene, other = Scene(tmp_path / "runs"), ("--slurm", "clusters=other")
    held = ("--detach", "--slurm", "hold", "--gpus", "a100:1")
    assert command(*words(tmp_path, *other, *held)).code == 0
    (submission,) = submissions(scene.out)
    (array,), (name, _) = submission.arrays, submission.array(0)
    jobs = [submission.job(task) for task in (0, 1)]
    assert "=gres:gpu:a100:1" in slurm_says("scontrol", "-M", "other", "show", "job", array)
    assert not slurm_says("squeue", "-h", "-n", name)
    assert told(command, scene) == [("queued", f"job {job}: JobHeldUser") for job in jobs]
    submission.change(clusters="")
    for end in (False, True):
        if end:
            slurm_says("scancel", "-M", "other", array)
            until(lambda: not slurm_says("squeue", "-M", "other", "-h"))
        whys = [NOT_SHOWN.format(job) for job in jobs]
        assert told(command, scene) == [("queued", why) for why in whys]
        assert "submitted" not in command(*words(tmp_path, "--retry", "--detach", *other)).err
        assert not list(folders(scene.out))
    submission.write()
    ends = [("failed", f"job {job} ended before it began: CANCELLED") for job in jobs]
    assert told(command, scene) == ends
    done = command(*words(tmp_path, "--retry", "--seeds", "0", *other))
    assert done.code == 0, done.err
    assert "submitted 1 run" in done.err
    assert told(command, scene) == [("done", ""), ends[1]]
    (tmp_path / "sacct").symlink_to(slurm_says("which", "sacct"))
    monkeypatch.setenv("PATH", str(tmp_path))
    found = accounted(array, name, "other")
    assert {i: record.state for i, record in found.items()} == dict.fromkeys((0, 1), "CANCELLED")
    assert accounted(array, name) == accounted(array, "another", "other") == {}


def told(command: Command, scene: Scene) -> list[tuple[str, str]]:
    """Return what `status` says of each run, and why."""
    runs = json.loads(command("status", "--out", scene.out, "--json").out)["runs"]
    return [(run["state"], run["why"]) for run in runs]


def test_a_job_that_no_query_shows(begun: Scenes, tmp_path: Path) -> None:
    """Nobody can say that what waits is dead, nor what trains while it gives signs of life."""
    names = ["toy-pca-0-0123456789", "toy-pca-1-0123456789"]
    far = Process("elsewhere", 1, "1")
    options = JobOptions("slurm")
    submission = Submission(tmp_path, options, submitter=far, cluster="tests", arrays=("7",))
    submission.write().write_tasks([[{"name": name, "record": ASKED} for name in names]])
    leases, job = Leases(tmp_path), Owner(process=far, submission=submission.id, task=0, job="7")
    with leases.owner(Owner(process=far, submission=submission.id)) as submitter:
        submitter.take(names, {})
    assert {holder.place for holder in release_dead(tmp_path).values()} == {"queued"}
    with leases.owner(job) as own:
        own.take(names[:1], leases.all())
        places = [holder.place for holder in release_dead(tmp_path).values()]
        assert sorted(places) == ["queued", "running"]
        os.utime(leases.file(names[0], 1), (1e9, 1e9))
        assert release_dead(tmp_path) == {}
    assert Folder(tmp_path / names[0]).reason == "job 7 ended: no word of how"
    assert not (tmp_path / names[1]).exists()


def test_two_commands_at_once(
    command: Command, begun: Scenes, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each run is trained once, and both commands see all of them done."""
    study(tmp_path, "vae", "0-3", 20)
    scene, found = Scene(tmp_path / "runs"), list[Result]()
    asked = words(tmp_path, "--pack", 4, "--beside", 2, "--slurm", "mem=3000M")
    server = served(tmp_path_factory.mktemp("other"))
    both = [
        threading.Thread(target=lambda run=run: found.append(run(*asked)))
        for run in (command, next(server))
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [result.code for result in found] == [0, 0], found[0].out + found[0].err
    assert all("4 runs: 4 done" in result.err for result in found)
    assert len(scene.begun()) == 4 == len(set(scene.begun()))


@pytest.mark.parametrize("name", ["limit", "preempted", "requeued"])
def test_what_is_requeued_ends_as_if_it_had_never_been_cut(scenes: Scenes, name: str) -> None:
    scene = scenes.of[name]
    assert scene.run.state == "done", scene.said()
    assert_same(scene.run, scenes.twin)
    assert len(scene.begun()) >= 2  # it was cut
    if name != "requeued":  # which Slurm says to nobody
        assert f"{scene.run.name}: saved" in scene.said()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cancelled", "CANCELLED"),
        ("killed", "signal 9"),
        ("memory", "ended"),
    ],
)
def test_what_dies_without_a_word_is_data(
    command: Command, scenes: Scenes, tmp_path: Path, name: str, why: str
) -> None:
    """Also where there is no accounting, and nobody but the queue knows of a job."""
    scene = scenes.of[name]
    for program in ("sbatch", "squeue", "scontrol"):
        (tmp_path / program).symlink_to(slurm_says("which", program))
    path = tmp_path if name == "cancelled" else os.environ["PATH"]
    found = command("status", "--out", scene.out, "--json", PATH=str(path))
    record = json.loads(found.out)
    assert record["counts"]["failed"] == 1, found
    (run,) = record["runs"]
    assert why in run["why"]
    assert scene.job() in run["why"]
    assert (scene.run.failure or {})["reason"] == run["why"]
    if name == "memory":
        assert "emory" in run["why"] + run["log"]
    else:
        assert "it trains" in run["log"]
    printed = command("table", "--out", scene.out)
    assert f"failed: {run['why']}" in " ".join(printed.out.split())


@long
@pytest.mark.parametrize("name", ["cancelled", "killed"])
def test_it_is_done_again_only_when_asked(command: Command, scenes: Scenes, name: str) -> None:
    scene = scenes.of[name]
    command("status", "--out", scene.out)
    again = command(*words(scene.out.parent))
    assert again.code == 1
    assert len(scene.begun()) == 1
    retried = command(*words(scene.out.parent, "--retry"))
    assert retried.code == 0, retried.err
    assert_same(scene.run, scenes.twin)


def test_what_others_could_have_written_is_not_loaded(command: Command, scenes: Scenes) -> None:
    """A job unpickles its task from a folder that its owner alone can write to."""
    assert scenes.of["limit"].pickles.stat().st_mode & 0o777 == 0o700
    scene = scenes.of["opened"]
    (run,) = json.loads(command("status", "--out", scene.out, "--json").out)["runs"]
    assert run["why"] == f"job {scene.job()} ended before it began: FAILED"
    assert run["log"] == f"error: {scene.pickles} is not private"


def test_the_rest_of_a_pack_goes_on(command: Command, scenes: Scenes) -> None:
    found = json.loads(command("status", "--out", scenes.of["troubled"].out, "--json").out)
    assert {k: n for k, n in found["counts"].items() if n} == {
        "done": 1,
        "failed": 1,
        "diverged": 1,
    }
    (failed,) = (run for run in found["runs"] if run["state"] == "failed")
    assert failed["why"] == "RuntimeError: CUDA out of luck"
    assert "in losses" in failed["log"]


def start(*words: object, **variables: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmark", *map(str, words)]
    env = os.environ | variables
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, text=True, stderr=pipe, env=env, preexec_fn=die_with_parent
    )


def killed_when(process: "subprocess.Popen[str]", said: str) -> None:
    assert process.stderr is not None
    assert any(said in line for line in process.stderr)
    process.kill()
    process.communicate()


@long
def test_the_submitting_process_is_killed(command: Command, tmp_path: Path) -> None:
    """Right after submission, and again while it follows: nothing is lost or trained twice."""
    study(tmp_path, seeds="0-1")
    scene = Scene(tmp_path / "runs")
    killed_when(start(*words(tmp_path), PAUSE="0.05"), "submitted 2 runs")
    counts = json.loads(command("status", "--out", scene.out, "--json").out)["counts"]
    assert counts["queued"] + counts["running"] == 2
    killed_when(start(*words(tmp_path)), "running")
    counts = json.loads(command("status", "--out", scene.out, "--json").out)["counts"]
    assert counts["running"] + counts["done"] >= 1
    assert counts["failed"] == counts["missing"] == 0
    last = command(*words(tmp_path))
    assert last.code == 0, last.err
    assert "submitted" not in last.err
    assert len(scene.begun()) == 2 == len(set(scene.begun()))
    assert "2 runs: 2 done" in command("status", "--out", scene.out).out


@long
def test_more_runs_than_an_array_may_have(command: Command, tmp_path: Path) -> None:
    """Runs that others finish while the jobs wait: the jobs end before they import torch."""
    study(tmp_path, "pixels", "0-1999", 1)
    out = tmp_path / "runs"
    done = command(*words(tmp_path, "--detach", "--slurm", "hold", "--slurm", "mem=200M"))
    assert done.code == 0, done.err
    (line,) = (line for line in done.err.splitlines() if line.startswith("submitted"))
    print(line)
    assert line.startswith("submitted 2,000 runs in ")
    jobs = line.partition(": jobs ")[2].partition(";")[0].split(", ")
    assert len(jobs) == 2
    (tasks,) = out.glob(".jobs/*/tasks.jsonl")
    for (run,) in map(json.loads, tasks.read_text().splitlines()):
        folder = Folder(out / run["name"])
        folder.write_config(run["record"])
        protocol = {
            "metric": "mig",
            "protocol": "disentanglement_lib-1",
            "seconds": 0,
            "images": 96,
        }
        folder.finish({"rows": [{**protocol, "value": 0.0, "reason": None}], "train": {}})
    for job in jobs:
        slurm_says("scontrol", "release", job)
    until(lambda: not set(jobs) & set(slurm_says("squeue", "-h", "-o", "%F").split()), 2400)
    found = json.loads(command("status", "--out", out, "--json").out)
    assert found["counts"]["done"] == 2000
    assert Leases(out).all() == {}
    rows = json.loads(command("table", "--out", out, "--json").out)
    assert len(rows) == 2000
    assert {row["state"] for row in rows} == {"done"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "runs"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_and_a_read_only_folder(command: Command, small_disk: Path) -> None:
    """The error names the path, no file is torn, and what was done before can be read."""
    top = small_disk.parent
    study(top, "pca")
    assert command(*words(top, "--detach")).code == 0
    until(lambda: Scene(small_disk).said().endswith(": done\n"))
    study(top, "pca,vae", steps=2)
    full = command(*words(top, "--json"))
    assert full.code == 1, full.err
    states = {row["method"]: row["state"] for row in json.loads(full.out)}
    assert states == {"pca": "done", "vae": "failed"}
    (vae,) = (folder for folder in folders(small_disk) if "-vae-" in folder.name)
    assert vae.reason.startswith(f"cannot write {vae.path}/")
    assert vae.reason.endswith("No space left on device")
    assert not [path for path in vae.path.iterdir() if path.name.startswith(".")]
    # As soon as the job's last process has closed its log.
    read_only = ["mount", "-o", "remount,ro", str(small_disk)]
    until(lambda: subprocess.run(read_only, capture_output=True, check=False).returncode == 0)
    for more in ([], ["--detach"]):
        refused = command(*words(top, "--retry", *more))
        assert refused.code == 2
        assert refused.err.splitlines()[-1].startswith(f"error: cannot write {small_disk}/.")
    assert "pca" in command("table", "--out", small_disk).out
    counts = json.loads(command("status", "--out", small_disk, "--json").out)["counts"]
    assert (counts["done"], counts["failed"]) == (1, 1)
