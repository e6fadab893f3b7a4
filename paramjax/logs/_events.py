"""TensorBoard's event files: framing, and what the files of a folder say."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paramjax.logs._columns import VALIDATION

START = {"status": 1}
"""`SessionLog.START`: what earlier files say about this step and later ones is forgotten."""


@dataclass
class Found:
    """What the event files of a folder say.

    Attributes:
        trained: Steps with training metrics.
        validated: Step -> tag -> value of the validation metrics.
        damaged: The first file with a record that is not as it was written, None without one.
    """

    trained: set[int] = field(default_factory=set)
    validated: dict[int, dict[str, float]] = field(default_factory=dict)
    damaged: Path | None = None


def record(**fields: Any) -> bytes:
    """An event in the framing of TFRecord: length, its checksum, the event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    event: bytes = Event(wall_time=time.time(), **fields).SerializeToString()
    length = struct.pack("<Q", len(event))
    return length + _checksum(length) + event + _checksum(event)


def read_events(paths: Iterable[Path]) -> Found:
    """What files say together, read in the order in which TensorBoard does."""
    found = Found()
    for path in paths:
        for event in _events(path):
            if event is None:
                found.damaged = found.damaged or path
            else:
                _take(found, event)
    return found


def is_ours(path: Path) -> bool:
    """Whether a file begins as ours do, or is cut off before that shows."""
    events = _events(path)
    first, second = next(events, None), next(events, None)
    versions = first is None or first.file_version == "brain.Event:2"
    return versions and (second is None or second.session_log.status == START["status"])


def _take(found: Found, event: Any) -> None:
    if event.session_log.status == START["status"]:
        found.trained = {step for step in found.trained if step < event.step}
        earlier = {step: tags for step, tags in found.validated.items() if step < event.step}
        found.validated = earlier
    values = {value.tag: value.simple_value for value in event.summary.value}
    tags = {tag: number for tag, number in values.items() if tag.startswith(VALIDATION)}
    if tags:
        found.validated.setdefault(event.step, {}).update(tags)
    if len(tags) < len(values):
        found.trained.add(event.step)


def _events(path: Path) -> Iterator[Any | None]:
    """The events of a file, None for one that is damaged or cut off, which is the last."""
    from google.protobuf.message import DecodeError
    from tensorboardX.proto.event_pb2 import Event

    with path.open("rb") as file:
        size = path.stat().st_size
        while head := file.read(12):
            length = int.from_bytes(head[:8], "little")
            if head[8:] != _checksum(head[:8]) or length > size:
                yield None
                return
            body, checksum = file.read(length), file.read(4)
            if checksum != _checksum(body):
                yield None
                return
            try:
                yield Event.FromString(body)
            except DecodeError:
                yield None


def _checksum(content: bytes) -> bytes:
    from tensorboardX.record_writer import masked_crc32c

    return struct.pack("<I", masked_crc32c(content))
