"""Drawn in a real pseudo-terminal, and read back as its screen."""

import fcntl
import io
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

from paramjax.runs._display import fitting
from paramjax.runs._progress import Progress

CHILD = textwrap.dedent("""
    import sys, time, warnings
    from paramjax.runs._progress import Progress

    with Progress(12345) as bar:
        for step in range(1, 11):
            bar.update(step * 1234, 1 / step, {"loss": 2 / step} if step > 3 else {})
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
    return [line for line in lines if line], cursor


def set_size(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


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
    """The seconds that the run sees."""
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


@pytest.mark.parametrize(("columns", "ending"), [(80, ""), (50, "error"), (120, "interrupt")])
def test_in_a_terminal_one_tidy_line_is_left_however_the_run_ends(columns, ending):
    master, slave = pty.openpty()
    set_size(slave, columns)
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
    (last,) = [number for number, line in enumerate(lines) if "12,345  loss" in line]
    assert "UserWarning: the middle is" in lines[0]
    assert lines[last - 1] == "printed by the user"
    done, loss, validation = (8, "0.1250", "0.2500") if ending else (10, "0.1000", "0.2000")
    text = f"{done * 1234:,}/12,345  loss {loss}  val loss {validation}"
    assert text in lines[last]
    if columns > 50:
        assert re.search(r"━+.*  \d[\d,]* steps/s  took 0:0\d$", lines[last])
    after = " ".join(lines[last + 1 :])
    assert {"": not after, "error": "RuntimeError: broken" in after}.get(
        ending, "KeyboardInterrupt: broken" in after
    )


def test_it_is_quiet_where_there_is_no_terminal(open_pipe):
    pipe = open_pipe()
    with Progress(10) as bar:
        bar.update(10, 0.5, {})
        assert sys.stderr is pipe
    assert pipe.getvalue() == ""


@pytest.mark.parametrize("shown", [False, None, True])
def test_of_several_processes_only_the_first_shows_it(shown, open_terminal, monkeypatch):
    terminal = open_terminal()
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with Progress(10, shown) as bar:
        bar.update(10, 0.5, {})
    assert terminal.output() == ""


def test_false_is_quiet_in_a_terminal_too(open_terminal):
    terminal = open_terminal()
    with Progress(10, False) as bar:
        bar.update(10, 0.5, {})
    assert terminal.output() == ""


def test_in_a_file_there_is_a_plain_line_every_ten_seconds(open_pipe, clock):
    """Resumed at step 1,000, ten steps a second from the first update on."""
    pipe = open_pipe()
    with Progress(4000, True, start=1000) as bar:
        clock[0] += 4.0  # the compilation is not part of the pace
        for step in range(1000, 1260):
            bar.update(step, 2.0, {"accuracy": 0.5} if step > 1100 else {})
            clock[0] += 0.1
    assert pipe.getvalue().splitlines() == [
        "1,060/4,000  loss 2.000  10 steps/s  4:54 left",
        "1,160/4,000  loss 2.000  val accuracy 0.5000  10 steps/s  4:44 left",
        "1,259/4,000  loss 2.000  val accuracy 0.5000  9.96 steps/s  took 0:30",
    ]


def test_a_run_that_goes_back_has_a_pace_of_its_own_again(open_pipe, clock):
    pipe = open_pipe()
    with Progress(100, True) as bar:
        for step, seconds in ((80, 0), (90, 10), (20, 10), (40, 10)):
            clock[0] += seconds
            bar.update(step, 1.0, {})
    assert pipe.getvalue().splitlines() == [
        "90/100  loss 1.000  1 steps/s  0:10 left",
        "20/100  loss 1.000",
        "40/100  loss 1.000  2 steps/s  0:30 left",
        "40/100  loss 1.000  took 0:30",
    ]


@pytest.mark.parametrize(
    ("rate", "left"), [(1.0, "2 d 03:46 left"), (10.0, "5:10:40 left"), (200.0, "15:32 left")]
)
def test_long_times_have_hours_and_days(rate, left, open_pipe, clock):
    pipe = open_pipe()
    steps = int(10 * rate)
    with Progress(186400 + steps, True) as bar:
        bar.update(0, 1.0, {})
        clock[0] += 10.0
        bar.update(steps, 1.0, {})
    assert pipe.getvalue().splitlines()[0].endswith(left)


def test_it_is_drawn_ten_times_a_second_at_most_and_by_no_thread(open_terminal, clock):
    terminal = open_terminal()
    threads = threading.active_count()
    with Progress(3000, True) as bar:
        for step in range(1, 3001):
            bar.update(step, 1.0, {})
            clock[0] += 0.001
        assert threading.active_count() == threads
    draws = terminal.output().count("loss 1.000")
    assert 25 <= draws <= 30 + 2  # and twice at the end


def test_an_update_that_draws_nothing_costs_next_to_nothing(open_terminal, clock):
    open_terminal()
    with Progress(10**6) as bar:
        bar.update(1, 1.0, {})
        before = time.perf_counter()
        for step in range(10_000):
            bar.update(step, 1.0, {"loss": 1.0})
        assert (time.perf_counter() - before) / 10_000 < 20e-6


def test_without_a_step_nothing_is_left(open_terminal):
    terminal = open_terminal()
    with pytest.raises(ValueError, match="before the first"), Progress(10) as bar:
        raise ValueError("before the first step")
    assert bar is not None
    assert sys.stderr is terminal.stream
    assert "0/10  compiling" in terminal.output()
    assert terminal.lines() == []


def test_warnings_go_above_the_bar_and_standard_output_stays_where_it_was(open_terminal, capfd):
    terminal = open_terminal()
    with Progress(10) as bar:
        bar.update(5, 0.5, {})
        print("UserWarning: look here", file=sys.stderr)  # a real one is in the test above
        print("into a file")
        bar.update(10, float("nan"), {"a [bold]": float("inf")})
    lines = terminal.lines()
    assert "UserWarning: look here" in " ".join(lines[:-1])
    assert "10/10  loss nan  val a [bold] inf" in lines[-1]
    assert capfd.readouterr().out == "into a file\n"


@pytest.mark.parametrize("how", ["hung up", "broken"])
def test_a_terminal_that_goes_away_does_not_end_the_run(how, monkeypatch, clock):
    master, slave = pty.openpty()
    stream = os.fdopen(slave, "w")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(100) as bar:
        assert sys.stderr is not stream
        bar.update(1, 1.0, {})
        os.read(master, 1000)
        os.close(master)
        if how == "broken":
            pipe = broken_pipe()
            os.dup2(pipe, stream.fileno())
            os.close(pipe)
        for step in range(2, 100):
            clock[0] += 1.0
            bar.update(step, 1.0, {})
    assert sys.stderr is stream
    with pytest.raises(OSError, match="Input/output error|Broken pipe"):
        stream.close()


def test_a_pipe_that_breaks_does_not_end_the_run(monkeypatch, clock):
    stream = os.fdopen(broken_pipe(), "w")
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress(100, True) as bar:
        for step in range(1, 100):
            clock[0] += 10.0
            bar.update(step, 1.0, {})
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
        with Progress(10, shown) as bar:
            bar.update(3, 0.5, {})
    assert terminal.output().splitlines() == ["3/10  loss 0.5000  took 0:00"]


def test_a_notebook_without_widgets_is_no_place_for_a_bar(open_terminal, monkeypatch):
    terminal = open_terminal()
    shell = type("ZMQInteractiveShell", (), {})()
    notebook = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Progress(10) as bar:
        bar.update(3, 0.5, {})
    assert terminal.output() == ""


def test_rich_is_imported_only_where_there_is_a_bar():
    code = (
        "import sys; from paramjax.runs._progress import Progress\n"
        "for shown in (None, False, True):\n"
        "    with Progress(2, shown) as bar: bar.update(2, 0.5, {})\n"
        "print('rich.live' in sys.modules, 'rich.console' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False False\n"
    assert done.stderr == "2/2  loss 0.5000  took 0:00\n"


def test_fields_of_high_rank_leave_first():
    fields = [("10/20", 0), ("loss 1.000", 1), ("val loss 2.000", 2), ("9 steps/s", 4),
              ("0:01 left", 3)]  # fmt: skip
    fields = [types.SimpleNamespace(text=text, rank=rank) for text, rank in fields]
    assert fitting(fields, 70) == ("10/20  loss 1.000  val loss 2.000  9 steps/s  0:01 left", 13)
    assert fitting(fields, 54) == ("10/20  loss 1.000  val loss 2.000  0:01 left", 8)
    assert fitting(fields, 35) == ("10/20  loss 1.000  val loss 2.000", 0)
    assert fitting(fields, 3) == ("10/20", 0)


def test_what_is_neither_true_nor_false_is_refused():
    with pytest.raises(TypeError, match="progress: expected True, False or None, got str 'yes'"):
        Progress(10, "yes")
