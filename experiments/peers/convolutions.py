"""What a CNN's population costs beside scans by hand and PyTorch, and single layers in a scan.

The CNN of the founding programs (28x28x1, convolutions of 32 and 64 features, dense 64,
batch 128, float32; forward, backward, clipping, AdamW): 16 runs by `pj.sweep`; single scans of
several forms, alone and two side by side; 16 runs under vmap; PyTorch. Then layers alone.
Every measurement waits, for a while, until the machine is idle.

    python experiments/peers/convolutions.py --out docs/benchmarks/convolutions.md \\
        --peers PYTHON_WITH_TORCH
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import statistics
from pathlib import Path

os.environ.setdefault("PARAMJAX_CACHE_DIR", "off")

import jax
from convolutions_layers import LAYERS
from convolutions_sides import (
    AS_IS,
    BATCH,
    FORMS,
    RUNS,
    STEPS,
    Engine,
    Torch,
    convolve_by_lax,
    pool_by_window,
    program,
    seconds,
)
from rounds import in_turn, ratio, wait_until_idle, with_kept

ENGINE = f"`pj.sweep`, {RUNS} runs"


def interleaved(measures, rounds):
    """The seconds of each measure in each round, each first in turn."""
    times = {name: [] for name in measures}
    for turn in range(rounds):
        for name in in_turn(measures, turn):
            wait_until_idle()
            times[name].append(measures[name]())
    return times


def network(args):
    """The tables of the CNN, in milliseconds for each run and step."""
    engine = Engine()
    alone = {name: program(form) for name, form in FORMS.items()}
    few = STEPS // 2
    many = {name: program(FORMS[name], runs=RUNS, steps=few)[0] for name in list(FORMS)[:2]}
    # at the fourth step: later ones, near zero, are far apart by rounding alone
    losses = [float(call()[3]) for call, *_ in alone.values()]
    if max(losses) - min(losses) > 1e-3 * losses[0]:
        raise SystemExit(f"the forms do not train alike: {losses}")
    measures = {ENGINE: engine}
    for name, (call, *_) in alone.items():
        measures[f"{name}, one scan"] = lambda call=call: seconds(call) / STEPS
        if jax.default_backend() == "cpu":
            measures[f"{name}, two scans"] = lambda call=call: seconds(call, 2) / STEPS / 2
    for name, call in many.items():
        seconds(call)
        measures[f"{name}, {RUNS} by vmap"] = lambda call=call: seconds(call) / RUNS / few
    peers = [Torch(args.peers, layout) for layout in ("usual", "channels_last") if args.peers]
    for peer, label in zip(peers, ("", ", channels last"), strict=False):
        measures[f"PyTorch {peer.version}{label}, one run"] = peer
    times = interleaved(measures, args.rounds)
    for peer in peers:
        peer.close()
    as_is, *_ = program((convolve_by_lax, pool_by_window), steps=few)
    seconds(as_is)
    slow = [seconds(as_is) / few for _ in range(3)]
    best = min((n for n in times if "one scan" in n), key=lambda n: statistics.median(times[n]))
    yield "| | ms for each run and step | `pj.sweep` to it |\n|---|---|---|"
    for name, own in times.items():
        yield f"| {name} | {1e3 * statistics.median(own):.2f} | {ratio(times[ENGINE], own)} |"
    yield f"| {AS_IS}, one scan | {1e3 * statistics.median(slow):.1f} | |"
    yield (
        f"\nThe layout of `pj.sweep`: {engine.choice.layout}; its time is what more steps "
        f"add to a whole sweep. The fastest single scan: {best}."
    )
    yield "\n| one scan | seconds to compile | temporary MB |\n|---|---|---|"
    for name, (_, compiling, memory) in alone.items():
        yield f"| {name} | {compiling:.2f} | {memory:.0f} |"
    if not args.peers:
        yield "\nPyTorch was not there."


def asked(args, title):
    """Whether a table is wanted."""
    return any(word in title for word in args.only)


def layers(args):
    """The tables of single layers, in milliseconds."""
    for title, cases in LAYERS.items():
        if not asked(args, title):
            continue
        times = interleaved(dict(cases()), args.rounds)
        first = next(iter(times.values()))
        yield f"\n| {title} | ms | ratio to the first |\n|---|---|---|"
        for name, own in times.items():
            ms = 1e3 * statistics.median(own)
            yield f"| {name} | {ms:.{2 if ms > 0.1 else 4}f} | {ratio(own, first)} |"


def report(args):
    """The tables as Markdown."""
    lines = [
        f"{args.machine}, jax {jax.__version__}, Python {platform.python_version()}; batch "
        f"{BATCH}, float32, compiled before; medians of {args.rounds} interleaved rounds, with "
        "quartiles of the rounds' ratios.\n"
    ]
    whole = network(args) if asked(args, "CNN") else []
    for line in itertools.chain(whole, layers(args)):
        lines.append(line)
        print(line, flush=True)
    return "\n".join(lines) + "\n"


def main():
    """Measure, print, and write where asked; what the page says below its tables stays."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--machine", default="this machine", help="its name in the table")
    parser.add_argument("--peers", help="a Python interpreter that has PyTorch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--only", nargs="*", default=[""], help="tables: CNN, or words in their titles"
    )
    args = parser.parse_args()
    text = report(args)
    if args.out:
        title = "# Convolutions and other layers inside a scan"
        args.out.write_text(with_kept(args.out, f"{title}\n\n{text}"))


if __name__ == "__main__":
    main()
