"""A plan in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paramjax.populations.planning._memory import gibibytes

if TYPE_CHECKING:
    from paramjax.populations.planning._execution_plan import ExecutionPlan, GroupPlan


def described(plan: ExecutionPlan) -> str:
    """A plan in words.

    Args:
        plan: The plan.

    Returns:
        Some lines: layouts and what they take, why they were chosen, memory.
    """
    runs = sum(choice.runs for choice in plan.choices)
    several = f" of {len(plan.choices)} structures" if len(plan.choices) > 1 else ""
    lines = [f"{runs} runs{several}, {plan.steps} steps each"]
    for choice in plan.choices:
        lines += _choice(choice, named=len(plan.choices) > 1)
    where = "in a file" if plan.on_disk else "in memory"
    kept = sum(choice.runs * choice.result_bytes for choice in plan.choices)
    lines += [
        f"memory: at most {gibibytes(plan.peak)} of {gibibytes(plan.limit)}, "
        f"{gibibytes(plan.taken)} of it before training",
        f"results: {gibibytes(kept)}, kept {where}",
    ]
    if plan.seconds is not None:
        lines.append(f"training: about {_time(plan.seconds)}")
    return "\n".join(lines)


def _choice(choice: GroupPlan, *, named: bool) -> list[str]:
    fixed = ", ".join(f"{name}={value!r}" for name, value in choice.structure.items())
    head = f"{fixed or 'all'}: {choice.runs} runs, " if named else ""
    compiled = f"compiled in {choice.compile_seconds:.1f} s"
    lines = [f"{head}{choice.layout} ({choice.why}; {compiled})"]
    return lines + [
        f"  {candidate.layout}: {_time(candidate.seconds)} a run and step"
        for candidate in sorted(choice.candidates, key=_pace)
        if candidate.seconds is not None
    ]


def _pace(candidate: Any) -> float:
    return float("inf") if candidate.seconds is None else candidate.seconds


def _time(seconds: float) -> str:
    """A time as people read it.

    Example:
        >>> _time(0.000131), _time(0.25), _time(75.0), _time(7300.0)
        ('131 us', '250 ms', '1.2 min', '2.0 h')
    """
    for size, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"
