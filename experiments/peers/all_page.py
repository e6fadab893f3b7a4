"""The page of `all.py`: a table for each training, and the targets beside what was measured."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics

from rounds import quartiles, ratio, spread
from sides.works import WORKS

FIRST, STEADY, SECOND, SWEEP = 1.35, 1.03, 1.1, 1.05
"""At most, of the scan by hand; of the best form by hand; of the first without compilation."""
MEANING = """\
Measured by `experiments/peers/all.py`, each side by a short program of `experiments/peers/sides`.
All sides do the same work: the same rows and first parameters, the same order of the batches, the
same number of steps. Rows, order and first parameters are read from a file, only that ours draws
the order in `fit` and the parameters in `model.init` (*start given* reads them, too), which are
the same numbers; a population draws both anew. Losses are the means of the last tenth of the
steps, of a hundred at most, and compared with the scan's.

Medians of interleaved rounds; ratios with the quartiles of the rounds' ratios. *Seconds* are those
of a whole process from its start to its exit, without a cache but in the second process's line.
*us a step* is taken in processes that are warm, of trainings of about half a second. *Compiled*
counts what XLA compiles, and the wall time in which that went on."""
TOLERANCE = {"population": 0.15}
"""How far losses may be from the scan's, of its size; a population draws starts of its own."""
OWN = {"by_hand_drawn"}
"""Sides whose batches come in an order of their own."""


def page(rows, args, versions, sides_of):
    """All that was measured, as Markdown."""
    lines = ["# Beside others", "", _head(args, versions), ""]
    for row, kept in rows.items():
        if kept.get("whole") or kept.get("steady"):
            lines += _table(row, kept, sides_of(row), args)
    lines += _targets(rows, args.accelerator)
    lines += [f"{name} was not there.\n" for name, found in versions.items() if found is None]
    return "\n".join(lines)


def _head(args, versions):
    ours = {name: importlib.metadata.version(name) for name in ("jax", "flax", "optax")}
    named = {"PyTorch": versions["torch"], "Keras": versions["keras"]}
    ours |= {name: version for name, version in named.items() if version}
    words = ", ".join(f"{name} {version}" for name, version in ours.items())
    return f"{args.machine}; {words}, Python {platform.python_version()}.\n\n{MEANING}"


def _title(row, args):
    if row == "start":
        return "Starting Python, with libraries"
    if row == "population":
        return f"{args.runs} digits MLPs x {args.steps} steps, learning rates x 3 seeds"
    work = WORKS[row]
    return f"{work.title}, {work.steps:,} steps"


def _seconds(kept, name):
    return [taken for taken, _ in kept.get("whole", {}).get(name, [])]


def _said(kept, name, key):
    values = [said[key] for _, said in kept.get("whole", {}).get(name, []) if key in said]
    return statistics.median(values) if values else None


def _loss(kept, name):
    return _said(kept, name, "loss")


def _table(row, kept, sides, args):
    lines = [
        f"## {_title(row, args)}", "",
        "| | rounds | seconds | of the scan's | of PyTorch's | us a step | of the scan's | "
        "of PyTorch's | compiled | loss |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    steady = kept.get("steady", {})
    for name, side in sides.items():
        seconds, micro = _seconds(kept, name), steady.get(name)
        if not seconds and not micro:
            continue
        middle = f"{statistics.median(seconds):.2f}" if seconds else ""
        cells = [side.title, str(len(seconds)), middle]
        cells += [_ratio(seconds, _seconds(kept, to)) for to in ("by_hand", "torch")]
        cells += [_micro(statistics.median(micro)) if micro else ""]
        cells += [_ratio(micro, steady.get(to)) for to in ("by_hand", "torch")]
        cells += [_compiled(kept, name), _marked(row, kept, name)]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def _ratio(own, other):
    return ratio(own, other) if own and other else ""


def _micro(value):
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _compiled(kept, name):
    count, seconds = _said(kept, name, "compiled"), _said(kept, name, "compiling")
    return "" if count is None else f"{count:.0f}, {seconds:.2f} s"


def _marked(row, kept, name):
    loss = _loss(kept, name)
    if loss is None:
        return ""
    return f"{loss:.4g}" + ("" if _alike(row, kept, name) else " **differs**")


def _alike(row, kept, name):
    loss, other = _loss(kept, name), _loss(kept, "by_hand")
    return (
        name in OWN
        or None in (loss, other)
        or abs(loss - other) <= TOLERANCE.get(row, 0.03) * abs(other)
    )


def _targets(rows, accelerator):
    lines = ["## Targets", "", "| | measured | at most | |", "|---|---|---|---|"]
    for row, kept in rows.items():
        for name, measured, most in (_there if accelerator else _questions)(row, kept):
            middle = measured[1]
            missed = f"missed, by {middle / most - 1:.0%}" if most else "missed"
            held = "held" if middle <= most else missed
            lines.append(f"| {row}: {name} | {spread(measured)} | {most:g} | {held} |")
    return [*lines, ""]


def _there(row, kept):
    """What is asked of a row on an accelerator."""
    steady = kept.get("steady", {})
    if "ours" in steady and (best := _best(steady)):
        yield "a step, of the best form by hand", quartiles(steady["ours"], steady[best]), 1.1
    whole = {name: _seconds(kept, name) for name in kept.get("whole", {})}
    if row == "population" and {"ours", "by_hand_vmapped"} <= set(whole):
        ratios = quartiles(whole["ours"], whole["by_hand_vmapped"])
        yield "whole process, of the vmapped scan by hand", ratios, SWEEP


def _questions(row, kept):
    """What is asked of a row: (name, quartiles, at most)."""
    whole = {name: _seconds(kept, name) for name in kept.get("whole", {})}
    if "ours" in whole and row != "start":
        ours = whole["ours"]
        if row == "population" and (best := _best(whole)):
            yield "first run, of the fastest layout by hand", quartiles(ours, whole[best]), SWEEP
        elif row != "lstm" and "by_hand" in whole:
            yield "first run, of the scan by hand", quartiles(ours, whole["by_hand"]), FIRST
        for other, title in (("jitted", "the jitted loop's"), ("torch", "PyTorch's")):
            if other in whole:
                yield f"first run, of {title}", quartiles(ours, whole[other]), 1.0
        if "second" in whole:
            bare = [taken - said["compiling"] for taken, said in kept["whole"]["ours"]]
            name = "second process, of the first less its compilation"
            yield name, quartiles(whole["second"], bare), SECOND
            yield "compilations of the second process", [_said(kept, "second", "compiled")] * 3, 0
    yield from _steps(row, kept.get("steady", {}))


def _best(times):
    """The side by hand that is fastest, if there is one."""
    hands = [name for name in times if name.startswith("by_hand")]
    return min(hands, key=lambda name: statistics.median(times[name]), default=None)


def _steps(row, steady):
    if "ours" not in steady:
        return
    if best := _best(steady):
        ratios = quartiles(steady["ours"], steady[best])
        yield "a step, of the best form by hand", ratios, STEADY
    if "torch" in steady and row in ("cnn", "lstm"):
        most = 1.0 if row == "cnn" else 1.1
        yield "a step, of PyTorch's", quartiles(steady["ours"], steady["torch"]), most
