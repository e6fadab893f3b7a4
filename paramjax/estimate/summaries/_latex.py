"""A summary as a table of LaTeX."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from paramjax._format import printable
from paramjax.estimate.summaries._cells import cells_of

if TYPE_CHECKING:
    from paramjax.estimate.summaries._summary import Summary

_ESCAPES = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}  # fmt: skip
_A_LINE = 3
"""Facts in a line."""

_EXPONENT = re.compile(r"(.*)e(-?\d+)")


def latex_of(summary: Summary) -> str:
    """A table of booktabs: the parameters, and a line of facts and statistics."""
    level = f"{100 * summary.level:.4g}"
    heads = ["", "Estimate", r"Std.\ error", f"${summary.symbol}$", "$p$"]
    interval = rf"\multicolumn{{2}}{{c}}{{{level}\,\% interval}}"
    lines = [
        r"\begin{tabular}{lrrrrrr}",
        r"\toprule",
        f"{' & '.join([*heads, interval])} \\\\",
        r"\midrule",
        *(_row(row.name, cells_of(row)) for row in summary.rows),
        r"\midrule",
        *(rf"\multicolumn{{7}}{{l}}{{\footnotesize {line}}} \\" for line in _facts(summary)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def escaped(text: str) -> str:
    r"""A text whose special characters LaTeX prints.

    Example:
        >>> print(escaped("b_1 & 5 %"))
        b\_1 \& 5 \%
    """
    return "".join(_ESCAPES.get(letter, letter) for letter in printable(text))


def _row(name: str, cells: tuple[str, ...]) -> str:
    return f"{' & '.join([escaped(name), *map(_number, cells)])} \\\\"


def _number(text: str) -> str:
    r"""A number in mathematics: its minus sign is one, and its exponent a power of ten.

    Example:
        >>> _number("-1.5"), _number("<1e-16"), _number("NaN")
        ('$-1.5$', '$<10^{-16}$', '--')
    """
    if text == "NaN":
        return "--"
    power = _EXPONENT.fullmatch(text)
    if power is None:
        return f"${text}$"
    times = "" if power[1] in ("1", "<1", "-1") else r" \times "
    mantissa = power[1][:-1] if not times else power[1]
    return f"${mantissa}{times}10^{{{power[2]}}}$"


def _facts(summary: Summary) -> list[str]:
    """The outcome, the facts and the statistics in lines of text."""
    figures = {**summary.facts, **summary.statistics}
    texts = [f"{escaped(name)} {escaped(text)}" for name, text in figures.items()]
    lines = ["; ".join(texts[at : at + _A_LINE]) for at in range(0, len(texts), _A_LINE)]
    return [escaped(summary.outcome), *lines]
