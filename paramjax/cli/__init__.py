"""The `paramjax` command, one file a subcommand."""

from paramjax.cli._main import main

__all__ = ["main"]
