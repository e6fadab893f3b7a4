"""The processes in which `paramjax verify` trains, started one after the other."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from paramjax.verify._results import Arrays, load_result

SIMULATED = 8
"""Devices that a CPU pretends to be where the machine has only one."""

_COUNT = "--xla_force_host_platform_device_count"


class ChildFailed(ValueError):
    """A process of the command ended badly; the message holds the last line it wrote."""


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
    """A process that does a task; it does not outlive the block.

    Args:
        session: What the processes share.
        task: A name in `child.TASKS`.
        simulated: CPU devices to simulate; 0 takes the platform as it is.

    Yields:
        The process.
    """
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
    """The variables of a child.

    Args:
        simulated: CPU devices to simulate; 0 takes the platform as it is.

    Returns:
        Those of this process; a child does not take all memory of a GPU for itself, so that
        the command runs beside other programs.

    Example:
        >>> environment(8)["JAX_PLATFORMS"]
        'cpu'
    """
    variables = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    # the package that runs is the one to be checked, from wherever it was imported
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, places))
    if simulated:
        flags = [f for f in os.environ.get("XLA_FLAGS", "").split() if not f.startswith(_COUNT)]
        variables["XLA_FLAGS"] = " ".join([*flags, f"{_COUNT}={simulated}"])
        variables["JAX_PLATFORMS"] = "cpu"
    return variables


def finish(session: Session, task: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for a child to end well.

    Args:
        session: What the processes share.
        task: What it does.
        process: The child.

    Raises:
        ChildFailed: If it ended with an error.
    """
    code = process.wait()
    if code == 0:
        return
    lines = _log(session, task).read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")
    raise ChildFailed(f"the process of task {task!r} ended with code {code}: {last}")


def results(session: Session, task: str, *names: str, simulated: int = 0) -> list[Arrays]:
    """Let a child do a task, and read what it leaves.

    Args:
        session: What the processes share.
        task: What to do.
        *names: Results to read.
        simulated: CPU devices to simulate; 0 takes the platform as it is.

    Returns:
        The results, name of a leaf -> numbers each.

    Raises:
        ChildFailed: If the child ended with an error.
    """
    with child(session, task, simulated) as process:
        finish(session, task, process)
    return [load_result(session.folder, name) for name in names]


def _log(session: Session, task: str) -> Path:
    return session.folder / f"{task}.log"
