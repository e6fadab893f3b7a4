"""Forms of a layer that were chosen by measurement on this machine, kept beside compiled programs.

Each layer has a rule that names a good form for any shapes. Where a layer is large enough to
matter, `choose` notes what it was asked, in a file of the compilation cache; `measure` times the
forms of what was noted, and from the next process on the fastest is taken, if it needs at least
a tenth less time than the rule's form. Nothing is measured while a program is compiled: on two
cores the forms of a single convolution take one to three seconds to compile and time, which is
a third of the first run of a small network, to gain what the rule nearly always has already.

With the cache switched off, or a folder that cannot be written, the rule decides.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import hashlib
import json
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._form_times import Form, timed
from paramjax._jaxprs import open_jaxpr, programs_within

FILE = "paramjax-choices.json"

_MARGIN = 0.9
"""Share of the rule's time that another form may take; noise of a measurement stays above."""


class Offer(NamedTuple):
    """The forms of a kind of layer.

    Attributes:
        forms: Name -> form.
        restored: Details from their JSON.
        asked: `(equation) -> (operands, details, default)` of the kind's primitive in a program,
            or None where nothing is chosen; None for a kind that has no primitive.
        described: `(operands, details)` -> the layer in words, in lines of some 30 characters.
    """

    forms: Mapping[str, Form]
    restored: Callable[[dict[str, Any]], dict[str, Any]] = dict
    asked: Callable[[Any], Any] | None = None
    described: Callable[[Sequence[Any], dict[str, Any]], str] | None = None


class Outcome(NamedTuple):
    """What was measured of a layer of given shapes.

    Attributes:
        layer: The kind, the shapes and the details, in words.
        default: The form that the rule takes.
        seconds: Form -> seconds, the median of some rounds.
        form: The form that is taken from the next process on.
    """

    layer: str
    default: str
    seconds: dict[str, float]
    form: str


_OFFERS: dict[str, Offer] = {}


def offer(kind: str, offered: Offer) -> None:
    """Register the forms of a kind of layer; a primitive has the name of its kind."""
    _OFFERS[kind] = offered


def choose(kind: str, operands: Sequence[Any], details: dict[str, Any], default: str) -> str:
    """The name of the form to compute a layer by; it stays the same while the process lives.

    It may be called while JAX traces or lowers a program, as nothing is computed.

    Args:
        kind: A kind that was offered.
        operands: Anything with the shapes and dtypes of the form's operands.
        details: The form's other arguments; `json.dumps` takes them.
        default: The form that the rule of the layer takes for these operands.
    """
    question = _question(kind, operands, details, default)
    form = _form_of(_kept().get(question))
    if form in _OFFERS[kind].forms:
        return form
    _note(question)
    return default


def in_use(program: Any) -> str:
    """The forms of a traced program that a measurement chose against the rule, as a short text.

    Two programs of one text compute the same numbers, as far as forms decide them; the text is
    empty where the rule's forms are used throughout.
    """
    found = set()
    for part in programs_within(program):
        for equation in open_jaxpr(part).eqns:
            offered = _OFFERS.get(equation.primitive.name)
            asked = offered.asked(equation) if offered and offered.asked else None
            if asked is not None:
                operands, details, default = asked
                form = choose(equation.primitive.name, operands, details, default)
                if form != default:
                    question = _question(equation.primitive.name, operands, details, default)
                    found.add(f"{question} {form}")
    if not found:
        return ""
    digits = hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:8]
    return f"measured forms {digits}"


_sharing: contextvars.ContextVar[bool] = contextvars.ContextVar("sharing cores", default=False)


@contextlib.contextmanager
def sharing_cores() -> Iterator[None]:
    """Lower programs that run side by side, so that forms of least work are best.

    Example:
        >>> with sharing_cores():
        ...     is_sharing_cores()
        True
    """
    token = _sharing.set(True)
    try:
        yield
    finally:
        _sharing.reset(token)


def is_sharing_cores() -> bool:
    """Whether the program that is lowered runs beside others of its kind."""
    return _sharing.get()


def measure(again: bool = False, rounds: int = 7) -> Iterator[Outcome]:
    """Time the forms of every layer that was noted, and keep what is fastest, one by one.

    With `again`, also those that were measured before.

    Raises:
        OSError: If the file cannot be written.

    Example:
        >>> list(measure()) if folder() is None else []
        []
    """
    for question, answer in list(_read().items()):
        parts = _understood(question)
        if parts is None or (not again and _form_of(answer) in _OFFERS[parts.kind].forms):
            continue
        seconds = timed(_OFFERS[parts.kind].forms, parts.operands, parts.details, rounds)
        best = min(seconds, key=lambda form: seconds[form])
        form = best if seconds[best] <= _MARGIN * seconds[parts.default] else parts.default
        _write({question: {"form": form, "seconds": seconds}})
        yield Outcome(_described(parts), parts.default, seconds, form)


