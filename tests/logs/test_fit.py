"""Logs of whole runs that were stopped, killed, or came back to a damaged log."""

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.checkpoints import RunInUse
from paramjax.logs import CSV, JSONLines, WriterWarning

ROOT = Path(__file__).parents[2]
TRAINER = pj.train_step(lambda w, batch, key: (jnp.mean((w - batch) ** 2), {}), optax.sgd(0.1))
DATA = np.linspace(0, 1, 8, dtype=np.float32)
VALIDATION = pj.Validation(lambda w, batch: {"loss": jnp.mean((w - batch) ** 2)}, DATA, every=10)


def train(folder, steps, every=5):
    return pj.fit(
        TRAINER, jnp.float32(0), DATA, key=jax.random.key(0), steps=steps, progress=False,
        checkpoints=pj.Checkpoints(folder / "run", every=every), validation=VALIDATION,
        logs=[CSV(folder / "log.csv"), JSONLines(folder / "log.jsonl")],
    )  # fmt: skip


def logs(folder):
    return [(folder / name).read_bytes() for name in ("log.csv", "log.jsonl")]


@pytest.fixture
def whole(tmp_path):
    """The logs of a run of 24 steps that nothing happened to."""
    train(tmp_path / "whole", 24)
    return logs(tmp_path / "whole")


def cut(path):
    path.write_bytes(path.read_bytes()[:40])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
def test_a_log_that_was_damaged_between_two_starts_is_whole_at_the_end(damage, tmp_path, whole):
    train(tmp_path, 16)
    for name in ("log.csv", "log.jsonl"):
        damage(tmp_path / name)
    with pytest.warns(WriterWarning, match="not the log of the 16 steps .* written again") as said:
        train(tmp_path, 24)
    assert len(said) == 2
    assert logs(tmp_path) == whole


def test_a_run_that_goes_on_or_is_started_again_writes_no_line_twice(tmp_path, whole):
    """Steps 7, 16 and 24 are no multiples of 10: the last validation follows the checkpoint."""
    for steps in (7, 7, 16, 16, 24, 24):
        train(tmp_path, steps)
    assert logs(tmp_path) == whole
    steps = [line.split(b",")[0] for line in whole[0].splitlines()[1:]]
    assert steps == [b"%d" % step for step in range(1, 25)]
    validated = [step for step in steps if not whole[0].splitlines()[int(step)].endswith(b",")]
    assert validated == [b"10", b"20", b"24"]


def test_a_second_run_with_the_same_log_is_refused(tmp_path):
    holds = CSV(tmp_path / "log.csv")
    holds.open(0)
    with pytest.raises(RunInUse, match="CSV: .*log.csv is in use by another run"):
        train(tmp_path, 7)
    holds.close()


CODE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_fit
print("started", flush=True)
test_fit.train(Path(sys.argv[1]), 8_003, 200)
"""


BYTES_OF_A_LINE = 30
"""About; it decides only when a run is killed."""


@pytest.mark.slow
def test_killed_anywhere_the_logs_are_those_of_a_run_that_was_not(tmp_path):
    rng = random.Random(0)
    command = [sys.executable, "-c", CODE, str(tmp_path / "killed"), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    kills, log = 0, tmp_path / "killed" / "log.csv"
    for share in (0.0, 0.3, 0.6):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout.readline() == "started\n"
        wanted = (share + rng.uniform(0.01, 0.2)) * 8_003 * BYTES_OF_A_LINE
        while child.poll() is None and not (log.exists() and log.stat().st_size >= wanted):
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kills += child.returncode == -signal.SIGKILL
    assert kills >= 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(tmp_path / "killed", 8_003, 200)
        train(tmp_path / "whole", 8_003, 200)
    assert logs(tmp_path / "killed") == logs(tmp_path / "whole")
