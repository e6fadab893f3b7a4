# `Progress` itself is tested, because the moments of its updates have to be known.
import fcntl
import io
import itertools
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import time
import types

import jax
import pytest

from paramjax.runs._progress import Progress

CHILD = textwrap.dedent("""
    import sys, time, warnings
    from paramjax.runs._progress import Progress

    with Progress(12345) as progress:
        for step in range(1, 11):
            validation = {"val loss": 2 / step} if step > 3 else {}
            progress.update(step * 1234, {"loss": 1 / step, **validation})
            if step == 5:
                warnings.warn("the middle is reached")
                print("printed by the user")
            if step == 8 and sys.argv[1]:
                raise {"error": RuntimeError, "interrupt": KeyboardInterrupt}[sys.argv[1]]("broken")
            time.sleep(0.06)
""")


def screen(output):
    """The lines that a terminal shows in the end, and whether its cursor is there.

    Knows what rich needs for one line: line feed, carriage return, cursor up, erase the line.
    """
    lines, row, column, cursor = [""], 0, 0, True
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", output, flags=re.DOTALL):
        if token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token == "\r":
            column = 0
        elif len(token) == 1:
            lines[row] = lines[row].ljust(column)[:column] + token + lines[row][column + 1 :]
            column += 1
        elif token.endswith("A"):
            row -= int(token[2:-1])
        elif token == "\x1b[2K":
            lines[row] = ""
        elif token in ("\x1b[?25h", "\x1b[?25l"):
            cursor = token.endswith("h")
        else:
            assert token.endswith("m"), repr(token)
    return [line.rstrip() for line in lines if line.strip()], cursor


def read_all(terminal, chunks):
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return
        if not chunk:
            return
        chunks.append(chunk)


class Terminal:
    """A pseudo-terminal of 80 columns as this process's standard error."""

    def __init__(self, monkeypatch):
        self.master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "w", encoding="utf-8")
        self._chunks = []
        self._reader = threading.Thread(target=read_all, args=(self.master, self._chunks))
        self._reader.start()
        for name, value in (("COLUMNS", "80"), ("TERM", "xterm-256color")):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stderr", self.stream)

    def output(self):
        if not self.stream.closed:
            self.stream.close()
        self._reader.join()
        return b"".join(self._chunks).decode()

    def lines(self):
        lines, cursor = screen(self.output())
        assert cursor
        return lines


@pytest.fixture
def open_terminal(monkeypatch):
    """To be called in the test: pytest has a standard error of its own for it."""
    made = []

    def call():
        made.append(Terminal(monkeypatch))
        return made[0]

    yield call
    made[0].output()
    os.close(made[0].master)


