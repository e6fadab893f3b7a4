"""Numbers, sizes, times and options as a reader sees them."""

from __future__ import annotations

import enum
import functools
import math
import re
from collections.abc import Sequence
from typing import Any

_BINARY = ("KiB", "MiB", "GiB", "TiB", "PiB")


def number(value: float, digits: int = 4) -> str:
    """A number to so many significant digits, its exponent without filling.

    Example:
        >>> number(0.0543211), number(1e-5), number(1e12), number(2.53e-7, 2)
        ('0.05432', '1e-5', '1e12', '2.5e-7')
    """
    return f"{value:.{digits}g}".replace("e+", "e").replace("e0", "e").replace("e-0", "e-")


def printable(text: str) -> str:
    """The text with control characters as their escapes, so that a name commands no terminal.

    Example:
        >>> printable("w\\x1b[31m\\n"), printable("größe")
        ('w\\\\x1b[31m\\\\n', 'größe')
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def without_nonfinite(value: Any) -> Any:
    """The same value of JSON with None for numbers that are not finite, which JSON has not.

    Example:
        >>> without_nonfinite({"loss": [0.5, math.nan], "steps": (1, math.inf)})
        {'loss': [0.5, None], 'steps': [1, None]}
    """
    if isinstance(value, dict):
        return {name: without_nonfinite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonfinite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def byte_size(count: float) -> str:
    """A number of bytes in binary units.

    Example:
        >>> byte_size(12), byte_size(2000), byte_size(3 * 2**30)
        ('12 B', '2.0 KiB', '3.0 GiB')
    """
    if count < 1024:
        return f"{count:.0f} B"
    power = min(int(math.log2(count)) // 10, len(_BINARY))
    return f"{count / 1024**power:.1f} {_BINARY[power - 1]}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    Example:
        >>> duration(0.000131), duration(0.25), duration(75.0), duration(7300.0)
        ('131 us', '250 ms', '1.2 min', '2.0 h')
    """
    for size, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


def option_names(options: Sequence[Any]) -> list[str]:
    """Distinct texts for distinct options: strings as they are, functions by name.

    Example:
        >>> option_names(["relu", max, None, 0.1, (3, 3)])
        ['relu', 'max', 'None', '0.1', '(3, 3)']
        >>> option_names([lambda x: x, lambda x: -x])
        ['<lambda> 0', '<lambda> 1']
    """
    texts = [option_name(option) for option in options]
    return [f"{text} {i}" if texts.count(text) > 1 else text for i, text in enumerate(texts)]


def option_name(option: Any) -> str:
    """The text of one option, the same in every process: no address in memory.

    Example:
        >>> import functools
        >>> option_name(max), option_name(functools.partial(max, 0)), option_name(object())
        ('max', 'partial(max, 0)', 'object object')
        >>> option_name([max, (0.3, None)]), option_name({"a": min})
        ('[max, (0.3, None)]', "{'a': min}")
    """
    if isinstance(option, str):
        return option
    if isinstance(option, enum.Enum) and option.name is not None:
        return f"{type(option).__name__}.{option.name}"
    if isinstance(option, float):
        return f"{option:g}"
    if isinstance(option, functools.partial):
        named = [f"{name}={_inner_name(own)}" for name, own in option.keywords.items()]
        return f"partial({', '.join([*map(_inner_name, (option.func, *option.args)), *named])})"
    if type(option) in (tuple, list):
        inner = ", ".join(map(_inner_name, option))
        return f"[{inner}]" if isinstance(option, list) else f"({inner}{',' * (len(option) == 1)})"
    if type(option) is dict:
        return f"{{{', '.join(f'{name!r}: {_inner_name(own)}' for name, own in option.items())}}}"
    return _object_name(option)


def _inner_name(option: Any) -> str:
    """The text of an option inside another one."""
    return repr(option) if isinstance(option, str | float) else option_name(option)


def _object_name(option: Any) -> str:
    name = getattr(option, "__name__", None)
    if isinstance(name, str):
        return name
    if getattr(type(option), "__repr__", None) == object.__repr__:
        return f"{type(option).__name__} object"
    return re.sub(r"( at)? ?0x[0-9a-fA-F]{4,}", "", repr(option))
