"""Flip bits of a checkpoint, cut its files, remove and add some: is each damage noticed?

A short training leaves checkpoints of steps 10 and 20. Again and again one random bit of one of
the newer one's files is flipped, or a file is cut at a random byte, removed, or added; restoring
must name the damage and take the older one. Some of the damaged runs are resumed to their end,
which must equal, to the bit, the one that was never damaged.

    python experiments/robustness/damage.py --flips 200
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax._checks import is_key
from paramjax.checkpoints import DamageWarning
from paramjax.models import MLP

MODEL = MLP((16, 3))
RNG = np.random.default_rng(0)
DATA = {"x": RNG.normal(size=(60, 5)).astype(np.float32), "y": RNG.integers(0, 3, 60)}


def loss_fn(params, batch, key):
    logits = MODEL.apply(params, batch["x"])
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean(), {}


TRAINER = pj.train_step(loss_fn, optax.adamw(1e-2), [pj.hooks.ema(0.9)])
PARAMS = MODEL.init(jax.random.key(0), DATA["x"][:1])


def train(folder: Path, steps: int) -> pj.Fit:
    """The run, from wherever it stands."""
    return pj.fit(
        TRAINER, PARAMS, DATA, key=jax.random.key(1), steps=steps, batch_size=16,
        checkpoints=pj.Checkpoints(folder, every=10), progress=False,
    )  # fmt: skip


def bits(fit: pj.Fit) -> list[bytes]:
    """The bytes of every array of a run."""
    leaves = jax.tree.leaves((fit.params, fit.state, fit.history))
    numbers = [jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in leaves]
    return [np.asarray(leaf).tobytes() for leaf in numbers]


def flip(file: Path, rng: random.Random) -> str:
    """Change one bit."""
    content = bytearray(file.read_bytes())
    place = rng.randrange(8 * len(content))
    content[place // 8] ^= 1 << place % 8
    file.write_bytes(content)
    return f"bit {place} of {file.name}"


def cut(file: Path, rng: random.Random) -> str:
    """Lose the end."""
    content = file.read_bytes()
    length = rng.randrange(len(content))
    file.write_bytes(content[:length])
    return f"{file.name} cut to {length} bytes"


def remove(file: Path, rng: random.Random) -> str:
    """Lose a file."""
    file.unlink()
    return f"{file.name} removed"


def add(file: Path, rng: random.Random) -> str:
    """Put a stray file beside another."""
    file.with_name("stray").write_bytes(rng.randbytes(9))
    return f"a file beside {file.name}"


def noticed(folder: Path, steps: int) -> tuple[pj.Fit, list[str]]:
    """Resume, and what was said about damage."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = train(folder, steps)
    return fit, [str(w.message) for w in said if issubclass(w.category, DamageWarning)]


def attempt(
    damage: Callable[[Path, random.Random], str], good: Path, rng: random.Random, whole: list[bytes]
) -> str | None:
    """Damage a copy of the run and resume it: what went unnoticed or wrong, or None."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        shutil.copytree(good, folder)
        newest = folder / "step_000000020"
        files = sorted(path for path in newest.rglob("*") if path.is_file() and path.stat().st_size)
        file = rng.choice(files)
        what = damage(file, rng)
        named = "stray" if damage is add else file.relative_to(newest).as_posix()
        fit, said = noticed(folder, 30)
        if not said or "step_000000020 is damaged" not in said[0]:
            return f"{what}: not noticed"
        if named not in said[0]:
            return f"{what}: not named, but {said[0]}"
        if bits(fit) != whole:
            return f"{what}: the resumed run ended otherwise"
    return None


def main() -> None:
    """Damage, and tally."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flips", type=int, default=200, help="damages in all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    tally: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        good = Path(place, "good")
        train(good, 20)
        whole = bits(train(Path(place, "whole"), 30))
        for _ in range(arguments.flips):
            (damage,) = rng.choices([flip, cut, remove, add], [16, 8, 1, 1])
            result = attempt(damage, good, rng, whole)
            tally[damage.__name__] += 1
            wrong += [result] if result else []
    counts = ", ".join(f"{count} x {name}" for name, count in tally.most_common())
    print(f"{sum(tally.values())} damages: {counts}")
    print(
        "noticed, named, passed over, and resumed to the same bits:",
        sum(tally.values()) - len(wrong),
    )
    print("\n".join(wrong))
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
