"""`paramjax example`: one script by name, or all of them, each in a process of its own."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from paramjax.cli import _all_examples, _example
from paramjax.cli._example import example
from paramjax.cli._scripts import find_programs, own_options, rows

START = '''"""{doc}

{row}
"""
import json, os, pathlib, signal, sys, time

def result(figures, **more):
    out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1]) / pathlib.Path(__file__).stem
    (out / "result.json").write_text(json.dumps({{"figures": figures, **more}}))
    print(sys.argv[1:])

'''
FITS = 'result({"a": 1.0, "b": 2.0}, off=[])'
OFF = 'result({"a": 1.0, "b": 2.0}, off=["a: 1, expected 2 within 0.1"])\nsys.exit(1)'
RAISES = 'raise ValueError("[red]boom[/]")'
INTERRUPTS = "os.kill(os.getppid(), signal.SIGINT)\ntime.sleep(60)"


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Scripts that train nothing in place of the examples, by name."""
    folder = tmp_path / "scripts"
    folder.mkdir()

    def install(**bodies):
        programs = {}
        for number, (name, body) in enumerate(bodies.items(), 1):
            head = START.format(doc=f"The {name} one.", row=f"Rows {number} and 32 of the brief.")
            programs[name] = folder / f"{name}.py"
            programs[name].write_text(head + body)
        monkeypatch.setattr(_example, "find_programs", lambda: programs)
        return tmp_path / "out"

    return install


def lines_of(printed):
    """The lines of the table that follow its rule, by name."""
    after = printed.partition("───")[2].splitlines()[1:]
    return {line.split()[0]: " ".join(line.split()[1:]) for line in after if line.strip()}


def test_all_run_one_after_another_and_a_table_says_how_they_ended(fakes, capsys):
    out = fakes(fits=FITS, off=OFF, boom=RAISES, silent="sys.exit(3)", killed="os.abort()")
    assert example(all_=True, check=True, out=out) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("fits: figures 2 ok, ")
    table = lines_of(printed)
    assert re.fullmatch(r"1, 32 \d+\.\d 2 ok", table["fits"])
    assert re.fullmatch(r"2, 32 .* 1 ok, 1 off a: 1, expected 2 within 0\.1", table["off"])
    assert table["boom"].endswith("- ValueError: [red]boom[/]")
    assert table["silent"].endswith("- exit code 3")
    assert table["killed"].endswith("- ended by SIGABRT")
    assert "5 examples in" in printed
    assert "4 failed" in printed
    assert "Traceback" in (out / "boom" / "output.txt").read_text()


def test_an_earlier_result_is_not_taken_for_this_one(fakes, capsys):
    out = fakes(one=FITS)
    assert example(all_=True, check=True, out=out) == 0
    fakes(one="pass")
    assert example(all_=True, check=True, out=out) == 1
    assert "it wrote no result.json" in capsys.readouterr().out


def test_arguments_reach_each_script_and_data_those_that_take_it(fakes, capsys, tmp_path):
    takes = FITS + "\nif False:\n    start_script(__file__, __doc__, data='', epochs=3)"
    out = fakes(plain=FITS, reader=takes)
    assert example(all_=True, key=7, data=tmp_path, out=out) == 0
    plain = (out / "plain" / "output.txt").read_text()
    assert plain == str(["--out", str(out), "--key", "7"]) + "\n"
    reader = (out / "reader" / "output.txt").read_text()
    assert reader == str(["--out", str(out), "--key", "7", "--data", str(tmp_path)]) + "\n"


def test_ctrl_c_ends_the_script_that_runs_and_shows_those_that_ran(fakes, capsys):
    out = fakes(first=FITS, second=INTERRUPTS, third=FITS)
    assert example(all_=True, out=out) == 130
    captured = capsys.readouterr()
    shown = set(lines_of(captured.out))
    assert {"first", "1"} <= shown  # and the sum
    assert not {"second", "third"} & shown
    assert "interrupted; 1 of 3 examples had run" in captured.err
    assert not (out / "third").exists()


@pytest.mark.parametrize("width", [60, 80])
def test_a_terminal_shows_a_bar_that_fits(fakes, monkeypatch, width):
    out, stream = fakes(a_rather_long_name_of_one=FITS, two=OFF), io.StringIO()
    terminal = Console(file=stream, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(_all_examples, "console", lambda: terminal)
    assert example(all_=True, out=out) == 1
    text = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", stream.getvalue().replace("\r", "\n"))
    bars = [line for line in text.split("\n") if line.startswith("examples")]
    assert any("1/2" in line for line in bars)
    assert {len(line) for line in bars} == {width}
    table = text.partition("\n example ")[2].partition("examples in")[0]
    assert "two" in table
    assert max(map(len, table.split("\n"))) <= width


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "xor", "all_": True}, "expected a name or --all, got 'xor' and --all"),
        ({"all_": True, "epochs": 3}, "--epochs: expected the name of one example"),
        ({"all_": True, "key": -1}, "expected an integer from 0 to 2**32 - 1"),
        ({"name": "xor", "key": 2**32}, "expected an integer from 0 to 2**32 - 1"),
        ({"all_": True, "data": "no such folder"}, "--data: expected a folder, got 'no such"),
        ({"name": "xorr"}, "unknown example 'xorr'; nearest: xor"),
        ({}, "expected a name or --all; paramjax example --list"),
        ({"name": "cnn", "epochs": 0}, "epochs: expected a whole number from 1"),
        ({"name": "xor", "epochs": 3}, "unrecognized arguments: --epochs 3"),
        ({"name": "xor", "key": 1, "check": True}, "for key 1; recorded are: key 0"),
    ],
)
def test_what_cannot_be_done_is_refused(words, message, tmp_path, capsys):
    words = {"out": tmp_path, **words}
    words["data"] = Path(words["data"]) if "data" in words else None
    assert example(**words) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_of_results_that_is_a_file_is_refused(fakes, tmp_path, capsys):
    fakes(one=FITS)
    (tmp_path / "file").write_text("")
    assert example(all_=True, out=tmp_path / "file") == 2
    assert "Not a directory" in capsys.readouterr().err


def test_list_describes_and_names_names(capsys):
    assert example(list_=True) == 0
    assert re.search(r"^xor +XOR by a 2-4-1 sigmoid network", capsys.readouterr().out, re.M)
    assert example(names=True) == 0
    assert capsys.readouterr().out.split() == sorted(find_programs())


def test_rows_and_options_are_read_without_running(tmp_path):
    file = tmp_path / "one.py"
    file.write_text(
        '"""One.\n\nRows 3, 12 and 31 of the brief.\n"""\nstart_script(a, b, data="", needs={})'
    )
    assert rows(file) == [3, 12, 31]
    assert own_options(file) == {"data"}
    file.write_text("x = 1")
    assert rows(file) == []
    assert own_options(file) == set()


def test_the_command_has_it_in_its_help(paramjax):
    ended = paramjax("example", "--help")
    assert "--all" in ended.out
    assert "Run every example" in ended.out
