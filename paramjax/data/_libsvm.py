"""Sparse rows in the format of LIBSVM and SVMlight, as a dense table."""

from __future__ import annotations

import os

import numpy as np

from paramjax._checks import check_count
from paramjax.data._csv import finite_number
from paramjax.data._text import decoded, file_bytes

_MOST_DENSE = 2**30
"""Bytes of a dense array that a file may ask for by the numbers of its features."""


_LARGEST = float(np.finfo(np.float32).max)

_BEYOND = 2**31
"""The first index that no array has."""


def read_libsvm(
    path: str | os.PathLike[str], *, num_features: int | None = None
) -> dict[str, np.ndarray]:
    """Read a file of rows `label index:value index:value ...`, gzipped or not.

    The format of SVMlight (Joachims, 1999) and LIBSVM (Chang and Lin, 2011): indices count from
    1, what is not named is 0, and `#` begins a comment. Empty lines are skipped.

    Args:
        path: The file.
        num_features: Features, positive; None takes the largest index of the file, so that parts
            of one data set may differ in width.

    Returns:
        `{"x": float32[rows, features], "y": [rows]}`; labels are int32 if all are whole, else
        float32. Of labels -1 and 1, `(y > 0).astype(np.int32)` makes classes.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no rows, a token is not of the format, a value is beyond float32,
            an index is below 1, beyond `num_features` or twice in a row, or the array would take
            more than 1 GiB although `num_features` does not ask for it; it names the line.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "rows"
        >>> _ = file.write_text("+1 1:0.5 3:2\\n-1 2:1\\n")
        >>> rows = read_libsvm(file)
        >>> rows["x"].tolist(), rows["y"].tolist()
        ([[0.5, 0.0, 2.0], [0.0, 1.0, 0.0]], [1, -1])
    """
    if num_features is not None:
        check_count("num_features", num_features)
    return parse_libsvm(str(path), decoded(str(path), file_bytes(path)), num_features)


def parse_libsvm(origin: str, text: str, num_features: int | None) -> dict[str, np.ndarray]:
    """The table of a text in this format."""
    labels: list[float] = []
    rows: list[int] = []
    indices: list[int] = []
    values: list[float] = []
    for number, line in enumerate(text.split("\n"), 1):
        tokens = line.partition("#")[0].split()
        if not tokens:
            continue
        where = f"{origin}: line {number}"
        label, features = _parsed(where, tokens, num_features)
        rows += [len(labels)] * len(features)
        labels.append(label)
        indices += features
        values += features.values()
    if not labels:
        raise ValueError(f"{origin}: expected rows `label index:value ...`, got none")
    width = num_features or max(indices, default=1)
    if num_features is None and 4 * len(labels) * width > _MOST_DENSE:
        raise ValueError(
            f"{origin}: {len(labels):,} rows of {width:,} features take "
            f"{4 * len(labels) * width / 2**30:.3g} GiB as an array; pass num_features={width} if "
            "that is meant"
        )
    x = np.zeros((len(labels), width), np.float32)
    x[rows, np.array(indices, np.int64) - 1] = values
    y = np.array(labels)
    whole = bool((y == np.round(y)).all() and (np.abs(y) < 2**31).all())
    return {"x": x, "y": y.astype(np.int32 if whole else np.float32)}


def _parsed(
    where: str, tokens: list[str], num_features: int | None
) -> tuple[float, dict[int, float]]:
    """The label of a row, and its values by index."""
    label = finite_number(tokens[0])
    if label is None:
        raise ValueError(f"{where}: expected a number as label, got {tokens[0]!r}")
    features: dict[int, float] = {}
    for token in tokens[1:]:
        name, _, written = token.partition(":")
        value = finite_number(written)
        if value is not None and abs(value) > _LARGEST:
            raise ValueError(f"{where}: expected values within the range of float32, got {token!r}")
        if value is None or not (name.isascii() and name.isdigit()):
            raise ValueError(f"{where}: expected index:value, got {token!r}")
        index = int(name) if len(name) < 20 else _BEYOND
        if index < 1 or index >= _BEYOND or index in features or index > (num_features or index):
            raise ValueError(f"{where}: {_fault(index, num_features, repeated=index in features)}")
        features[index] = value
    return label, features


def _fault(index: int, num_features: int | None, *, repeated: bool) -> str:
    if repeated:
        return f"index {index} comes twice; leave one of them out"
    if index >= _BEYOND:
        return "expected indices below 2**31"
    if index < 1:
        return f"expected indices from 1, got {index}; this file counts from 0, add 1 to each"
    return f"expected indices up to num_features={num_features}, got {index}; pass a larger one"
