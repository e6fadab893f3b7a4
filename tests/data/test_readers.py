"""CSV, libsvm and plain text: what is read, and what is refused with its place."""

import gzip
import io

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from paramjax import data

CSV = 'day,"degrees, outside",rain\n1,20.5,\n2, 1e1 ,0\n\n3,-4,NA\n'


def write(folder, content, name="file"):
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_csv_has_numbers_by_name_and_missing_ones_where_stated(tmp_path):
    for file in (write(tmp_path, CSV), write(tmp_path, gzip.compress(CSV.encode()), "b.csv.gz")):
        columns = data.read_csv(file, missing=("", "NA"))
        assert list(columns) == ["day", "degrees, outside", "rain"]
        np.testing.assert_array_equal(columns["rain"], [np.nan, 0, np.nan])
    chosen = data.read_csv(file, columns=[1, "day"])
    assert [list(values) for values in chosen.values()] == [[20.5, 10, -4], [1, 2, 3]]
    assert list(chosen) == ["degrees, outside", "day"]


def test_csv_header_is_found_or_said(tmp_path):
    numbers = write(tmp_path, "2000;1\r\n2001;2\r\n")
    assert data.read_csv(numbers, delimiter=";")["0"].tolist() == [2000, 2001]
    assert data.read_csv(numbers, delimiter=";", header=True)["2000"].tolist() == [2001]
    dates = write(tmp_path, "1981-01-01,20.7\n1981-01-02,17.9")
    assert data.read_csv(dates, columns=[1])["1"].tolist() == [20.7, 17.9]
    with pytest.raises(ValueError, match=r"line 1, column '0' \(number 0\).*got '1981-01-01'"):
        data.read_csv(dates)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "got an empty file"),
        ("\n\n", {}, "got an empty file"),
        ("a,b\n", {}, "below the names, got none"),
        ("a,b\n1,2\n3,x\n", {}, r"line 3, column 'b' \(number 1\): expected a finite.*got 'x'"),
        ("a,b\n1,2\n\n3,\n", {}, "line 4, column 'b' .*got an empty cell; .*missing="),
        ("a\n1_000\n", {}, "got '1_000'"),
        ("a\nnan\n", {}, "got 'nan'"),
        ("a\n1e999\n", {}, "got '1e999'"),
        ("a,b\n1,2\n3\n", {}, "line 3: expected 2 cells as in the first line, got 1"),
        ("a,b\n1,2,3\n", {}, "line 2: expected 2 cells .*got 3"),
        ("a,a\n1,2\n", {}, r"different names of columns, got \['a'\] twice"),
        ('a\n"1\n', {}, "not a CSV file"),
        ("speed,b\n1,2\n", {"columns": ["sped"]}, "unknown column 'sped'; nearest: speed"),
        ("a,b\n1,2\n", {"columns": [2]}, "numbers from 0 to 1 or names, got 2"),
        ("a,b\n1,2\n", {"columns": "a"}, r"pass \['a'\]"),
        ("a,b\n1,2\n", {"columns": 1}, r"pass \[1\]"),
        ("a,b\n1,2\n", {"columns": []}, "at least one, got none"),
        ("a,2020\n1,2\n", {}, "line 1, column '0' .*header=True if this line names"),
        ("a\nA\n", {"missing": "NA"}, "got 'A'"),
        (f"a\n{'x' * 99}\n", {}, r"got 'x{37}\.\.\.'"),
        ("a\n1\n", {"delimiter": "::"}, "delimiter: expected one character"),
        (b"a\n\xff\n", {}, "byte 0xff at line 2, byte 1 of it, is not utf-8"),
    ],
)
def test_csv_refuses(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=message):
        data.read_csv(write(tmp_path, content), **options)


def test_libsvm_is_read_as_scikit_learn_reads_it(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 6)) * (rng.uniform(size=(20, 6)) < 0.4)
    file = io.BytesIO()
    dump_svmlight_file(x, rng.integers(0, 3, 20), file, zero_based=False, comment="made up")
    write(tmp_path, gzip.compress(file.getvalue()), "rows.gz")
    read = data.read_libsvm(tmp_path / "rows.gz", num_features=6)
    theirs, labels = load_svmlight_file(str(tmp_path / "rows.gz"), n_features=6, zero_based=False)
    np.testing.assert_allclose(read["x"], theirs.toarray(), rtol=1e-6)
    np.testing.assert_array_equal(read["y"], labels)
    assert (read["x"].dtype, read["y"].dtype) == (np.float32, np.int32)


def test_libsvm_width_and_fractional_labels(tmp_path):
    file = write(tmp_path, "# comment\n0.5 2:1 # note\n\n1\n")
    read = data.read_libsvm(file)
    assert (read["x"].tolist(), read["y"].tolist()) == ([[0, 1], [0, 0]], [0.5, 1])
    assert data.read_libsvm(file, num_features=4)["x"].shape == (2, 4)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", {}, "expected rows `label index:value ...`, got none"),
        ("1 1:1\nyes 1:1\n", {}, "line 2: expected a number as label, got 'yes'"),
        ("1 1:1 2\n", {}, "line 1: expected index:value, got '2'"),
        ("1 1:1\n\n1 2:x\n", {}, "line 3: expected index:value, got '2:x'"),
        ("1 qid:3 1:1\n", {}, "got 'qid:3'"),
        ("1 1:inf\n", {}, "got '1:inf'"),
        ("1 1:1e39\n", {}, "range of float32, got '1:1e39'"),
        (f"1 {'9' * 5000}:1\n", {}, r"line 1: expected indices below 2\*\*31"),
        ("1 0:1\n", {}, "indices from 1, got 0; this file counts from 0"),
        ("1 2:1 2:3\n", {}, "index 2 comes twice"),
        ("1 1:1\n1 4:1\n", {"num_features": 3}, "line 2: .*up to num_features=3, got 4"),
        ("1 2000000000:1\n", {}, r"1 rows of 2,000,000,000 features take 7.45 GiB"),
        ("1 1:1\n", {"num_features": 0}, "num_features"),
    ],
)
def test_libsvm_refuses(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=message):
        data.read_libsvm(write(tmp_path, content), **options)


def test_text_encodings_line_ends_and_marks(tmp_path):
    assert data.read_text(write(tmp_path, b"\xef\xbb\xbfa\r\nb\rc")) == "a\nb\nc"
    file = write(tmp_path, gzip.compress("caf\xe9\n\xe9t\xe9".encode("latin-1")), "t.gz")
    assert data.read_text(file, encoding="latin-1") == "café\nété"
    with pytest.raises(ValueError, match="byte 0xe9 at line 1, byte 4 of it, is not utf-8"):
        data.read_text(file)
    with pytest.raises(ValueError, match="encoding: expected one that Python knows"):
        data.read_text(file, encoding="utf-9")
    with pytest.raises(ValueError, match="pass encoding='utf-16'"):
        data.read_text(write(tmp_path, "tea".encode("utf-16")))


def test_files_that_are_missing_damaged_or_enormous(tmp_path):
    for read in (data.read_text, data.read_csv, data.read_libsvm):
        with pytest.raises(FileNotFoundError, match="no file"):
            read(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="it is a folder"):
        data.read_text(tmp_path)
    with pytest.raises(ValueError, match="damaged gzip file"):
        data.read_text(write(tmp_path, gzip.compress(b"whole" * 99)[:-9]))
    with pytest.raises(ValueError, match="unpacks to more than"):
        data.read_text(write(tmp_path, gzip.compress(bytes(2**26))))
