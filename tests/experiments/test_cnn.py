"""The CNN's images: IDX files from a folder."""

import gzip
import struct

import numpy as np
import pytest

from paramjax.cli._example import example


@pytest.fixture(autouse=True)
def _no_real_data(monkeypatch):
    monkeypatch.delenv("PARAMJAX_DATA", raising=False)


def write_idx(file, array):
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    file.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def write_stripes(folder, rows=300):
    """Two classes that a network tells apart at a glance: bright on top, bright below."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", rows), ("t10k", 60)):
        labels = rng.integers(0, 2, count)
        pixels = rng.integers(0, 50, (count, 8, 8))
        pixels[labels == 0, :4] += 200
        pixels[labels == 1, 4:] += 200
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)


@pytest.mark.slow
def test_cnn_reads_idx_files(tmp_path, capsys):
    write_stripes(tmp_path / "stripes")
    assert example("cnn", data=tmp_path / "stripes", epochs=4, seeds=2, out=tmp_path) == 0
    printed = capsys.readouterr().out
    assert "data stripes, epochs 4, seeds 2" in printed
    accuracy = float(printed.split("mean over seeds (%)")[1].split()[0])
    assert accuracy > 95  # the classes do not overlap


def test_cnn_names_the_file_that_is_missing(tmp_path, capsys):
    assert example("cnn", data=tmp_path, out=tmp_path) == 2
    assert "not on this machine" in (message := capsys.readouterr().err)
    assert "train-images-idx3-ubyte" in message
