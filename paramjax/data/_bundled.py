"""Data that is already on this machine: scikit-learn's, and files in the IDX format of MNIST."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from paramjax._checks import needs_extra
from paramjax._files import absolute_path
from paramjax.data._text import MOST_TIMES, MOST_UNPACKED
from paramjax.data._validation import table

_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

_MOST_AXES = 32
"""Of arrays in every version of numpy."""


def digits() -> dict[str, np.ndarray]:
    """Handwritten digits: 1,797 images of 8 x 8 pixels in 10 classes.

    The test part of the Optical Recognition of Handwritten Digits set (Alpaydin and
    Kaynak, 1998, UCI), pixels scaled from 0..16 to [0, 1].

    Returns:
        `{"x": float32[1797, 64], "y": int32[1797]}`.

    Raises:
        ModuleNotFoundError: Without scikit-learn (`pip install "paramjax[bench]"`).

    Example:
        >>> digits()["x"].shape
        (1797, 64)
    """
    with needs_extra("bench"):
        from sklearn import datasets  # takes 1 s to import

    x, y = datasets.load_digits(return_X_y=True)
    return table(x / 16.0, y, num_classes=10)


def breast_cancer() -> dict[str, np.ndarray]:
    """Breast cancer, Wisconsin diagnostic: 569 rows, 30 features, malignant 0 or benign 1.

    Street, Wolberg and Mangasarian (1993), UCI; features as published, not standardised.

    Returns:
        `{"x": float32[569, 30], "y": int32[569]}`.

    Raises:
        ModuleNotFoundError: Without scikit-learn (`pip install "paramjax[bench]"`).

    Example:
        >>> int(breast_cancer()["y"].sum())
        357
    """
    with needs_extra("bench"):
        from sklearn import datasets

    x, y = datasets.load_breast_cancer(return_X_y=True)
    return table(x, y, num_classes=2)


def read_idx(path: str | Path) -> np.ndarray:
    """Read one file in the IDX format (LeCun, Cortes and Burges, 1998), gzipped or not.

    The file starts with two zero bytes, a type code, the number of axes and each axis'
    length as a big-endian 32-bit integer; the values follow, last axis fastest.

    Args:
        path: The file, such as `train-images-idx3-ubyte.gz`; with or without `.gz`.

    Returns:
        An array in the machine's byte order, [images, rows, columns] or [labels].

    Raises:
        FileNotFoundError: If there is no such file, with or without `.gz`.
        ValueError: If it is not an IDX file, or is cut short or too long.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
        >>> _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        >>> read_idx(file).tolist()
        [7, 2, 1]
    """
    file = _find(absolute_path("path", path))
    with file.open("rb") as stored:
        zipped = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        if not zipped:
            return _parsed(file, stored, file.stat().st_size)
        try:
            with gzip.GzipFile(fileobj=stored) as unzipped:
                return _parsed(file, unzipped, file.stat().st_size)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{file}: damaged gzip file ({error})") from error


def parse_idx(origin: str, content: bytes) -> np.ndarray:
    """The array of the bytes of an unpacked file."""
    return _parsed(origin, io.BytesIO(content), len(content))


def _parsed(file: str | Path, content: BinaryIO | gzip.GzipFile, size: int) -> np.ndarray:
    """The array of a file of so many bytes; no more is unpacked than its header says."""
    magic = content.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        held = f"it starts with {magic.hex(' ')}" if magic else "it is empty"
        raise ValueError(f"{file}: not an IDX file, {held}")
    dtype, axes = np.dtype(_DTYPES[magic[2]]), magic[3]
    if not 1 <= axes <= _MOST_AXES:
        raise ValueError(f"{file}: expected 1 to {_MOST_AXES} axes, got {axes}; it is damaged")
    lengths = content.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise ValueError(f"{file}: expected the lengths of {axes} axes; the file is cut short")
    shape = tuple(map(int, np.frombuffer(lengths, ">u4")))
    expected = math.prod(shape) * dtype.itemsize
    if expected > MOST_UNPACKED + MOST_TIMES * size:
        raise ValueError(
            f"{file}: expected an array about as large as its file, got shape {shape} in {size} "
            "bytes; the file is damaged, or unpack it with gunzip first"
        )
    values = content.read(expected + 1)
    if len(values) != expected:
        found = "more" if len(values) > expected else len(values)
        raise ValueError(
            f"{file}: expected {expected} bytes of values for shape {shape}, got {found}; the file "
            "is cut short or damaged"
        )
    array = np.frombuffer(values, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _find(path: Path) -> Path:
    """The file, or the one with or without `.gz`."""
    if path.is_dir():
        raise FileNotFoundError(f"no IDX file {path}; it is a folder, name a file in it")
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".gz")
    for file in (path, other):
        if file.is_file():
            return file
    raise FileNotFoundError(
        f"no IDX file {path} (nor {other.name}); MNIST and Fashion-MNIST are published in this "
        "format, place the four files of either in that folder"
    )
