"""The `paramjax` command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from paramjax._threads import leave_if_busy
from paramjax._version import versions
from paramjax.cli._bench import bench
from paramjax.cli._calibrate import calibrate
from paramjax.cli._estimate import estimate
from paramjax.cli._example import example
from paramjax.cli._export import export
from paramjax.cli._inspect import inspect
from paramjax.cli._list import list_
from paramjax.cli._measure import measure
from paramjax.cli._report import report
from paramjax.cli._terminal import Exit, fail
from paramjax.cli._verify import verify

_COMMANDS: dict[str, Callable[..., Any]] = {
    "bench": bench,
    "report": report,
    "calibrate": calibrate,
    "list": list_,
    "estimate": estimate,
    "example": example,
    "inspect": inspect,
    "export": export,
    "measure": measure,
    "verify": verify,
}
_EXTRA = {"sklearn", "jinja2", "markupsafe", "plotly", "matplotlib"}
_GONE = {
    "--seeds": "bench: there is no --seeds any more, because more seeds of one chosen trial say "
    "nothing about the choice: take --replicates for whole searches, --report-seeds for trainings "
    "of the trial that each of them chose",
}


def main(args: Sequence[str] | None = None) -> None:
    """Run a subcommand and exit with its code.

    Args:
        args: The words after `paramjax`; those of the process by default.

    Raises:
        SystemExit: Always, after `--version` too: 0 all went well, 1 a check failed, 2 bad input,
            3 an optimizer was left out, 130 interrupted, 141 nobody read the output to its end,
            143 ended by SIGTERM.
    """
    words = sys.argv[1:] if args is None else args
    if list(words) == ["--version"]:
        print(_version())
        sys.exit(Exit.DONE)
    for gone in {word.partition("=")[0] for word in words[1:]} & set(_GONE):
        if words[0] == "bench":
            sys.exit(fail(_GONE[gone]))
    try:
        code: Any = tyro.extras.subcommand_cli_from_dict(
            _COMMANDS,
            prog="paramjax",
            description="Functional optimisation on JAX: compare optimizers, fit, keep runs.",
            args=args,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the output has read enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.CLOSED
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except ModuleNotFoundError as error:
        if "pip install" in str(error):
            code = fail(error)
        elif error.name in _EXTRA:
            code = fail(f'{error.name} is missing: pip install "paramjax[bench]"')
        else:
            raise
    if code in (Exit.INTERRUPTED, Exit.TERMINATED):
        leave_if_busy(code)
    sys.exit(code)


def _version() -> str:
    """Versions and devices, in the line that a report of a fault needs."""
    import jax

    kinds = [device.device_kind for device in jax.devices()]
    devices = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
    found = versions()
    return (
        f"paramjax {found['paramjax']}, jax {found['jax']}, Python {found['python']}, "
        f"{jax.default_backend()} ({devices})"
    )
