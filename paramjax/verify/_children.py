"""The processes in which `paramjax verify` trains, started one after the other, and killed."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from paramjax.checkpoints._folder import steps_in
from paramjax.verify._results import Arrays, load_result

SIMULATED = 8
"""Devices that a CPU pretends to be where the machine has only one."""

_COUNT = "--xla_force_host_platform_device_count"
_RESUMED = "resumed"
_LONGEST = 0.2
"""Seconds after a checkpoint within which a process is killed."""


class ChildFailed(ValueError):
    """A process of the command ended with an error; the message holds the last line it wrote."""


class Session(NamedTuple):
    """What all processes of one call of the command share.

    Attributes:
        folder: Where they leave their results.
        key: Names the problem.
        steps: Steps of the runs of which equal bits are promised.
        kills: How often to kill.
    """

    folder: Path
    key: int
    steps: int
    kills: int


@contextlib.contextmanager
def child(session: Session, task: str, simulated: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does a task of `_child.TASKS`; it ends with the block at the latest."""
    words = [task, session.folder, session.key, session.steps]
    command = [sys.executable, "-m", "paramjax.verify._child", *map(str, words)]
    with open(_log(session, task), "wb") as log:
        process = subprocess.Popen(
            command, env=environment(simulated), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def environment(simulated: int = 0) -> dict[str, str]:
    """The environment variables of a child, which simulates so many CPU devices if not 0.

    Example:
        >>> environment(8)["JAX_PLATFORMS"]
        'cpu'
    """
    variables = {
        **os.environ,
        # a child does not take all memory of a GPU, so that the command runs beside others
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        # else the last line of an error is a remark on how JAX shortens tracebacks
        "JAX_TRACEBACK_FILTERING": "off",
    }
    # the package that runs is the one to be checked, from wherever it was imported
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    if simulated:
        flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if not f.startswith(_COUNT)]
        variables["XLA_FLAGS"] = " ".join([*flags, f"{_COUNT}={simulated}"])
        variables["JAX_PLATFORMS"] = "cpu"
    return variables


def results(session: Session, task: str, *names: str, simulated: int = 0) -> list[Arrays]:
    """Let a child do a task, and read the named results; raise ChildFailed if it fails."""
    with child(session, task, simulated) as process:
        _finish(session, task, process)
    return [load_result(session.folder, name) for name in names]


def kill_and_resume(session: Session) -> tuple[int, Arrays]:
    """Kill a run `session.kills` times and let it end; return how often, and what it left.

    Each process is given the time to save once, so that the run advances; it is killed at a
    random moment after that, during steps, validations or saves. SIGKILL, or its like on
    Windows, cannot be caught. A run that ends earlier is killed less often.
    """
    moments, kills = random.Random(session.key), 0
    while kills < session.kills:
        with child(session, _RESUMED) as process:
            if not _has_saved(session, process):
                break
            time.sleep(moments.uniform(0.0, _LONGEST))
            if process.poll() is not None:  # it was faster
                _finish(session, _RESUMED, process)
                break
            kills += 1
    else:
        results(session, _RESUMED)
    return kills, load_result(session.folder, _RESUMED)


def _has_saved(session: Session, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the process has saved a checkpoint; False if it came to the end of the run."""
    folder = session.folder / "killed"
    before = steps_in(folder)[-1:]
    while steps_in(folder)[-1:] == before:
        if process.poll() is not None:
            _finish(session, _RESUMED, process)
            return False
        time.sleep(0.01)
    return True


def _finish(session: Session, task: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for a child, and raise ChildFailed if it ended with an error."""
    code = process.wait()
    if code == 0:
        return
    lines = _log(session, task).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")
    raise ChildFailed(f"the process of task {task!r} ended with code {code}: {last}")


def _log(session: Session, task: str) -> Path:
    return session.folder / f"{task}.log"
