"""A run that is killed at random moments, and resumed until it ends."""

from __future__ import annotations

import random
import subprocess
import time

from paramjax.checkpoints._folder import steps_in
from paramjax.verify._children import Session, child, finish
from paramjax.verify._results import Arrays, load_result

_TASK = "resumed"
_LONGEST = 0.2
_LOOK_EVERY = 0.01


def kill_and_resume(session: Session) -> tuple[int, Arrays]:
    """Kill the run as often as asked for, as far as it lasts, and let it end.

    Each process is given the time to save once, so that the run gets on; it is killed at a
    random moment after that, during steps, validations or saves. SIGKILL, or what is its like on
    Windows, cannot be caught.

    Args:
        session: What the processes share.

    Returns:
        How often it was killed, and what the run left.

    Raises:
        ChildFailed: If a process ended with an error of its own.
    """
    moments, kills = random.Random(session.key), 0
    while kills < session.kills:
        with child(session, _TASK) as process:
            if not _saves(session, process):
                break
            time.sleep(moments.uniform(0.0, _LONGEST))
            if process.poll() is not None:  # it was faster
                finish(session, _TASK, process)
                break
            process.kill()
            process.wait()
            kills += 1
    else:
        with child(session, _TASK) as process:
            finish(session, _TASK, process)
    return kills, load_result(session.folder, _TASK)


def _saves(session: Session, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the process has saved a checkpoint; False if it came to the end of the run."""
    folder = session.folder / "killed"
    before = steps_in(folder)[-1:]
    while steps_in(folder)[-1:] == before:
        if process.poll() is not None:
            finish(session, _TASK, process)
            return False
        time.sleep(_LOOK_EVERY)
    return True