@pytest.fixture
def clock(monkeypatch):
    """The seconds that the progress sees."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def open_pipe(monkeypatch):
    def call():
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return call


@pytest.mark.parametrize(
    ("columns", "ending"),
    [(80, ""), pytest.param(50, "error", marks=pytest.mark.slow), (120, "interrupt")],
)
def test_in_a_terminal_one_tidy_line_is_left_however_the_run_ends(columns, ending):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    chunks = []
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, ending], stdin=slave, stdout=slave, stderr=slave,
        env=environment | {"TERM": "xterm-256color"},
    ):  # fmt: skip
        os.close(slave)
        read_all(master, chunks)
    os.close(master)
    lines, cursor = screen(b"".join(chunks).decode())
    assert cursor
    assert max(map(len, lines)) <= columns
    (last,) = [number for number, line in enumerate(lines) if "/12345 loss" in line]
    assert "UserWarning: the middle is" in lines[0]
    assert lines[last - 1] == "printed by the user"
    done, loss, validation = (8, "0.1250", "0.2500") if ending else (10, "0.1000", "0.2000")
    assert f"{done * 1234}/12345 loss {loss}  val loss {validation}" in lines[last]
    if columns > 80:
        assert re.search(r"━+ .* \d[\d,]*/s 0:00:0\d in all$", lines[last])
    after = " ".join(lines[last + 1 :])
    assert {"": "", "error": "RuntimeError: broken", "interrupt": "KeyboardInterrupt: broken"}[
        ending
    ] in after
    assert bool(after) == bool(ending)


@pytest.mark.parametrize(("shown", "process"), [(False, 0), (None, 1), (True, 1)])
def test_it_is_quiet_if_unwanted_and_in_all_processes_but_one(
    shown, process, open_terminal, monkeypatch
):
    terminal = open_terminal()
    monkeypatch.setattr(jax, "process_index", lambda: process)
    with Progress(10, shown) as progress:
        progress.update(10, {"loss": 0.5})
    assert terminal.output() == ""


def test_it_is_quiet_where_there_is_no_terminal(open_pipe):
    pipe = open_pipe()
    with Progress(10) as progress:
        progress.update(10, {"loss": 0.5})
        assert sys.stderr is pipe
    assert pipe.getvalue() == ""


def test_in_a_file_there_is_a_plain_line_every_ten_seconds(open_pipe, clock):
    """Resumed at step 1,000, eight steps a second from the first update on."""
    pipe = open_pipe()
    with Progress(4000, True, start=1000) as progress:
        clock[0] += 4.0  # the compilation is no part of the speed
        for step in range(1001, 1209):
            validation = {"val accuracy": 0.5} if step > 1100 else {}
            progress.update(step, {"loss": 2.0, **validation, "runs": "3/4"})
            clock[0] += 0.125
    assert pipe.getvalue().splitlines() == [
        "1049/4000 loss 2.000  runs 3/4 8/s 06:09 left",
        "1129/4000 loss 2.000  val accuracy 0.5000  runs 3/4 8/s 05:59 left",
        "1208/4000 loss 2.000  val accuracy 0.5000  runs 3/4 8/s 0:00:30 in all",
    ]


def test_a_run_that_goes_back_and_a_total_that_changes_are_followed(open_pipe, clock):
    pipe = open_pipe()
    with Progress(100, True) as progress:
        for step, total in ((80, None), (90, None), (20, None), (40, 60)):
            clock[0] += 10
            progress.update(step, {"loss": 1.0}, total)
    lines = pipe.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["80/100", "90/100", "20/100", "40/60", "40/60"]


def test_an_update_costs_next_to_nothing(open_terminal):
    open_terminal()
    with Progress(10**6) as progress:
        progress.update(1, {"loss": 1.0})
        before = time.thread_time()
        for step in range(10_000):
            progress.update(step, {"loss": 1.0, "val loss": 1.0})
        assert (time.thread_time() - before) / 10_000 < 100e-6


def test_without_a_step_nothing_is_left(open_terminal):
    terminal = open_terminal()
    with pytest.raises(ValueError, match="before the first"), Progress(10) as progress:
        raise ValueError("before the first step")
    assert progress is not None
    assert sys.stderr is terminal.stream
    assert "compiling" in terminal.output()
    assert terminal.lines() == []


def test_warnings_go_above_the_bar_and_standard_output_stays_where_it_was(open_terminal, capfd):
    terminal = open_terminal()
    with Progress(10) as progress:
        progress.update(5, {"loss": 0.5})
        print("UserWarning: look here", file=sys.stderr)
        print("into a file")
        progress.update(10, {"loss": float("nan"), "val a [bold]": float("inf")})
        print("a line without an end", end="", file=sys.stderr)
    *above, last = terminal.lines()
    assert above == ["UserWarning: look here", "a line without an end"]
    assert "10/10 loss nan  val a [bold] inf" in last
    assert capfd.readouterr().out == "into a file\n"


@pytest.mark.parametrize("how", ["hung up", "broken"])
def test_a_terminal_that_goes_away_does_not_end_the_run(how, monkeypatch):
    master, slave = pty.openpty()
    stream = os.fdopen(slave, "w")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(100) as progress:
        assert sys.stderr is not stream
        progress.update(1, {"loss": 1.0})
        os.read(master, 1000)
        os.close(master)
        if how == "broken":
            pipe = broken_pipe()
            os.dup2(pipe, stream.fileno())
            os.close(pipe)
        for step in range(2, 100):
            progress.update(step, {"loss": 1.0})
            time.sleep(0.003)  # it is drawn ten times a second
    assert sys.stderr is stream
    with pytest.raises(OSError, match="Input/output error|Broken pipe"):
        stream.close()


def test_a_pipe_that_breaks_does_not_end_the_run(monkeypatch, clock):
    stream = os.fdopen(broken_pipe(), "w")
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(100, True) as progress:
        for step in range(1, 100):
            clock[0] += 10.0
            progress.update(step, {"loss": 1.0})
    with pytest.raises(BrokenPipeError):  # what it could not write is still in its buffer
        stream.close()


def broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_dumb_terminal_gets_plain_lines_if_asked(open_terminal, monkeypatch):
    terminal = open_terminal()
    monkeypatch.setenv("TERM", "dumb")
    for shown in (None, True):
        with Progress(10, shown) as progress:
            progress.update(3, {"loss": 0.5})
    assert terminal.output().splitlines() == ["3/10 loss 0.5000 0:00:00 in all"]


def test_a_notebook_without_widgets_writes_its_line_again(monkeypatch, capsys):
    shell = type("ZMQInteractiveShell", (), {})()
    notebook = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("paramjax.runs._progress._REDRAW_SECONDS", 0.0)
    with Progress(10) as progress:
        progress.update(3, {"loss": 0.512345})
        progress.update(10, {"loss": 0.5})
    assert capsys.readouterr().out == ""
    with Progress(10, shown=False) as progress:
        progress.update(3, {"loss": 0.5})
    assert capsys.readouterr().err == ""


def test_the_line_of_a_notebook_leaves_nothing_of_the_one_before(monkeypatch, capsys):
    monkeypatch.setattr("paramjax.runs._progress._is_notebook", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("paramjax.runs._progress._REDRAW_SECONDS", 0.0)
    with Progress(10) as progress:
        progress.update(3, {"loss": 0.512345, "runs": "1/2"})
        progress.update(10, {"loss": 0.5})
    first, *drawn = capsys.readouterr().err.split("\r")
    assert first == ""
    assert "3/10" in drawn[0]
    assert "loss 0.5123" in drawn[0]
    assert "10/10" in drawn[-1]
    assert drawn[-1].endswith("\n")
    assert "\x1b" not in "".join(drawn)
    assert all(len(new) >= len(old) for old, new in itertools.pairwise(drawn[:2]))


@pytest.mark.slow
def test_rich_is_imported_only_where_something_is_shown():
    code = (
        "import sys; from paramjax.runs._progress import Progress\n"
        "for shown in (None, False):\n"
        "    with Progress(2, shown) as progress: progress.update(2, {'loss': 0.5})\n"
        "print('rich.progress' in sys.modules, 'rich.console' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False False\n", "")


def test_what_is_neither_true_nor_false_is_refused():
    with pytest.raises(TypeError, match="progress: expected True, False or None, got str 'yes'"):
        Progress(10, "yes")
