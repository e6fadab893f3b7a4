"""The grammar of formulas, read by recursive descent into postfix code.

    sum   = term (("+" | "-") term)*
    term  = unary (("*" | "/") unary)*
    unary = ("+" | "-") unary | power
    power = atom ("^" unary)?              so that -x^2 is -(x^2), and 2^3^2 is 2^(3^2)
    atom  = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"

Brackets may stand for parentheses. Code without recursion evaluates sums of any length.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from paramjax._checks import nearest
from paramjax.estimate.formulas._errors import refused
from paramjax.estimate.formulas._functions import FUNCTIONS, NEGATIVE, SIGNS, Operation
from paramjax.estimate.formulas._tokens import Token, tokens_of

_DEEPEST = 50
"""Levels of nesting; each takes five frames of Python's stack."""

_CLOSING = {"(": ")", "[": "]"}

Code = list[Any]
"""A float is a number, a str a name, a pair of an Operation and a count takes that many values."""


def parse(text: str) -> tuple[Code | None, Code, tuple[int, int]]:
    """Code of the left side if there is one, of the right side, and where the left side stands.

    Raises:
        ValueError: If it is not arithmetic; the message points at the place.
    """
    parser = _Parser(text)
    first = parser.sum()
    if not parser.takes("~"):
        parser.ends()
        return None, first, (0, 0)
    left = (0, parser.before.start)
    second = parser.sum()
    parser.ends()
    return first, second, left


class _Parser:
    """Where the reading stands, and how deep."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at, self.depth = text, tokens_of(text), 0, 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def before(self) -> Token:
        return self.tokens[self.at - 1]

    def takes(self, *signs: str) -> str:
        """The next sign if it is one of these, which is then read, or an empty text."""
        if self.token.kind != "sign" or self.token.text not in signs:
            return ""
        self.at += 1
        return self.before.text

    def error(self, message: str, token: Token | None = None) -> ValueError:
        place = self.token if token is None else token
        return refused(self.text, place.start, place.end, message)

    def ends(self) -> None:
        """Raise unless the formula ends here, and say what is missing or too much."""
        if self.token.kind == "end":
            return
        found = self.text[self.token.start : self.token.end]
        if self.token.text in (")", "]"):
            raise self.error(f"{found!r} closes nothing")
        if found in ("~", "="):
            raise self.error(f"a second {found!r}; one parts the response from the model")
        if self.token.text == ",":
            raise self.error("a comma outside the arguments of a function")
        if self.before.text in FUNCTIONS and self.before.kind == "name":
            raise self.error(f"expected {self.before.text}(...), with parentheses", self.before)
        raise self.error(f"expected a sign such as * before {found!r}")

    def sum(self) -> Code:
        code = self.term()
        while sign := self.takes("+", "-"):
            self.apply(code, self.term(), sign)
        return code

    def term(self) -> Code:
        code = self.unary()
        while sign := self.takes("*", "/"):
            self.apply(code, self.unary(), sign)
        return code

    def apply(self, code: Code, other: Code, sign: str) -> None:
        """Append the second operand and the sign."""
        code += other
        self.call(code, SIGNS[sign], 2)

    def call(self, code: Code, operation: Operation, count: int) -> None:
        """Append an operation; of numbers alone it is done at once, and must be finite."""
        values = code[-count:]
        if not all(isinstance(value, float) for value in values):
            code.append((operation, count))
            return
        with np.errstate(all="ignore"):
            value = float(operation.host(np.float64(values[0]), *values[1:]))
        if not math.isfinite(value):
            raise self.error(f"a constant here is {value}, expected a finite number", self.before)
        code[-count:] = [value]

    def unary(self) -> Code:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"nested deeper than {_DEEPEST} levels")
        if sign := self.takes("+", "-"):
            code = self.unary()
            if sign == "-":
                self.call(code, NEGATIVE, 1)
        else:
            code = self.atom()
            if self.takes("^"):
                self.apply(code, self.unary(), "^")
        self.depth -= 1
        return code

    def atom(self) -> Code:
        token = self.token
        if bracket := self.takes("(", "["):
            code = self.sum()
            self.closes(bracket, token)
            return code
        if token.kind not in ("number", "name"):
            raise self.error(self._expected())
        self.at += 1
        if token.kind == "number":
            return [self._number(token)]
        if bracket := self.takes("(", "["):
            return self.function(token, bracket)
        return [token.text]

    def function(self, name: Token, bracket: str) -> Code:
        """A call, whose bracket was read already."""
        operation = FUNCTIONS.get(name.text)
        if operation is None:
            raise self.error(self._unknown(name.text, bracket), name)
        opened = self.before
        code, count = self.sum(), 1
        while self.takes(","):
            code, count = code + self.sum(), count + 1
        self.closes(bracket, opened)
        if not operation.least <= count <= operation.most:
            least = "at least " * (operation.most > operation.least)
            raise self.error(
                f"{name.text} takes {least}{operation.least} argument"
                f"{'s' * (operation.least > 1)}, got {count}", name,
            )  # fmt: skip
        self.call(code, operation, count)
        return code

    def closes(self, bracket: str, opened: Token) -> None:
        """Read the bracket that closes."""
        if self.takes(_CLOSING[bracket]):
            return
        if self.token.kind == "end" or self.token.text == "~":
            raise self.error(f"{bracket!r} is never closed", opened)
        if self.token.text in (")", "]"):
            raise self.error(f"expected {_CLOSING[bracket]!r}, got {self.token.text!r}")
        self.ends()

    def _number(self, token: Token) -> float:
        value = float(token.text)
        if not math.isfinite(value):
            raise self.error("expected a number within float64", token)
        return value

    def _expected(self) -> str:
        """What a place lacks where a number or a name must stand."""
        if not self.text.strip():
            return 'expected a formula such as "y ~ b0 + b1*x", got none'
        if self.token.kind == "end":
            return "expected a number or a name, but the formula ends"
        return f"expected a number or a name, got {self.token.text!r}"

    @staticmethod
    def _unknown(name: str, bracket: str) -> str:
        known = nearest(name, FUNCTIONS, what="function")
        return f"{known}; for a product write {name}*{bracket}...{_CLOSING[bracket]}"
