"""The words of a formula: numbers, names, signs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from paramjax.estimate.formulas._errors import refused

LONGEST = 10_000
"""Characters of a formula at most."""

_PIECES = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<quoted>`[^`\n]+`)
    |(?P<refused>:=|==|!=|<=|>=|//|->|<-|&&|\|\|)
    |(?P<sign>\*\*|[-+*/^()\[\],~=\u2212\u00d7\u00b7\u00f7])""",
    re.VERBOSE,
)
_SAME = {"**": "^", "\u2212": "-", "\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "=": "~"}
_REASONS = {
    ".": "attributes are not allowed; write a dotted name as `a.b`",
    "`": "expected a name between two backticks, such as `my column`",
    '"': "texts are not allowed; put the name of a column between backticks: `my column`",
    "'": "texts are not allowed; put the name of a column between backticks: `my column`",
    **dict.fromkeys((":=", "->", "<-"), "assignments are not allowed"),
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), "comparisons are not allowed"),
    **dict.fromkeys(("&", "|", "!", "&&", "||"), "logic is not allowed"),
    **dict.fromkeys("{}", "braces are not allowed; use ( ) or [ ]"),
}
_ARITHMETIC = "is not arithmetic; use + - * / ^ and functions such as exp(x)"


class Token(NamedTuple):
    """A word of a formula and where it stands.

    Attributes:
        kind: What it is.
        text: A sign, or a name without its backticks, or the digits.
        start: Of its first character in the formula, from 0.
        end: Behind its last one.
    """

    kind: Literal["number", "name", "sign", "end"]
    text: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The words of a formula, the last of which is its end.

    Raises:
        ValueError: If a character belongs to no arithmetic, or there are too many.

    Example:
        >>> [token.text for token in tokens_of("b1*`my x`**2")]
        ['b1', '*', 'my x', '^', '2', '']
    """
    if len(text) > LONGEST:
        raise ValueError(f"formula: expected up to {LONGEST} characters, got {len(text)}")
    return [*_tokens(text), Token("end", "", len(text), len(text) + 1)]


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        piece = _PIECES.match(text, at)
        if piece is None or piece.lastgroup == "refused":
            found = text[at] if piece is None else piece.group()
            reason = _REASONS.get(found, f"{found!r} {_ARITHMETIC}")
            raise refused(text, at, at + len(found), reason)
        at = piece.end()
        kind, found = piece.lastgroup, piece.group()
        if kind == "number":
            yield Token("number", found, piece.start(), at)
        elif kind == "name":
            yield Token("name", found, piece.start(), at)
        elif kind == "quoted":
            yield Token("name", found[1:-1].strip(), piece.start(), at)
        elif kind == "sign":
            yield Token("sign", _SAME.get(found, found), piece.start(), at)
