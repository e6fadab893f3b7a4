"""The `paramjax` command, one file a subcommand."""

from paramjax.cli._main import main
from paramjax.cli._script import Script, start_script

__all__ = ["Script", "main", "start_script"]
