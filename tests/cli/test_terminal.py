"""What the command prints: versions, and names that command no terminal."""

import re

import jax
import pytest

import paramjax as pj
from paramjax.cli._main import main
from paramjax.cli._terminal import console, fail, table, warn

HOSTILE = "\x1b[2Jname\x07\x1b]0;title\x07\u202e"


def test_version_names_what_computes(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    line = capsys.readouterr().out
    assert line.startswith(f"paramjax {pj.__version__}, jax {jax.__version__}, Python 3.")
    assert jax.default_backend() in line
    assert line.count("\n") == 1


def test_names_command_no_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    fail(f"file {HOSTILE}\nsecond line")
    warn(HOSTILE)
    made = table("title")
    made.add_column("head")
    made.add_row(HOSTILE)
    console().print(made)
    out, err = capsys.readouterr()
    styles = re.compile(r"\x1b\[[0-9;]*m")  # rich's own
    for text in (out, err):
        plain = styles.sub("", text)
        assert "\\x1b[2Jname" in plain
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", plain)
    assert "\nsecond line" in err


def test_the_progress_line_is_plain(capsys):
    from paramjax.runs._progress import Progress

    with Progress(2, shown=True) as progress:
        progress.update(2, {HOSTILE: 0.5})
    assert "\x1b" not in capsys.readouterr().err
