"""`manifest.json`: what a benchmark was run with."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

from paramjax._files import write_atomic
from paramjax._hashes import file_hash
from paramjax._version import versions

MANIFEST = "manifest.json"


def provenance(file: Path) -> dict[str, str]:
    """A file's path with its git revision if it is committed unchanged, else with its SHA-256."""
    git = ("git", "-C", str(file.parent.absolute()))
    try:
        revision = _output([*git, "log", "-1", "--format=%H", "--", file.name])
        changed = _output([*git, "status", "--porcelain", "--", file.name])
    except (OSError, subprocess.CalledProcessError):
        revision, changed = "", ""  # no git here, or no repository: the hash says it all
    if revision and not changed:
        return {"path": str(file), "git_revision": revision}
    return {"path": str(file), "sha256": file_hash(file)}


def manifest(flags: dict[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """Everything needed to run a benchmark again, as values of JSON.

    Example:
        >>> sorted(manifest({"key": 3}, []))[:4]
        ['command', 'cores', 'devices', 'files']
    """
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "devices": [f"{device.platform}:{device.device_kind}" for device in jax.devices()],
        "key": flags["key"],
        "flags": flags,
        "command": ["paramjax", *sys.argv[1:]],
        "files": [provenance(file) for file in files],
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_json(path: Path, value: Any) -> None:
    """Replace a file by JSON in one move; raise ValueError if a number is NaN or infinite."""
    write_atomic(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
