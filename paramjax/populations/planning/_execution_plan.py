"""The plan of a population: layouts, why they were chosen, time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from paramjax._format import byte_size, duration
from paramjax.populations._execution import Layout
from paramjax.space._distribution import equal


class Candidate(NamedTuple):
    """A layout that was considered.

    Attributes:
        layout: The layout.
        seconds: Measured seconds for one step of one run; None if it was not tried.
    """

    layout: Layout
    seconds: float | None


class GroupPlan(NamedTuple):
    """How the runs of one structure are laid out.

    Attributes:
        structure: The structural hyperparameters, name -> value.
        runs: Number of runs.
        layout: The chosen layout.
        why: How it was chosen.
        candidates: The layouts that were tried.
        calls_bytes: Bytes of all calls under way, with results that are not stored yet.
        result_bytes: Bytes of the results of one run.
        compile_seconds: Seconds that its programs took to compile.
    """

    structure: dict[str, Any]
    runs: int
    layout: Layout
    why: str
    candidates: tuple[Candidate, ...]
    calls_bytes: int
    result_bytes: int
    compile_seconds: float

    @property
    def seconds(self) -> float | None:
        """Seconds for one step of one run in the chosen layout; None if it was not tried."""
        return next((c.seconds for c in self.candidates if c.layout == self.layout), None)

    def describe(self, *, named: bool) -> list[str]:
        """Lines of text: the layout, then each that was tried, the fastest first."""
        fixed = ", ".join(f"{name}={value!r}" for name, value in self.structure.items())
        head = f"{fixed or 'all'}: {self.runs} runs, " if named else ""
        tried = [(c.seconds, c.layout) for c in self.candidates if c.seconds is not None]
        return [
            f"{head}{self.layout} ({self.why}; compiled in {self.compile_seconds:.1f} s)",
            *(
                f"  {layout}: {duration(seconds)} a run and step"
                for seconds, layout in sorted(tried, key=lambda pair: pair[0])
            ),
        ]


class ExecutionPlan(NamedTuple):
    """How a population is executed.

    Attributes:
        choices: The plan of each structure.
        steps: Steps of a run.
        limit: Most bytes that may be in use.
        taken: Bytes in use before training: the process, its data and its compiled code.
        records: Bytes of the records of all runs.
        on_disk: Whether results go to a file as they come.
    """

    choices: tuple[GroupPlan, ...]
    steps: int
    limit: int
    taken: int
    records: int
    on_disk: bool

    @property
    def peak(self) -> int:
        """Most bytes that will be in use."""
        return self.taken + self.calls + self.records + (0 if self.on_disk else self.kept)

    @property
    def kept(self) -> int:
        """Bytes of the results of all runs."""
        return sum(choice.runs * choice.result_bytes for choice in self.choices)

    @property
    def calls(self) -> int:
        """Most bytes that the calls under way take."""
        return max(choice.calls_bytes for choice in self.choices)

    @property
    def seconds(self) -> float | None:
        """Seconds that training is expected to take; None if a layout was not tried."""
        total = 0.0
        for choice in self.choices:
            if choice.seconds is None:
                return None
            total += choice.runs * self.steps * choice.seconds
        return total

    def layout_of(self, fixed: dict[str, Any]) -> Layout:
        """The layout of a structure."""
        return next(c.layout for c in self.choices if same_structure(c.structure, fixed))

    def describe(self) -> str:
        """The plan as text: layouts, why they were chosen, what was tried, memory and time."""
        runs = sum(choice.runs for choice in self.choices)
        several = f" of {len(self.choices)} structures" if len(self.choices) > 1 else ""
        lines = [f"{runs} runs{several}, {self.steps} steps each"]
        for choice in self.choices:
            lines += choice.describe(named=len(self.choices) > 1)
        lines += [
            f"memory: at most {byte_size(self.peak)} of {byte_size(self.limit)}, "
            f"{byte_size(self.taken)} of it before training",
            f"results: {byte_size(self.kept)}, kept {'in a file' if self.on_disk else 'in memory'}",
        ]
        if self.seconds is not None:
            lines.append(f"training: about {duration(self.seconds)}")
        return "\n".join(lines)


def same_structure(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two structures are equal; their values need not compare."""
    return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
