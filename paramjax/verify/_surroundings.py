"""What the findings depend on beside paramjax: platform, versions, flags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paramjax._version import versions
from paramjax.verify._promise import EQUAL, Finding

DETERMINISTIC = "--xla_gpu_exclude_nondeterministic_ops=true"


def is_deterministic(facts: dict[str, Any]) -> bool:
    """Whether XLA was told to leave out operations of a GPU that are not reproducible."""
    # XLA takes the bare flag for true
    spellings = (DETERMINISTIC, DETERMINISTIC.removesuffix("=true"))
    return any(flag in spellings for flag in facts["flags"].split())


def header(facts: dict[str, Any]) -> list[str]:
    """What to print above the findings.

    Args:
        facts: Of the machine, as the first run saw it.

    Returns:
        Lines.

    Example:
        >>> facts = {"platform": "cpu", "device_kind": "cpu", "devices": 1, "flags": "",
        ...          "matmul_precision": "default", "x64": False}
        >>> header(facts)[0], header(facts)[2]
        ('platform   cpu: 1 x cpu', 'XLA_FLAGS  none')
    """
    numbers = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [
        f"platform   {facts['platform']}: {facts['devices']} x {facts['device_kind']}",
        f"versions   {numbers}",
        f"XLA_FLAGS  {facts['flags'] or 'none'}",
        f"numbers    matmul precision {facts['matmul_precision']}, "
        f"64 bits {'on' if facts['x64'] else 'off'}",
    ]
    if facts["platform"] == "gpu":
        lines.append(f"GPU        {DETERMINISTIC}: {_set_or_not(facts)}")
    return lines


def advice(facts: dict[str, Any], findings: Iterable[Finding]) -> str | None:
    """What may help where equal bits were promised and not found.

    Args:
        facts: Of the machine.
        findings: All of them.

    Returns:
        A sentence, None where nothing was broken that a flag could mend.
    """
    broken = any(f.promised == EQUAL and not f.kept for f in findings)
    if facts["platform"] != "gpu" or not broken or is_deterministic(facts):
        return None
    return f"on a GPU bits are promised with XLA_FLAGS={DETERMINISTIC}; set it and verify again"


def _set_or_not(facts: dict[str, Any]) -> str:
    return "set" if is_deterministic(facts) else "not set"
