"""Train a small transformer on characters for minutes, and watch that its memory does not grow.

Two runs, one after the other, each in a process of its own: windows of the text that lie on the
device, and a stream of batches. Both validate, save every five seconds, log as CSV and JSONL and
show a progress bar. A thread samples the resident memory; the script prints it over time and the
line through it after the warm-up, and fails where memory grows by more than noise.

    PARAMJAX_DATA=shared/data python experiments/robustness/memory.py --minutes 5
"""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from paramjax.runs import InterruptWarning

KINDS = ("resident", "stream")
LENGTH, BATCH = 64, 16
WARM_UP = 0.35
"""Share of a run in which caches, pools and buffers may still fill."""

TOLERANCE = 1.0
"""MB a minute that pass for none: a leak of one state a save would be several."""


def read_text() -> np.ndarray:
    """Tiny Shakespeare as numbers of its characters, or words from a small dictionary."""
    file = Path(os.environ.get("PARAMJAX_DATA", ""), "tinyshakespeare", "input.txt")
    if file.is_file():
        text = file.read_text()
    else:
        words = ["to", "be", "or", "not", "that", "is", "the", "question"]
        text = " ".join(np.random.default_rng(0).choice(words, 200_000))
    alphabet = sorted(set(text))
    return np.array([alphabet.index(letter) for letter in text], np.int32)


def windows(tokens: np.ndarray, starts: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of LENGTH characters, and of the ones that follow them."""
    rows = tokens[starts[:, None] + np.arange(LENGTH + 1)]
    return {"x": rows[:, :-1], "y": rows[:, 1:]}


def batches(tokens: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """Random windows without an end."""
    rng = np.random.default_rng(0)
    while True:
        yield windows(tokens, rng.integers(0, len(tokens) - LENGTH, BATCH))


class Samples(threading.Thread):
    """Samples memory twice a second, and ends the run as Ctrl-C would when its time is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(daemon=True)
        self.seconds, self.rows = seconds, []  # of seconds, MB, live arrays

    def run(self) -> None:
        """Until the time is over."""
        import jax

        began = time.monotonic()
        while (passed := time.monotonic() - began) < self.seconds:
            self.rows.append((passed, resident(), len(jax.live_arrays())))
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)


def resident() -> float:
    """MB of memory of this process, as the kernel counts them."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def train(kind: str, folder: Path) -> int:
    """A run without an end; the steps that it did until it was interrupted."""
    import jax
    import optax

    import paramjax as pj
    from paramjax.models import Transformer

    tokens = read_text()
    model = Transformer(int(tokens.max()) + 1, width=32, layers=2, heads=4, length=LENGTH)
    loss_fn = pj.losses.supervised(model.apply, pj.losses.cross_entropy)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
    trainer = pj.train_step(loss_fn, tx, [pj.hooks.ema(0.99), pj.hooks.skip_nonfinite()])
    starts = np.arange(0, len(tokens) - LENGTH, LENGTH)
    resident_data = windows(tokens, starts), {"batch_size": BATCH, "last_batch": "keep"}
    data, options = resident_data if kind == "resident" else (batches(tokens), {})
    measure = lambda params, batch: loss_fn(params, batch, None)  # noqa: E731
    held_out = windows(tokens, starts[::100])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterruptWarning)  # that is how it is to end
        fit = pj.fit(
            trainer, model.init(jax.random.key(0), held_out["x"][:1]), data,
            key=jax.random.key(1), steps=10**8, **options, progress=True,
            validation=pj.Validation(measure, held_out, every=500, batch_size=50),
            checkpoints=pj.Checkpoints(folder / "run", every=datetime.timedelta(seconds=5)),
            logs=[pj.logs.CSV(folder / "log.csv"), pj.logs.JSONLines(folder / "log.jsonl")],
        )  # fmt: skip
    print(f"{len(fit.validation['step'])} validations, the last: {fit.validation['loss'][-1]:.3f}")
    return int(fit.state.step)


def slope(rows: list[tuple[float, float, int]]) -> tuple[float, float]:
    """MB a minute after the warm-up, and what noise alone would give: blocks of ten seconds."""
    seconds, mb = np.array([row[:2] for row in rows if row[0] > WARM_UP * rows[-1][0]]).T
    block = (seconds // 10).astype(int)
    means = np.array([[seconds[block == b].mean(), mb[block == b].mean()] for b in set(block)])
    minutes, mb = means.T[0] / 60, means.T[1]
    fit, covariance = np.polyfit(minutes, mb, 1, cov="unscaled")
    scatter = np.std(mb - np.polyval(fit, minutes), ddof=2)
    return float(fit[0]), float(2 * scatter * np.sqrt(covariance[0, 0]))


def judge(rows: list[tuple[float, float, int]], steps: int) -> bool:
    """Print memory over time and the line through it; whether it stays."""
    print("\n| seconds | resident MB | live arrays |\n|---|---|---|")
    for row in rows[:: max(1, len(rows) // 15)]:
        print(f"| {row[0]:.0f} | {row[1]:.1f} | {row[2]} |")
    mb_a_minute, noise = slope(rows)
    # three numbers a step are what a run returns; doubling buffers hold up to twice that
    history = 2 * 12e-6 * steps * 60 / rows[-1][0]
    print(
        f"\n{steps} steps; {mb_a_minute:+.2f} +- {noise:.2f} MB a minute after the warm-up, of "
        f"which the history may take {history:.2f}\n"
    )
    first, second = np.array_split([row[2] for row in rows if row[0] > WARM_UP * rows[-1][0]], 2)
    as_many = np.median(second) <= np.median(first)
    return bool(as_many) and mb_a_minute - history <= max(TOLERANCE, noise)


def main() -> None:
    """One kind in this process, or each in one of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--kind", choices=KINDS, help="one instead of both")
    arguments = parser.parse_args()
    if arguments.kind is None:
        words = [sys.executable, __file__, "--minutes", str(arguments.minutes), "--kind"]
        sys.exit(max([subprocess.run([*words, kind]).returncode for kind in KINDS]))
    # a shell that starts this in the background has Ctrl-C ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    samples = Samples(60 * arguments.minutes)
    with tempfile.TemporaryDirectory() as folder:
        samples.start()
        steps = train(arguments.kind, Path(folder))
    print(f"{arguments.kind}:")
    if not judge(samples.rows, steps):
        sys.exit(f"{arguments.kind}: memory grows")


if __name__ == "__main__":
    main()
