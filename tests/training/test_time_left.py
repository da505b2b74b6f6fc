"""How long runs take, by what others took: those of a few steps say nothing of long ones."""

from pathlib import Path

from benchmark.cluster.status import seconds_left
from benchmark.training.time_left import NO_TIME, estimate
from results.state import RunState
from tests.studies import TEN, ask, row

VAE = ("dsprites", "vae")


def trained(out: Path, seed: int, steps: int, rate: float) -> None:
    folder = ask(out, "vae", seed, steps=steps)
    train = {"seconds": steps / rate, "steps_per_second": rate}
    folder.finish({"rows": [row("mig", 0.1)], "train": train})


def test_a_dry_run(tmp_path: Path) -> None:
    trained(tmp_path, 0, 5, 5.0)
    assert estimate([(VAE, 50)], tmp_path).startswith("about 0.0 hours of one device")
    assert estimate([(VAE, 300_000)], tmp_path) == NO_TIME
    for seed in (1, 2):
        trained(tmp_path, seed, 5, 5.0)
    trained(tmp_path, 3, 30_000, 100.0)
    assert estimate([(VAE, 300_000)], tmp_path).startswith("about 0.8 hours of one device")


def test_status(tmp_path: Path) -> None:
    """What waits has no configuration, and is taken to be as long as what runs."""
    running = ask(tmp_path, "vae", 7, steps=30_000)
    running.log().write_text("step,loss\n15000,1.0\n")
    found = [RunState(running.name, "running"), RunState(f"dsprites-vae-8-{TEN}", "queued")]
    trained(tmp_path, 0, 5, 5.0)
    assert seconds_left(found, tmp_path) is None
    trained(tmp_path, 1, 30_000, 100.0)
    assert seconds_left(found, tmp_path) == round(1.5 * 300.5)
