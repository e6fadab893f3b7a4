"""`paramjax inspect`: what lies in the folder of a run, and whether it is as it was written."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich import box
from rich.markup import escape
from rich.table import Table

from paramjax._format import byte_size, number

if TYPE_CHECKING:
    from paramjax.checkpoints._inspect import CheckpointInfo

DAMAGED = 1
"""Exit code where a checkpoint is not as it was written."""

_OTHER_COLUMNS = 58
"""What the table takes beside the metrics, for steps of up to seven digits."""


def inspect(
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(name="DIR")],
    leaves: bool = False,
    json: bool = False,
) -> int:
    """List the checkpoints of a run, and check every bit of them.

    A run that is saving in the folder meanwhile is not disturbed.

    Args:
        folder: The checkpoint_dir of a run, or one checkpoint in it.
        leaves: List the arrays of the newest good checkpoint, too: name, shape, dtype, size.
        json: Print JSON for a machine to read, leaves included; null is what is not finite.

    Returns:
        Exit code: 0; 1 if a checkpoint is damaged; 2 if there is none.
    """
    from paramjax.checkpoints._inspect import kept, look
    from paramjax.cli._terminal import console, fail

    try:
        seen = look(folder)
    except (ValueError, OSError) as error:
        return fail(str(error))
    if json:
        _print_json(seen)
    else:
        out = console()
        out.print(_table(seen, out.width - _OTHER_COLUMNS))
        if (keep := kept(folder)) is not None:
            out.print(f"kept: the last {keep['last']}, and the best {keep['best']} besides")
        for one in seen:
            if one.damage is not None:
                text = f"[red]damaged:[/] {escape(one.path.name)}: {escape(one.damage)}"
                out.print(text, soft_wrap=True)
        good = [one for one in seen if one.damage is None]
        if good and leaves:
            out.print(_leaves(good[-1]))
        elif good:
            out.print(_summary(good[-1]), soft_wrap=True)
    return DAMAGED if any(one.damage is not None for one in seen) else 0


def _table(seen: list[CheckpointInfo], room: int) -> Table:
    from paramjax.checkpoints._inspect import best

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("saved", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("last metrics", overflow="fold")
    chosen = best(seen)
    for one in seen:
        saved, metrics = "", ""
        if one.manifest is not None:
            moment = time.localtime(one.manifest.saved)
            saved, metrics = time.strftime("%Y-%m-%d %H:%M:%S", moment), _metrics(one, room)
        good = "[green]good, best[/]" if one.step == chosen else "[green]good[/]"
        state = good if one.damage is None else "[red]damaged[/]"
        table.add_row(f"{one.step:,}", saved, byte_size(one.size), state, escape(metrics))
    return table


def _metrics(one: CheckpointInfo, room: int) -> str:
    """The loss first, then what was validated; one a line where they do not fit in one."""
    assert one.manifest is not None
    shown = {"loss": one.manifest.metrics["loss"]} if "loss" in one.manifest.metrics else {}
    validated = one.manifest.validation
    shown |= {f"val {name}": value for name, value in validated.items() if name != "step"}
    texts = [f"{name} {number(value)}" for name, value in shown.items()]
    line = "  ".join(texts)
    return line if len(line) <= room else "\n".join(texts)


def _summary(one: CheckpointInfo) -> str:
    assert one.manifest is not None
    from paramjax.checkpoints._inspect import leaf_bytes, parameter_name

    leaves = one.manifest.leaves
    own = [leaf for name, leaf in leaves.items() if parameter_name(name) is not None]
    whole = sum(map(leaf_bytes, own))
    return (
        f"step {one.step:,}: {len(leaves)} arrays, of which {len(own)} are "
        f"parameters ({byte_size(whole)}); --leaves lists them"
    )


def _leaves(one: CheckpointInfo) -> Table:
    assert one.manifest is not None
    from paramjax.checkpoints._inspect import leaf_bytes

    table = Table(
        title=f"step {one.step:,}", title_style="", title_justify="left", box=box.SIMPLE_HEAD,
        pad_edge=False,
    )  # fmt: skip
    table.add_column("leaf", overflow="fold")
    table.add_column("form", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for name, leaf in one.manifest.leaves.items():
        table.add_row(escape(name), escape(leaf.form), byte_size(leaf_bytes(leaf)))
    return table


def _print_json(seen: list[CheckpointInfo]) -> None:
    def described(one: CheckpointInfo) -> dict[str, Any]:
        found: dict[str, Any] = {
            "path": str(one.path), "step": one.step, "bytes": one.size, "damage": one.damage,
        }  # fmt: skip
        if one.manifest is not None:
            kept = ("saved", "score", "metrics", "validation", "identity", "versions")
            found |= {name: getattr(one.manifest, name) for name in kept}
            found["leaves"] = {name: leaf.form for name, leaf in one.manifest.leaves.items()}
        return found

    print(json.dumps(_finite([described(one) for one in seen]), indent=1, allow_nan=False))


def _finite(value: Any) -> Any:
    """The same with null for numbers that are not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
