"""Parts of `gpu.py` that stand nowhere else: a sweep's steps by hand and by us, the recipes.

python gpu_parts.py sweep|recipes [--tiny]
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT)]

TINY = "--tiny" in sys.argv


def say(line):
    """Print a line at once."""
    print(line, flush=True)


def vmapped(runs, steps):
    """Seconds of one vmapped scan by hand that is compiled, host to host."""
    import jax
    import numpy as np
    from populations_sides import digits, jax_parts, orders, rates, training

    _, _, init, _ = jax_parts()
    starts = jax.jit(jax.vmap(init))(jax.random.split(jax.random.key(0), runs))
    order = np.stack([orders(seed % 3, len(digits()[0]), steps) for seed in range(runs)])
    program, rate = jax.jit(jax.vmap(training())), rates(runs)
    jax.block_until_ready(program(rate, starts, order))

    def call():
        start = time.perf_counter()
        jax.device_get(program(rate, starts, order))
        return time.perf_counter() - start

    return call


def sweep():
    """What a step of all runs adds to a sweep, beside the vmapped scan by hand."""
    os.environ["PARAMJAX_CACHE_DIR"] = "off"
    from populations import added, kept_programs, swept

    runs, steps, rounds = (16, 20, 2) if TINY else (192, 1_000, 3)
    short, long = vmapped(runs, steps), vmapped(runs, 2 * steps)
    by_hand, ours = [], []
    with kept_programs():
        layout = swept(runs, steps).plan.choices[0].layout
        for _ in range(rounds):
            by_hand.append(1e6 * (long() - short()) / steps)
            ours.append(1e6 * added(runs, steps, layout)[1] / steps)
    say("| | us a step of all runs | rounds |\n|---|---|---|")
    say(row("one vmapped scan by hand", by_hand))
    say(row(f"`pj.sweep` ({layout})", ours))
    say(f"\nRatio of the medians: {statistics.median(ours) / statistics.median(by_hand):.2f}; "
        f"what {steps} steps more add to {runs} runs.")  # fmt: skip


def row(name, values):
    """A line of microseconds."""
    return f"| {name} | {statistics.median(values):.1f} | {', '.join(f'{v:.1f}' for v in values)} |"


def module(name, file):
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(name, file)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def recipes():
    """Each recipe's losses beside those written by hand, its figures beside the record."""
    import jax
    import numpy as np

    jax.config.update("jax_default_matmul_precision", "highest")
    record = module("record", ROOT / "docs" / "record.py")
    say("Matrix products in the highest precision; the records were made on a CPU.\n")
    say("| recipe | seconds | losses apart from by hand, of their size | beside the record |")
    say("|---|---|---|---|")
    pages = {name: file for name, file in record.pages().items() if name.startswith("recipes/")}
    for name, file in list(pages.items())[: 1 if TINY else None]:
        start, recipe = time.perf_counter(), name.removeprefix("recipes/")
        try:
            text = file.read_text(encoding="utf-8")
            changes = record.check(name, file)
            _, page = record.execute(text, name)
            by_hand = module(f"by_hand_{recipe}", ROOT / "tests/recipes/by_hand" / f"{recipe}.py")
            with jax.numpy_rank_promotion("allow"):
                expected = np.asarray(by_hand.losses(page))
            apart = np.max(np.abs(page["losses"] - expected) / np.maximum(np.abs(expected), 1e-30))
            allowed = getattr(by_hand, "RTOL", 1e-5)
            held = "equal within " if apart <= allowed else "**beyond** "
            losses, said = f"{held}{allowed:g}: {apart:.1e}", "; ".join(changes) or "held"
        except Exception as error:
            losses, said = f"**{type(error).__name__}**", str(error)
        said = said.replace("|", "/").replace("\n", " ")[:160]
        say(f"| {recipe} | {time.perf_counter() - start:.1f} | {losses} | {said} |")


if __name__ == "__main__":
    {"sweep": sweep, "recipes": recipes}[sys.argv[1]]()
