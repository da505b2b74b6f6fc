"""The command line as tests call it.

Importing torch takes seconds, so one process imports everything, and each command is a fork of it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.supervisor import supervised

ROOT = Path(__file__).resolve().parents[1]

SERVER = """
import gc, json, os, runpy, sys, traceback
import torch._dynamo  # which the first step of an optimiser would import
import benchmark.cli.main, benchmark.comparison, benchmark.cluster.submit, benchmark.speed.whole
import matplotlib.backends.backend_agg, matplotlib.backends.backend_pdf, results.figures
import sklearn.decomposition, sklearn.ensemble, sklearn.linear_model, sklearn.feature_selection
import sklearn.model_selection, sklearn.pipeline
from benchmark.registry import DATASETS, METHODS, METRICS
METHODS.names(), DATASETS.names(), METRICS.names()
gc.freeze()
for line in sys.stdin:
    words, variables, *files = json.loads(line)
    if (child := os.fork()) == 0:
        os.environ.update(variables)
        for number, file in enumerate(files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv, code = ["benchmark", *words], 99
        try:
            runpy.run_module("benchmark", run_name="__main__")
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # taking torch apart would take longer than all before
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os._exit(0)
"""


class Result(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Result]


def served(folder: Path) -> Iterator[Command]:
    """Run `python -m benchmark` with these words, on one thread; `folder` takes what it says.

    What is detached ends when no more commands are run.
    """
    out, err = (folder / name for name in ("out", "err"))
    plain = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("COLUMNS", "FORCE_COLOR"):
        plain.pop(name, None)
    with supervised([sys.executable, "-c", SERVER], cwd=ROOT, env=plain) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        ask, answers = server.stdin, server.stdout

        def run(*words: object, **variables: str) -> Result:
            order = [[str(word) for word in words], variables, str(out), str(err)]
            ask.write(json.dumps(order) + "\n")
            ask.flush()
            return Result(int(answers.readline()), out.read_text(), err.read_text())

        yield run
