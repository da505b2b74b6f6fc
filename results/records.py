"""What the JSON records of a run must have: `run.json`, `failure.json`, `scores.json`."""

from results.files import Shape

NUMBER = (int, float)
CONFIG: Shape = {
    "run": {
        "dataset": str,
        "method": str,
        "seed": int,
        "steps": int,
        "budget": str,
        "settings": dict,
        "defaults?": dict,
        "version?": int,
        "precision": str,
    },
    "key": str,
    "precision?": str,
    "sees": str,
    "representation": str,
    "versions?": dict,
    "machine?": dict,
}
FAILURE: Shape = {"state": str, "reason": str}
ROW: Shape = {
    "metric": str,
    "value": (*NUMBER, type(None)),
    "reason": (str, type(None)),
    "protocol": str,
    "seconds": NUMBER,
    "images": int,
}
SCORED: Shape = {"rows": [ROW], "train": dict, "kept?": str}
