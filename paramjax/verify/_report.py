"""What `paramjax verify` found, on which machine, and what may help."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from paramjax._version import versions
from paramjax.verify._comparison import EQUAL, Finding

DETERMINISTIC = "--xla_gpu_exclude_nondeterministic_ops=true"
"""Makes XLA leave out operations of a GPU whose results vary from call to call."""


class Report(NamedTuple):
    """What was found.

    Attributes:
        key: The number that named the problem.
        facts: Platform, devices, precision and flags, as the first run saw them.
        findings: One for each promise.
    """

    key: int
    facts: dict[str, Any]
    findings: list[Finding]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(finding.kept for finding in self.findings)

    def header(self) -> list[str]:
        """The machine and the versions, as lines to print above the findings."""
        facts = self.facts
        numbers = ", ".join(f"{name} {version}" for name, version in versions().items())
        lines = [
            f"platform   {facts['platform']}: {facts['devices']} x {facts['device_kind']}",
            f"versions   {numbers}",
            f"XLA_FLAGS  {facts['flags'] or 'none'}",
            f"numbers    matmul precision {facts['matmul_precision']}, "
            f"64 bits {'on' if facts['x64'] else 'off'}",
        ]
        if facts["platform"] == "gpu":
            state = "set" if self._is_deterministic() else "not set"
            lines.append(f"GPU        {DETERMINISTIC}: {state}")
        return lines

    def advice(self) -> str | None:
        """What to try if equal bits were promised and not found; None if no flag can help."""
        broken = any(f.promised == EQUAL and not f.kept for f in self.findings)
        if self.facts["platform"] != "gpu" or not broken or self._is_deterministic():
            return None
        return (
            f"on a GPU equal bits are promised only with XLA_FLAGS={DETERMINISTIC}; "
            "set it and verify again"
        )

    def as_dict(self) -> dict[str, Any]:
        """The report as values of JSON; a difference that is infinite is None."""
        findings = [finding._asdict() for finding in self.findings]
        for finding in findings:
            finding["relative"] = None if finding["relative"] == math.inf else finding["relative"]
        return {
            "kept": self.kept,
            "key": self.key,
            "environment": {**self.facts, "versions": versions()},
            "findings": findings,
            "advice": self.advice(),
        }

    def _is_deterministic(self) -> bool:
        # XLA takes the bare flag for true
        spellings = (DETERMINISTIC, DETERMINISTIC.removesuffix("=true"))
        return any(flag in spellings for flag in self.facts["flags"].split())
