"""Regressions with certified results, in the text format of NIST's reference data sets."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

import numpy as np

from paramjax.data._places import find, read
from paramjax.data._sources import Published, Source

_FILES = (
    ("Bennett5", "e2be71fffe2a78821361ff3e71eef4549df7015911e3e8e893f3914829872ab4", 6869),
    ("BoxBOD", "406992ecdd177696e45662e927ad26947d9f3b095e02537d50fc880f982d720a", 1713),
    ("Chwirut1", "a934a583464358c8cb3f67d27a016c15ab90dadfbf5303079b33dd284134b55b", 7558),
    ("Chwirut2", "968142c6f5427d87b1fed1e1bfc8cfce1f7ae8c6b89d3fbfb4960d7ced3c1e11", 3060),
    ("DanWood", "e8d05d54bc3646796cf8d5291c5e39c826049df4771587263357d76c18c393c2", 1990),
    ("ENSO", "f27b059fb680f986a0eb44a54fa4705bff1bd2ba4b0214bb680c19e2d66f2972", 6761),
    ("Eckerle4", "b91c6505f0f0c8504e1b4c87b2a043368a8e18bd5ecb5efeb7a0fb346e9a3e10", 2773),
    ("Gauss1", "c7ce799e2a6667ae682152a816e7105645d0ae50acf968339862ace9dd51e8f2", 8098),
    ("Gauss2", "77182830681f7b4ec1eab70e44e2e63b793022a779a40e495201ee3a4a63f618", 8100),
    ("Gauss3", "14c252a4d796a582af55f3a4fa5f4be3b32cd02798073a526cc5ced565117a03", 8102),
    ("Hahn1", "251ab6520101c6a14d50a3f3b9472b4ab9f720852efbd735c7a3aee12a9c65f5", 9276),
    ("Kirby2", "64f9f1c525a76d0ca56de05bf8f053dcced5f91a6eeb156051dbcb5b9b81c374", 5858),
    ("Lanczos1", "42a9c2d11fd7cbfd88f9d1e56e25fc9ec8fe89a684f452feee74c0f59ede0efc", 2945),
    ("Lanczos2", "4a3aaac05a11811d36c473bb505f8c9183b4060a3586a876813bedd81290116f", 2601),
    ("Lanczos3", "1a9fc8e9adefdd5222ce99d71e640605b4093778af3b31f0f186bd1036cece09", 2574),
    ("MGH09", "6913c6e6f158da10d70154b6288883e81bc17f69e6092ae87ad44977552d18bf", 2305),
    ("MGH10", "f89e5ff39d3b77dcb8bd6df9c5f93ff9872350aadc902b68d718ee229c484fb4", 2335),
    ("MGH17", "8f8c6156dce64a48fd475388401d0e51fd1ab08d55e2f72978b69e7256ae3674", 3078),
    ("Misra1a", "45c8da1de19d1cd0bdcefe06e333dee7ec8b31fa5c58b4eada427a7777853650", 1853),
    ("Misra1b", "521c50ed2063858bfa577c1413fbc07644c8425c8cd2819da004efc3c7b5c705", 1845),
    ("Misra1c", "bf51450b3582c2bdc660fe4e7554db3210c8546b1b03429b092b6d57a5d48404", 1839),
    ("Misra1d", "55a26f4017fe7580cc59692527068d29c94f95f27ca1f4472916d3ac29b663f8", 1843),
    ("Nelson", "fc368adf8ac8c17658d3be390c73382398a17fd97786bcb83dd979e3c5946514", 7001),
    ("Rat42", "a06bacb7113903cfbf607b5243d4525b58929172f60ac54c764a268525fdda83", 1873),
    ("Rat43", "5bcbb16649254975701acb2e07a5658a2248ce90cc22bc6f52e35e2a4cc0ee9e", 2072),
    ("Roszman1", "b62c19e840e9686ed11732bd45398e07efc240cb542ac11f1b7b77368f5a89e0", 2486),
    ("Thurber", "b66224bd6ec25754af5ec16f00b25ce18ccc8c09b40ebe0acf8515d01abec0a4", 3026),
)

NIST = Source(
    "NIST StRD nonlinear regression",
    "nist_strd/nls",
    tuple(Published(f"{name}.dat", (checksum,), size) for name, checksum, size in _FILES),
    ("https://www.itl.nist.gov/div898/strd/nls/data/LINKS/DATA",),
    "public domain, National Institute of Standards and Technology",
)

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[Ee][-+]?\d+)?"
_PARAMETER = re.compile(r"^\s*(b\d+)\s*=" + 4 * rf"\s+({_NUMBER})" + r"\s*$", re.MULTILINE)


class Regression(NamedTuple):
    """A problem of nonlinear regression and its certified solution.

    Attributes:
        name: Of the problem.
        level: Of difficulty: "Lower", "Average" or "Higher".
        model: As NIST writes it, without the error: "y = b1*(1-exp[-b2*x])".
        columns: Data by the names in the model, float64[n] each; y is the response.
        starts: Two starts for each parameter by its name.
        parameters: Certified, to 11 digits.
        deviations: Certified standard deviations of the parameters.
        sum_of_squares: Certified, of the residuals.
    """

    name: str
    level: str
    model: str
    columns: dict[str, np.ndarray]
    starts: tuple[dict[str, float], dict[str, float]]
    parameters: dict[str, float]
    deviations: dict[str, float]
    sum_of_squares: float


def nist_regressions(folder: str | os.PathLike[str] | None = None) -> dict[str, Regression]:
    """The 27 problems of nonlinear regression of NIST with certified results.

    NIST (1998), Statistical Reference Datasets; parameters and standard deviations are certified
    to 11 digits. The files are sought as those of `mnist`.

    Args:
        folder: Holds the 27 files `Misra1a.dat` and so on, or a subfolder `nist_strd/nls` that
            does.

    Returns:
        The problems by name.

    Raises:
        DataNotFoundError: If the files are nowhere; it says where they are to be had.
        ValueError: If one is damaged.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     count = len(pj.data.nist_regressions())
        ... except pj.data.DataNotFoundError:
        ...     count = 27
        >>> count
        27
    """
    place, _ = find(NIST, folder)
    names = [name for name, *_ in _FILES]
    texts = [content.decode("ascii") for content in read(NIST, place)]
    return {name: parse_regression(name, text) for name, text in zip(names, texts, strict=True)}


def parse_regression(name: str, text: str) -> Regression:
    """One problem out of the text of its file.

    Raises:
        ValueError: If a part is missing.
    """
    found = _PARAMETER.findall(text)
    if not found:
        raise ValueError(f"{name}: expected a regression as NIST writes it, got no parameters")
    names = [row[0] for row in found]
    numbers = np.array([row[1:] for row in found], np.float64)
    first, second, parameters, deviations = (
        dict(zip(names, column, strict=True)) for column in numbers.T.tolist()
    )
    return Regression(
        name,
        _one(name, text, r"(\w+) Level of Difficulty"),
        _model(name, text),
        _columns(name, text),
        (first, second),
        parameters,
        deviations,
        float(_one(name, text, rf"Residual Sum of Squares:\s+({_NUMBER})")),
    )


def _model(name: str, text: str) -> str:
    """The equation on one line, without the error."""
    block = _one(name, text, r"Parameters \(.*?\)\s+(.*?)\s*Starting [Vv]alues")
    equation = re.sub(r"^pi = .*$", "", block, flags=re.MULTILINE)
    return re.sub(r"\s*\+\s*e$", "", " ".join(equation.split()))


def _columns(name: str, text: str) -> dict[str, np.ndarray]:
    block = _one(name, text, r"^Data:(?= +y +x)(.*)\Z")
    names, rows = block.strip().split("\n", 1)
    table = np.array([line.split() for line in rows.strip().split("\n")], np.float64)
    return dict(zip(names.split(), table.T.copy(), strict=True))


def _one(name: str, text: str, pattern: str) -> str:
    """What a pattern finds."""
    found = re.search(pattern, text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"{name}: expected a regression as NIST writes it, without {pattern}")
    return found.group(1)
