"""Why an optimizer cannot take part."""

from __future__ import annotations


class RefusedError(ValueError):
    """An optimizer cannot take part in a benchmark; the message says why in one line."""


def one_line(error: BaseException) -> str:
    """The type of an error and the first line of its message.

    Example:
        >>> one_line(ValueError("no such thing, and here is more:\\nmuch more"))
        'ValueError: no such thing, and here is more:'
    """
    return " ".join([f"{type(error).__name__}:", *str(error).strip().splitlines()[:1]])
