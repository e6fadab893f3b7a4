"""`paramjax inspect`: the checkpoints of a run, and whether they are undamaged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.markup import escape
from rich.table import Table

from paramjax import checkpoints
from paramjax._format import byte_size, number, printable
from paramjax.checkpoints import CheckpointInfo
from paramjax.checkpoints._inspect import best, kept, leaf_bytes, parameter_name
from paramjax.cli._terminal import Exit, console, fail, print_json, table

_OTHER_COLUMNS = 58
"""What the table takes beside the metrics, for steps of up to seven digits."""


def inspect(
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")],
    leaves: bool = False,
    json: bool = False,
) -> int:
    """List the checkpoints of a run, and check every bit of them.

    A run that is saving in the folder meanwhile is not disturbed.

    Args:
        folder: The folder of a run's checkpoints, or one checkpoint in it.
        leaves: List the arrays of the newest good checkpoint: name, shape, dtype, size.
        json: Print JSON, leaves included; numbers that are not finite are null.

    Returns:
        Exit code: 0; 1 if a checkpoint is damaged; 2 without a checkpoint.
    """
    try:
        found = checkpoints.inspect(folder)
    except (ValueError, OSError) as error:
        return fail(error)
    damaged = [one for one in found if one.damage is not None]
    if json:
        print_json([_described(one) for one in found])
        return Exit.FAILED if damaged else Exit.DONE
    out = console()
    out.print(_checkpoint_table(found, out.width - _OTHER_COLUMNS))
    if (keep := kept(folder)) is not None:
        out.print(f"kept: the last {keep['last']}, and the best {keep['best']} besides")
    for one in damaged:
        text = f"[red]damaged:[/] {escape(one.path.name)}: {escape(one.damage or '')}"
        out.print(text, soft_wrap=True)
    for one in found:
        if one.nonfinite:
            names = ", ".join(map(printable, one.nonfinite[:5]))
            beyond = f" and {len(one.nonfinite) - 5} more" if len(one.nonfinite) > 5 else ""
            text = f"{one.path.name}: NaN or infinity in {names}{beyond}"
            out.print(f"[yellow]not finite:[/] {escape(text)}", soft_wrap=True)
    if good := [one for one in found if one.damage is None]:
        out.print(_leaf_table(good[-1]) if leaves else _summary(good[-1]), soft_wrap=True)
    return Exit.FAILED if damaged else Exit.DONE


def _checkpoint_table(found: list[CheckpointInfo], room: int) -> Table:
    made = table()
    made.add_column("step", justify="right", no_wrap=True)
    made.add_column("saved", no_wrap=True)
    made.add_column("size", justify="right", no_wrap=True)
    made.add_column("state", no_wrap=True)
    made.add_column("last metrics", overflow="fold")
    best_step = best(found)
    for one in found:
        saved, metrics = "", ""
        if one.manifest is not None:
            moment = time.localtime(one.manifest.saved)
            saved, metrics = time.strftime("%Y-%m-%d %H:%M:%S", moment), _metrics(one, room)
        good = "[green]good, best[/]" if one.step == best_step else "[green]good[/]"
        whole = "[yellow]not finite[/]" if one.nonfinite else good
        state = whole if one.damage is None else "[red]damaged[/]"
        made.add_row(f"{one.step:,}", saved, byte_size(one.size), state, escape(metrics))
    return made


def _metrics(one: CheckpointInfo, room: int) -> str:
    """The loss and the validation metrics, one a line where they do not fit in one."""
    assert one.manifest is not None
    metrics, validation = one.manifest.metrics, one.manifest.validation
    shown = {"loss": metrics["loss"]} if "loss" in metrics else {}
    shown |= {f"val {name}": value for name, value in validation.items() if name != "step"}
    texts = [f"{name} {number(value)}" for name, value in shown.items()]
    line = "  ".join(texts)
    return line if len(line) <= room else "\n".join(texts)


def _summary(one: CheckpointInfo) -> str:
    assert one.manifest is not None
    leaves = one.manifest.leaves
    params = [leaf for name, leaf in leaves.items() if parameter_name(name) is not None]
    return (
        f"step {one.step:,}: {len(leaves)} arrays, of which {len(params)} are "
        f"parameters ({byte_size(sum(map(leaf_bytes, params)))}); --leaves lists them"
    )


def _leaf_table(one: CheckpointInfo) -> Table:
    assert one.manifest is not None
    made = table(f"step {one.step:,}")
    made.add_column("leaf", overflow="fold")
    made.add_column("form", no_wrap=True)
    made.add_column("size", justify="right", no_wrap=True)
    for name, leaf in one.manifest.leaves.items():
        made.add_row(escape(name), escape(leaf.form), byte_size(leaf_bytes(leaf)))
    return made


def _described(one: CheckpointInfo) -> dict[str, Any]:
    described: dict[str, Any] = {
        "path": str(one.path), "step": one.step, "bytes": one.size, "damage": one.damage,
        "nonfinite": list(one.nonfinite),
    }  # fmt: skip
    if one.manifest is not None:
        names = ("saved", "score", "metrics", "validation", "identity", "versions")
        described |= {name: getattr(one.manifest, name) for name in names}
        described["leaves"] = {name: leaf.form for name, leaf in one.manifest.leaves.items()}
    return described
