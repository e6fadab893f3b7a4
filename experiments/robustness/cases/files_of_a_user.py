"""Optimizers in a user's own files, through `paramjax bench`."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pairs import pair

FILES = Path(__file__).with_name("files")
NAMES = [
    "dataclassy.py:mine", "flaxy.py:mine", "tuples.py:mine", "tuples.py:quiet", "functions.py:mine",
    "floats.py:mine", "helped.py:mine",
    *(f"nospace.py:{name}" for name in
      ("mine", "multi", "injected", "conditional", "cosine", "lazy", "rounding")),
]  # fmt: skip


def bench(folder, names):
    optimizers = [word for name in names for word in ("--optimizer", name)]
    words = [
        "bench", "--workload", "breast_cancer_logistic", *optimizers, "--baseline", "sgd",
        "--trials", "2", "--replicates", "2", "--report-seeds", "1", "--steps", "20",
        "--out", "out",
    ]  # fmt: skip
    command = [sys.executable, "-m", "paramjax", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


with tempfile.TemporaryDirectory() as place:
    folder = Path(place, "files")
    shutil.copytree(FILES, folder)
    done = bench(folder, NAMES)
    pair("exit code, as one is left out", done.returncode, 3)
    got = {line.strip() for line in done.stdout.splitlines() if "factory got" in line}
    pair("what factories got", {line for line in got if "[" in line}, set())
    out = " ".join((done.stdout + done.stderr).split())
    pair(
        "left out", [name for name in NAMES if f"{name} is left out" in out], ["nospace.py:cosine"]
    )
    said = out[out.find("nospace.py:cosine is left out") :][:600]
    pair("cosine's peak is traced: the schedule that takes it is named", "pj.optim" in said, True)
