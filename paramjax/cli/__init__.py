"""The `paramjax` command, one file a subcommand."""

from paramjax.cli._main import main
from paramjax.cli._script import Script, compare_figures, start_script

__all__ = ["Script", "compare_figures", "main", "start_script"]
