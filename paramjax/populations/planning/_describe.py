"""A plan in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paramjax._format import byte_size, duration

if TYPE_CHECKING:
    from paramjax.populations.planning._execution_plan import ExecutionPlan, GroupPlan


def described(plan: ExecutionPlan) -> str:
    """A plan in words."""
    runs = sum(choice.runs for choice in plan.choices)
    several = f" of {len(plan.choices)} structures" if len(plan.choices) > 1 else ""
    lines = [f"{runs} runs{several}, {plan.steps} steps each"]
    for choice in plan.choices:
        lines += _choice(choice, named=len(plan.choices) > 1)
    where = "in a file" if plan.on_disk else "in memory"
    kept = sum(choice.runs * choice.result_bytes for choice in plan.choices)
    lines += [
        f"memory: at most {byte_size(plan.peak)} of {byte_size(plan.limit)}, "
        f"{byte_size(plan.taken)} of it before training",
        f"results: {byte_size(kept)}, kept {where}",
    ]
    if plan.seconds is not None:
        lines.append(f"training: about {duration(plan.seconds)}")
    return "\n".join(lines)


def _choice(choice: GroupPlan, *, named: bool) -> list[str]:
    fixed = ", ".join(f"{name}={value!r}" for name, value in choice.structure.items())
    head = f"{fixed or 'all'}: {choice.runs} runs, " if named else ""
    compiled = f"compiled in {choice.compile_seconds:.1f} s"
    lines = [f"{head}{choice.layout} ({choice.why}; {compiled})"]
    return lines + [
        f"  {candidate.layout}: {duration(candidate.seconds)} a run and step"
        for candidate in sorted(choice.candidates, key=_pace)
        if candidate.seconds is not None
    ]


def _pace(candidate: Any) -> float:
    return float("inf") if candidate.seconds is None else candidate.seconds
