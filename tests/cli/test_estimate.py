"""`paramjax estimate`: other people's tables, formulas, and what is said of what does not fit."""

import json
import re

import pytest

ROWS = [
    (10.07, 77.6), (14.73, 114.9), (17.94, 141.1), (23.93, 190.8), (29.61, 239.9), (35.18, 289.0),
    (40.02, 332.8), (44.82, 378.4), (50.76, 434.8), (55.05, 477.3), (61.01, 536.8), (66.40, 593.1),
    (75.47, 689.1), (81.78, 760.0),
]  # fmt: skip
"""Misra1a of NIST StRD; certified are 238.94212918 (2.7070075241) and 5.5015643181e-4."""

GERMAN = [
    "\ufeffVolumen (ml);Druck in Torr;Art;leer",
    *(f"{y};{x};rot;".replace(".", ",") for y, x in ROWS),
    "NA;3,5;blau;",
]
"""As a spreadsheet writes it in Germany, with a line that lacks a cell."""


@pytest.fixture
def fit(paramjax, tmp_path, monkeypatch):
    """Run the command on a table in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(lines, formula, *words, encoding="utf-8"):
        text = lines if isinstance(lines, str) else "\n".join(lines)
        (tmp_path / "my.table.csv").write_text(text, encoding=encoding)
        return paramjax("estimate", "my.table.csv", formula, *words)

    return run


@pytest.fixture
def small(fit):
    return lambda formula, *words: fit(
        "x,y,kind,time to go\n1,2,a,3\n2,0,b,4\n3,9,a,", formula, *words
    )


def test_a_table_of_a_german_spreadsheet_gives_the_certified_digits(fit, tmp_path):
    found = fit(
        GERMAN, "`Volumen (ml)` ~ b1*(1-exp[-b2*`Druck in Torr`])", "--start", "b1=500,b2=0.0001",
        "--drop-missing", "--profile",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert re.search(r"b1 +238\.942 +2\.707 +88\.268 +<1e-16 +233\.044 +244\.840\n", found.out)
    assert "1 of 15 rows left out, in which cells are missing: line 16 (Volumen (ml))" in found.out
    assert "a comma parts the decimals" in found.out
    assert "written to my.table-estimate: summary.txt, result.json, fit.png" in found.out
    assert max(map(len, found.out.splitlines()[:-1])) <= 80
    folder = tmp_path / "my.table-estimate"
    assert (folder / "summary.txt").read_text().strip() in found.out
    record = json.loads((folder / "result.json").read_text())
    b1 = record["parameters"]["b1"]
    assert b1["estimate"] == pytest.approx(2.3894212918e2, rel=1e-9)
    assert b1["stderr"] == pytest.approx(2.7070075241, rel=1e-6)
    assert record["sum_of_squares"] == pytest.approx(1.2455138894e-1, rel=1e-9)
    assert (record["rows"], record["outcome"]) == (14, "converged")
    profiled = record["profile"]["parameters"]["b1"]
    assert profiled["low"] < b1["estimate"] < profiled["high"]
    for name in ("fit", "residuals", "correlation", "profile"):
        assert (folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


def test_an_expression_on_the_left_what_is_held_and_the_bootstrap(fit, tmp_path):
    rows = (f"{t}\t{2.0 * 3.0**t * (1.01, 0.99)[t % 2]}\t1" for t in range(8))
    lines = ["# made by hand", "t\tn\tw", *rows]
    found = fit(
        lines, "log(n) ~ a + b*t", "--start", "b=1", "--fixed", f"a={0.6931471805599453}",
        "--weights", "w", "--bootstrap", "30", "--key", "3", "--starts", "3", "--out",
        tmp_path / "other",
    )  # fmt: skip
    assert found.code == 0, found.err
    record = json.loads((tmp_path / "other" / "result.json").read_text())
    assert record["parameters"]["b"]["estimate"] == pytest.approx(1.0986, abs=2e-3)  # log(3)
    assert list(record["parameters"]) == ["b"]
    assert record["fixed"]["a"] == pytest.approx(0.693147, abs=1e-6)
    assert "held fixed: a = 0.693147" in found.out
    assert "4 of 4 starts reach" in found.out
    assert "Bootstrap of 30 resamples" in found.out
    assert record["bootstrap"]["parameters"]["b"]["stderr"] < 0.01


@pytest.mark.parametrize(
    ("formula", "words", "message"),
    [
        ("y ~ b*x + c", "", r"neither a column .* start: c; .* as in --start c=1"),
        ("y ~ b*X", "", r"X \(did you mean x\?\); the columns are x, y, kind, `time to"),
        ("y ~ b*`time`", "", r"time \(did you mean `time to go`\?\)"),
        ("y ~ b*kind", "", r"line 2, column 'kind': .* 'a'; it is a column of categories.*a, b"),
        ("y ~ b*`time to go`", "", r"1 of 3 rows: line 4 \(time to go\); pass --drop"),
        ("log(y) ~ b*x", "", r"log\(y\) is -inf in 1 of 3 rows, first in line 3 where y = 0"),
        ("y ~ b/(x-1)", "", r"is inf at the start in 1 of 3 rows, .* line 2 where x = 1"),
        ("b*x", "", 'expected a response, as in "y ~ b.x"'),
        ("b ~ x", "", "b is a parameter; left of ~ stand columns"),
        ("z ~ b*x", "", "unknown column 'z'"),
        ("y ~ b*x", "--start x=1", "--start: x is a column"),
        ("y ~ b*x", "--start d=1", "--start: unknown name in the formula 'd'"),
        ("y ~ b*x", "--start b", "expected --start b1=1,b2=0.1, got 'b'"),
        ("y ~ b*x", "--start b=one", "expected a finite number for b, got 'one'"),
        ("y ~ b*x", "--start b=2", "--start: b comes twice"),
        ("y ~ b*x", "--fixed b=1", "b has a --start too"),
        ("y ~ b*x", "--bounds c=0:1", "--bounds: unknown parameter 'c'"),
        ("y ~ b*x", "--bounds b=3", "expected b=low:high"),
        ("y ~ b*x", "--bounds b=2:1", "low below high"),
        ("y ~ b*x", "--weights v", "--weights: .* unknown column 'v'"),
        ("y ~ b*x", "--weights x --sigma x", "--weights or --sigma, got both"),
        ("y ~ b*x", "--loss huber", "--loss: expected huber"),
        ("y ~ b*x", "--level 95", "level: expected a number in"),
        ("y ~ b*x; import os", "", "';' is not arithmetic"),
        ("y ~ b.real*x", "", "attributes are not allowed"),
    ],
)
def test_what_does_not_fit_is_named(small, tmp_path, formula, words, message):
    found = small(formula, "--start", "b=1", *words.split())
    assert found.code == 2, found.out
    assert re.search(message, found.err), found.err
    assert not (tmp_path / "my.table-estimate").exists()


def test_what_the_data_do_not_determine_is_written_with_exit_code_1(fit, tmp_path):
    found = fit("x,y\n1,2\n2,3\n3,5\n4,4\n", "y ~ a*x + b*x", "--start", "a=1,b=1")
    assert found.code == 1
    assert re.search(r"a +0\.6\d+ +NaN +NaN", found.out)
    record = json.loads((tmp_path / "my.table-estimate" / "result.json").read_text())
    assert record["outcome"] == "singular"
    assert record["parameters"]["a"]["stderr"] is None  # JSON has no NaN


def test_a_formula_without_parameters_is_refused(small):
    assert "expected a parameter to estimate" in small("y ~ x").err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got no lines"), ("x,y\n", "expected rows of numbers below"),
        ("x,y\n1,2\n1,2,3\n", "line 3: expected 2 cells"), ("x,y\n1,2 kg\n", "column 'y'.*'2 kg'"),
        ("x,y\n1,NA\n2,\n", "column 'y' has no numbers"),
        ("1,\n2,3\n3,4\n", "unknown column 'y' .known: c1, c2"),
        ("x,y,y\n1,2,3\n", "2 columns are called 'y'"),
        ('x,y\n1,"2\n', "not a table|expected"), ("x;y\n1,5;1.234,5\n", "'1.234,5'.*thousands"),
        ("x;y\n1,5;2,5\n1;1.234\n", "line 3, column 'y': .*'1.234'; take out the signs"),
        ("x,y\nkg,m\n1,2\n", "units, begin it with #"),
    ],
)  # fmt: skip
def test_tables_that_are_none(fit, text, message):
    found = fit(text, "y ~ b*x", "--start", "b=1")
    assert found.code == 2
    assert re.search(message, found.err), found.err


@pytest.mark.parametrize(
    "text",
    [
        "x;y\n1;2\n2;4\n", "x\ty\n1\t2\n2\t4\n", "x y\n1 2\n2 4\n", '"x", "y"\r\n1, 2\r\n2, 4\r\n',
        "sep=;\nx;y\n1,0;2,0\n2,0;4,0\n", '"x" "y"\n"1" 1 2\n"2" 2 4\n', " x , y ,,\n1,2,,\n2,4\n",
        "\n# by hand\nx|y\n\n1|2\n2|4\n\n", "# by hand\n# x\ty\n1\t2\n2\t4\n",
        "Trial 3, in May\nby hand\nx,y,z,w\n1,2,3,4\n2,4,3,4\n", "x,y\n1,2,\n2,4,\n",
        "Trial 3;;\nx;y;\n1,0;2,0;\n2,0;4,0;\n",
        'x,y\n"1,0","2,00"\n"2,0","4,00"\n',
        '"","x","y"\n"1",1,2\n"2",2,4\n',
    ],
)  # fmt: skip
def test_forms_of_tables(tmp_path, text):
    from paramjax.cli._table import read_table

    for encoding in ("utf-8-sig", "utf-16", "cp1252"):
        file = tmp_path / "table.txt"
        file.write_bytes(text.encode(encoding))
        table = read_table(file)
        assert table.column("x").tolist() == [1.0, 2.0]
        assert table.column("y").tolist() == [2.0, 4.0]


def test_a_table_without_names_gets_some(tmp_path):
    from paramjax.cli._table import read_table

    (tmp_path / "bare.csv").write_text("1.5,2\n3,4\n")
    table = read_table(tmp_path / "bare.csv")
    assert table.names == ("c1", "c2")
    assert "c1 to c2" in table.remarks[0]
    assert table.column("c1").tolist() == [1.5, 3.0]