def measured() -> int:
    """The number of layers whose forms were measured on this machine.

    Example:
        >>> measured() >= 0
        True
    """
    found = ((_understood(question), answer) for question, answer in _read().items())
    return sum(
        parts is not None and _form_of(answer) in _OFFERS[parts.kind].forms
        for parts, answer in found
    )


def folder() -> Path | None:
    """Where compiled programs and choices are kept; None without a cache."""
    config: Any = jax.config
    given = config.jax_compilation_cache_dir if config.jax_enable_compilation_cache else ""
    return Path(given) if given and "://" not in given else None


@functools.cache
def machine() -> str:
    """The version of JAX, the processor and its cores, whose measurements are comparable.

    Example:
        >>> machine().startswith("JAX ")
        True
    """
    name = platform.machine()
    with contextlib.suppress(OSError):
        about = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
        lines = (line.partition(":") for line in about.splitlines())
        known = {key.strip(): value.strip() for key, _, value in lines}
        words = (known.get(key, "") for key in ("model name", "cpu family", "model"))
        name = " ".join((name, *filter(None, words)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"JAX {jax.__version__}, {name}, {cores} cores"


def _question(kind: str, operands: Sequence[Any], details: dict[str, Any], default: str) -> str:
    shapes = [[str(np.dtype(value.dtype)), *map(int, value.shape)] for value in operands]
    return json.dumps([kind, shapes, details, default], separators=(",", ":"))


def _form_of(answer: Any) -> str:
    """The form that an answer names; nothing of an open question or a damaged answer."""
    form = answer.get("form") if isinstance(answer, dict) else None
    return form if isinstance(form, str) else ""


class _Question(NamedTuple):
    """What `choose` was asked."""

    kind: str
    operands: list[Any]
    details: dict[str, Any]
    default: str


def _understood(question: str) -> _Question | None:
    """What a question of the file asks; None of one of another version of ours."""
    try:
        kind, shapes, details, default = json.loads(question)
        operands = [jax.core.ShapedArray(tuple(shape), np.dtype(name)) for name, *shape in shapes]
        restored = _OFFERS[kind].restored(details)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    found = _Question(kind, operands, restored, default)
    return found if default in _OFFERS[kind].forms else None


def _described(asked: _Question) -> str:
    """A layer in words."""
    words = _OFFERS[asked.kind].described
    if words is not None:
        return words(asked.operands, asked.details)
    return f"{asked.kind} of {' and '.join('x'.join(map(str, o.shape)) for o in asked.operands)}"


_lock = threading.Lock()
_known: dict[Path, dict[str, Any]] = {}
"""What the file of a folder held when this process first asked."""


def _kept() -> dict[str, Any]:
    place = folder()
    if place is None or jax.process_count() > 1:  # all processes must compute alike
        return {}
    with _lock:
        if place not in _known:
            _known[place] = _read()
        return _known[place]


def _read() -> dict[str, Any]:
    """Question -> answer, or None where it is open; nothing of a file that cannot be read."""
    place = folder()
    try:
        found = json.loads((place / FILE).read_text())[machine()] if place else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return found if isinstance(found, dict) else {}


_noted: set[str] = set()


def _note(question: str) -> None:
    """Leave a question to `measure`, unless it is there already."""
    with _lock:
        if question in _noted or jax.process_count() > 1:
            return
        _noted.add(question)
        if question not in _read():
            with contextlib.suppress(OSError):  # then the rule goes on deciding
                _write({question: None})


def _write(answers: dict[str, Any]) -> None:
    """Add to the file; of two processes that write at once one may be lost, and asked again."""
    place = folder()
    if place is None:
        return
    try:
        whole = json.loads((place / FILE).read_text())
    except (OSError, ValueError):
        whole = {}
    kept = whole if isinstance(whole, dict) else {}
    kept[machine()] = _read() | answers
    with tempfile.NamedTemporaryFile("w", dir=place, delete=False, suffix=".json") as draft:
        json.dump(kept, draft, indent=1)
    try:
        os.replace(draft.name, place / FILE)
    except OSError:
        os.unlink(draft.name)
        raise
