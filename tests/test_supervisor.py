"""What tests start is gone when they are, however these end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cluster.leases import process
from tests.command import ROOT
from tests.scenes import until
from tests.supervisor import die_with_parent

TEST = """
import signal, time
from tests.supervisor import supervised
signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup's children ignore it
left = "sleep 600 & echo $!; (setsid sleep 600 & echo $!) ; trap '' TERM INT HUP; echo $$; wait"
with supervised(["sh", "-c", left]) as command:
    print(*(command.stdout.readline().strip() for _ in range(3)), flush=True)
    time.sleep({seconds})
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_nothing_is_left(end: int | None) -> None:
    """A child, a daemon that it left, and what ignores signals: of a test that ends in each way."""
    words = [sys.executable, "-c", TEST.format(seconds=0 if end is None else 60)]
    pipe, null, env = subprocess.PIPE, subprocess.DEVNULL, os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, stdout=pipe, stderr=null, text=True, env=env, preexec_fn=die_with_parent
    ) as test:
        assert test.stdout is not None
        left = [process(int(pid)) for pid in test.stdout.readline().split()]
        assert len(left) == 3
        if end is not None:
            assert all(one.alive for one in left)
            test.send_signal(end)
    until(lambda: not any(one.alive for one in left), 10)


def test_what_the_command_says_and_how_it_ends(tmp_path: Path) -> None:
    words = [sys.executable, "tests/supervisor.py", "sh", "-c", "read word; echo $word; exit 3"]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdin is not None
        assert supervisor.stdout is not None
        supervisor.stdin.write("heard\n")
        supervisor.stdin.flush()
        assert supervisor.stdout.read() == "heard\n"
        assert supervisor.wait() == 3
