"""Data sets of the field, from a folder, the user's cache or their publisher, with checksums."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from paramjax._checks import nearest
from paramjax.data._bundled import parse_idx, read_idx
from paramjax.data._csv import parse_csv
from paramjax.data._libsvm import parse_libsvm
from paramjax.data._places import complete, find, fits, read
from paramjax.data._sources import (
    ADULT,
    FASHION_MNIST,
    MNIST,
    MOVIE_SENTENCES,
    TIME_SERIES,
    TINY_SHAKESPEARE,
    Source,
)
from paramjax.data._text import decoded
from paramjax.data._validation import table

Folder = str | os.PathLike[str] | None
Table = dict[str, np.ndarray]

_FAMILY = (MNIST, FASHION_MNIST)


def mnist(folder: Folder = None) -> tuple[Table, Table]:
    """Handwritten digits: 60,000 and 10,000 images of 28 x 28 pixels in 10 classes.

    LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document
    recognition". The files are sought in `folder`, in the folder that PARAMJAX_DATA names and in
    the user's cache, or else downloaded into it, unless PARAMJAX_OFFLINE is set. Other data sets
    of 10 classes in the same four files, such as KMNIST, are read where `folder` names theirs;
    everywhere else the checksums must be those of MNIST.

    Args:
        folder: Holds the four files, gzipped or not, or a subfolder `mnist` that does.

    Returns:
        Training and test part, `{"x": float32[rows, 28, 28, 1] in [0, 1], "y": int32[rows]}`.

    Raises:
        DataNotFoundError: If the files are nowhere; it says where they are to be had.
        ValueError: If a file is damaged.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     train, test = pj.data.mnist()
        ...     shape = train["x"].shape
        ... except pj.data.DataNotFoundError:
        ...     shape = (60_000, 28, 28, 1)
        >>> shape
        (60000, 28, 28, 1)
    """
    return _images(MNIST, folder)


def fashion_mnist(folder: Folder = None) -> tuple[Table, Table]:
    """Clothes: 60,000 and 10,000 images of 28 x 28 pixels in 10 classes, harder than digits.

    Xiao, Rasul and Vollgraf (2017), "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms"; MIT licence. The files are sought as those of `mnist`.

    Args:
        folder: Holds the four files, gzipped or not, or a subfolder `fashion_mnist` that does.

    Returns:
        Training and test part, `{"x": float32[rows, 28, 28, 1] in [0, 1], "y": int32[rows]}`.

    Raises:
        DataNotFoundError: If the files are nowhere; it says where they are to be had.
        ValueError: If a file is damaged, or the folder holds those of MNIST.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     train, test = pj.data.fashion_mnist()
        ...     shape = test["x"].shape
        ... except pj.data.DataNotFoundError:
        ...     shape = (10_000, 28, 28, 1)
        >>> shape
        (10000, 28, 28, 1)
    """
    return _images(FASHION_MNIST, folder)


def tiny_shakespeare(folder: Folder = None) -> str:
    """Plays of Shakespeare: 1,115,394 characters, 65 distinct ones.

    Karpathy (2015), "The unreasonable effectiveness of recurrent neural networks"; the text is in
    the public domain. The file is sought as those of `mnist`.

    Args:
        folder: Holds `input.txt`, or a subfolder `tinyshakespeare` that does.

    Returns:
        The text.

    Raises:
        DataNotFoundError: If the file is nowhere; it says where it is to be had.
        ValueError: If it is damaged.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     characters = len(set(pj.data.tiny_shakespeare()))
        ... except pj.data.DataNotFoundError:
        ...     characters = 65
        >>> characters
        65
    """
    place, _ = find(TINY_SHAKESPEARE, folder)
    return read(TINY_SHAKESPEARE, place)[0].decode("ascii")


def movie_sentences(folder: Folder = None) -> tuple[list[str], np.ndarray]:
    """Sentences of film reviews: 5,331 negative ones, then 5,331 positive ones.

    Pang and Lee (2005), "Seeing stars: exploiting class relationships for sentiment
    categorization with respect to rating scales"; lower case, with spaces around the marks. The
    published encoding is Windows-1252, and copies in UTF-8 are about; both give the same strings.
    The files are sought as those of `mnist`.

    Args:
        folder: Holds `rt-polarity.neg` and `rt-polarity.pos`, gzipped or not, or the published
            `rt-polaritydata.tar.gz`, or a subfolder `text/rt-polaritydata` that does.

    Returns:
        The sentences, and a label for each, int32: 0 negative, 1 positive.

    Raises:
        DataNotFoundError: If the files are nowhere; it says where they are to be had.
        ValueError: If one is damaged.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     sentences, labels = pj.data.movie_sentences()
        ...     count = len(sentences)
        ... except pj.data.DataNotFoundError:
        ...     count = 10_662
        >>> count
        10662
    """
    place, _ = find(MOVIE_SENTENCES, folder)
    sentences: list[str] = []
    labels: list[int] = []
    for label, content in enumerate(read(MOVIE_SENTENCES, place)):
        lines = [line.strip() for line in _text(place, content).split("\n")]
        sentences += [line for line in lines if line]
        labels += [label] * (len(sentences) - len(labels))
    return sentences, np.array(labels, np.int32)


def adult(folder: Folder = None) -> tuple[Table, Table]:
    """Who earns over 50,000 dollars a year: 32,561 and 16,281 rows of 123 binary features.

    Kohavi (1996), the census data of UCI, in the coding a9a of Platt (1998) that LIBSVM
    publishes; 24 % of the rows are positive. The files are sought as those of `mnist`.

    Args:
        folder: Holds `a9a` and `a9a.t`, gzipped or not, or a subfolder `tabular` that does.

    Returns:
        Training and test part, `{"x": float32[rows, 123], "y": int32[rows]}`, 1 for those who do.

    Raises:
        DataNotFoundError: If the files are nowhere; it says where they are to be had.
        ValueError: If one is damaged.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     train, test = pj.data.adult()
        ...     shape = train["x"].shape
        ... except pj.data.DataNotFoundError:
        ...     shape = (32_561, 123)
        >>> shape
        (32561, 123)
    """
    place, _ = find(ADULT, folder)
    train, test = (
        parse_libsvm(str(place), content.decode("ascii"), 123) for content in read(ADULT, place)
    )
    return _classes(train), _classes(test)


def time_series(name: str, folder: Folder = None) -> np.ndarray:
    """One of three time series that forecasts are tried on.

    `airline_passengers`: thousands a month, 1949 to 1960, 144 values (Box and Jenkins, 1970).
    `daily_temperatures`: daily minima in Melbourne in degrees Celsius, 1981 to 1990, 3,650 values
    (Australian Bureau of Meteorology). `monthly_sunspots`: monthly means, 1749 to 1983, 2,820
    values (Andrews and Herzberg, 1985). The file is sought as those of `mnist`.

    Args:
        name: Which one.
        folder: Holds its CSV file, or a subfolder `timeseries` that does.

    Returns:
        The values in the order of time, float64.

    Raises:
        DataNotFoundError: If the file is nowhere; it says where it is to be had.
        ValueError: If there is no such series, or its file is damaged.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     passengers = pj.data.time_series("airline_passengers")
        ... except pj.data.DataNotFoundError:
        ...     passengers = np.zeros(144)
        >>> len(passengers)
        144
    """
    if name not in TIME_SERIES:
        raise ValueError(nearest(name, TIME_SERIES, what="time series"))
    source = TIME_SERIES[name]
    place, _ = find(source, folder)
    text = decoded(str(place), read(source, place)[0])
    (values,) = parse_csv(str(place), text, columns=[1], header=True).values()
    return values


def _images(source: Source, folder: Folder) -> tuple[Table, Table]:
    """Training and test part of a data set in MNIST's format."""
    place, own = find(source, folder)
    if own:
        paths = complete(source, place)
        _refuse_others(source, paths[3])
        arrays = [read_idx(path) for path in paths]
    else:
        contents = zip(source.files, read(source, place), strict=True)
        arrays = [parse_idx(str(place / part.name), content) for part, content in contents]
    train, test = (
        table((pixels / np.float32(255))[..., None], labels, num_classes=10)
        for pixels, labels in (arrays[:2], arrays[2:])
    )
    return train, test


def _refuse_others(source: Source, labels: Path) -> None:
    """Raise if the user's folder holds the test labels of another data set of the family."""
    for other in _FAMILY:
        if other is not source and fits(other.files[3], labels):
            raise ValueError(
                f"folder: expected {source.title}, got {other.title} in {labels.parent}"
            )


def _classes(rows: Table) -> Table:
    """Labels 0 and 1 instead of -1 and 1."""
    return {**rows, "y": (rows["y"] > 0).astype(np.int32)}


def _text(origin: Path, content: bytes) -> str:
    """Text in UTF-8, or as it was published."""
    try:
        return decoded(str(origin), content)
    except ValueError:
        return decoded(str(origin), content, "cp1252")
