"""Numbers, sizes and times as a reader sees them."""

from __future__ import annotations

import math

_BINARY = ("KiB", "MiB", "GiB", "TiB", "PiB")


def number(value: float, digits: int = 4) -> str:
    """A number to so many significant digits, its exponent without filling.

    Example:
        >>> number(0.0543211), number(1e-5), number(1e12), number(2.53e-7, 2)
        ('0.05432', '1e-5', '1e12', '2.5e-7')
    """
    return f"{value:.{digits}g}".replace("e+", "e").replace("e0", "e").replace("e-0", "e-")


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
