"""Fill the disk under a run: does it say so, keep what it has, and go on when there is room again?

Mounts a small tmpfs (which takes root), trains in it with frequent checkpoints, fills it up
meanwhile, and empties it again. The run must warn, keep its last good checkpoint, go on, save
again, and end with the same bits as on a good disk. A second run, of another process, that wants
the same folder meanwhile must be refused.

    sudo python experiments/robustness/full_disk.py
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.checkpoints import RunInUse, SaveWarning, inspect

DATA = {"x": np.ones((64, 8), np.float32)}
PARAMS = {"w": np.ones((8, 20_000), np.float32)}


def loss_fn(params, batch, key):
    noise = 0.1 * jax.random.normal(key, (batch["x"].shape[0], 1))
    return ((batch["x"] @ params["w"] / 8 + noise) ** 2).mean(), {}


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system in memory, as large as asked."""
    with tempfile.TemporaryDirectory() as place:
        words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place]
        subprocess.run(words, check=True)
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


class Clock:
    """Validation as a clock: a second run comes, the disk is filled, there is room again."""

    def __init__(self, disk: Path, *, second_at: int, fill_at: int, free_at: int) -> None:
        self.disk, self.second_at, self.fill_at, self.free_at = disk, second_at, fill_at, free_at
        self.second = ""
        self.kept: list[int] = []

    def __call__(self, step: np.ndarray) -> np.ndarray:
        """Called from the compiled evaluation with the step that it measures."""
        file = self.disk / "filler"
        if int(step) == self.second_at:
            self.second = second_run(self.disk / "run")
        elif int(step) == self.fill_at:
            fill(file)
        elif int(step) == self.free_at and file.exists():
            self.kept = [seen.step for seen in inspect(self.disk / "run") if seen.damage is None]
            file.unlink()
        return np.float32(0)


def fill(file: Path) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as out:
        while True:
            out.write(bytes(2**16))


def second_run(folder: Path) -> str:
    """What another process says that runs the same there."""
    command = [sys.executable, __file__, "--second", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def be_second(folder: Path) -> None:
    """Run where a run is at work, and exit with 0 if that is refused."""
    try:
        train(folder, None)
    except RunInUse as error:
        print(error)
    else:
        sys.exit("the second run was not refused")


def train(folder: Path | None, clock: Clock | None) -> pj.Fit:
    """200 steps, saved each ten of them."""

    def measure(params, seen, batch):
        told = jnp.float32(0)
        if clock is not None:
            shape = jax.ShapeDtypeStruct((), jnp.float32)
            told = jax.experimental.io_callback(clock, shape, seen, ordered=True)
        return {"loss": told}

    def counted(params, seen, batch, key):
        loss, metrics = loss_fn(params, batch, key)
        return loss, (seen + 1, metrics)

    trainer = pj.train_step(counted, optax.adam(1e-2), stateful=True)
    validation = pj.Validation(measure, DATA, every=5)
    checkpoints = None if folder is None else pj.Checkpoints(folder, every=10)
    return pj.fit(
        trainer, PARAMS, DATA, key=jax.random.key(0), steps=200, model_state=jnp.int32(0),
        validation=validation, progress=False, checkpoints=checkpoints,
    )  # fmt: skip


def check(disk: Path) -> list[str]:
    """Run on a disk that fills up; what went wrong."""
    clock, wrong = Clock(disk, second_at=30, fill_at=55, free_at=125), []
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = train(disk / "run", clock)
    print(f"a second run: {clock.second or 'not refused'}")
    full = [str(w.message) for w in said if issubclass(w.category, SaveWarning)]
    print(f"{len(full)} saves failed; the first: {full[0] if full else None}")
    print(f"good checkpoints while the disk was full: {clock.kept}")
    seen = inspect(disk / "run")
    print(f"good checkpoints at the end: {[one.step for one in seen if one.damage is None]}")
    whole = train(None, None)
    equal = all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(
            jax.tree.leaves((fit.params, fit.state.opt_state, fit.history)),
            jax.tree.leaves((whole.params, whole.state.opt_state, whole.history)),
            strict=True,
        )
    )
    print(f"ended with the bits of a run on a good disk: {equal}")
    wrong += [] if "in use by another run" in clock.second else ["a second run was not refused"]
    wrong += [] if full else ["no save failed, so nothing was tried"]
    wrong += [] if clock.kept else ["no good checkpoint was kept"]
    wrong += [] if seen[-1].step == 200 and seen[-1].damage is None else ["the end was not saved"]
    wrong += [] if equal else ["the run ended otherwise"]
    left = sorted(p.name for p in (disk / "run").iterdir() if not p.name.startswith("step_"))
    print(f"beside the checkpoints: {left}")
    return wrong


def main() -> None:
    """Fill, look, and say."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=16, help="size of the disk")
    parser.add_argument("--second", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.second is not None:
        be_second(arguments.second)
        return
    if os.geteuid() != 0:
        sys.exit("full_disk: mounting a small disk takes root; run it with sudo")
    with small_disk(arguments.megabytes) as disk:
        wrong = check(disk)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
