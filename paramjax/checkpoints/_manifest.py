"""What a checkpoint says about itself, so that any damage to it shows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from paramjax._hashes import content_hash
from paramjax.checkpoints._hashes import Damaged, Files

NAME = "manifest.json"
FORMAT = 1


class Leaf(NamedTuple):
    """One array.

    Attributes:
        form: Dtype and shape, as errors print them, such as "float32[3,2]" or "key<fry>[]".
        dtype: Of what is stored: a key is stored as its numbers.
        shape: Of what is stored.
        key: The generator whose key it is, None for numbers.
        hash: Of its form and contents.
    """

    form: str
    dtype: str
    shape: tuple[int, ...]
    key: str | None
    hash: str

    @property
    def empty(self) -> bool:
        """Whether it holds nothing, so that its form says all about it."""
        return math.prod(self.shape) == 0


class Manifest(NamedTuple):
    """What stands in the file.

    Attributes:
        step: Steps done.
        saved: When, in seconds since 1970.
        score: Of the validation of these very parameters, the lower the better, or None.
        metrics: The last values of the history, to be shown.
        validation: The last validation, to be shown.
        identity: What makes the run the run it is, name -> value.
        program: A fingerprint of what a step computes.
        extra: What the run needs beside arrays.
        history: The arrays of `history.npz`: two dictionaries, name -> dtype.
        leaves: Name -> leaf, in the order of the tree.
        files: Path in the folder -> bytes and hash.
        versions: Package -> version that wrote it.
    """

    step: int
    saved: float
    score: float | None
    metrics: dict[str, float]
    validation: dict[str, float]
    identity: dict[str, Any]
    program: str
    extra: dict[str, Any]
    history: tuple[dict[str, str], ...]
    leaves: dict[str, Leaf]
    files: Files
    versions: dict[str, str]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it beside the files that it describes.

    Args:
        folder: The checkpoint.
        manifest: What to write.
    """
    (folder / NAME).write_bytes(_rendered({"format": FORMAT, **manifest._asdict()}))


def read_manifest(folder: Path) -> Manifest:
    """Read it, and see that it is whole.

    Args:
        folder: The checkpoint.

    Returns:
        The manifest.

    Raises:
        Damaged: If it is missing, or a single bit is not as it was written.
        ValueError: If a later paramjax wrote it in a format that this one does not know.
    """
    try:
        written = (folder / NAME).read_bytes()
        body = json.loads(written)["manifest"]
        whole = written == _rendered(body)
    except OSError as error:
        raise Damaged(f"{NAME} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"{NAME} is not as it was written: {error}") from error
    if not whole:
        raise Damaged(f"{NAME} does not agree with its own hash")
    if body["format"] != FORMAT:
        raise ValueError(
            f"checkpoint {folder}: expected format {FORMAT}, got {body['format']}; install the "
            "version of paramjax that wrote it"
        )
    del body["format"]
    leaves = {
        name: Leaf(form, dtype, tuple(shape), key, digest)
        for name, (form, dtype, shape, key, digest) in body["leaves"].items()
    }
    files = {name: (size, digest) for name, (size, digest) in body["files"].items()}
    return Manifest(**{**body, "leaves": leaves, "files": files})


def _rendered(body: dict[str, Any]) -> bytes:
    """The file: a hash, and all else, for those who look at it one entry of a list a line."""
    lines = [f'  "{name}": {_lines(value)}' for name, value in body.items()]
    text = "{\n" + ",\n".join(lines) + "\n}"
    digest = content_hash(text)
    return f'{{"sha256": "{digest}",\n"manifest": {text}}}\n'.encode()


def _lines(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    entries = (f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items())
    return "{\n" + ",\n".join(entries) + "\n  }"
