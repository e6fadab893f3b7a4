"""Whether the folder of a benchmark is as benchmarks have left it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from paramjax.bench._folder import REPORT_PAGE, VERDICTS, NoRecordsError, read_manifest
from paramjax.bench._manifest import MANIFEST
from paramjax.bench._seals import SEAL, changed_outputs, check_store, lost_records
from paramjax.bench._stored import FOLDER, OLD_FILE, RecordsMismatchError, read_store


def refuse_foreign(out: Path) -> None:
    """Raise if files that a benchmark would write are there, and no benchmark has written them.

    Raises:
        RecordsMismatchError: If one is, such as the manifest.json of a web page.
    """
    if (out / OLD_FILE).exists() or any((out / FOLDER).glob("*/*.sqlite")):
        return
    try:
        about = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        about = None
    if isinstance(about, dict) and SEAL in about:
        return
    for path in (out / MANIFEST, out / VERDICTS, out / REPORT_PAGE):
        if path.exists():
            raise RecordsMismatchError(
                f"{path} is no file of a benchmark, and would be replaced; name another --out, or "
                "remove it by hand"
            )


def look_over(out: Path) -> list[str]:
    """Look whether a folder is as benchmarks have left it.

    Returns:
        What was changed or deleted and can be made anew, in sentences.

    Raises:
        DamagedError: If a store is damaged, an older copy, or that of another optimizer.
    """
    found = []
    try:
        about = read_manifest(out)
    except NoRecordsError as error:
        about = {}
        if (out / MANIFEST).exists() or any((out / FOLDER).glob("*/*.sqlite")):
            found.append(f"{error}; the keys that were used in the folder are not known any more")
    for path in sorted((out / FOLDER).glob("*/*.sqlite")):
        store, notes = read_store(path)
        try:
            check_store(out, path, store, notes, about)
        finally:
            store.close()
    found += [f"{path} is gone; its trainings are made anew" for path in lost_records(out, about)]
    return found + output_notices(out, about)


def output_notices(out: Path, about: dict[str, Any]) -> list[str]:
    """Which of the drawn files were changed, in sentences."""
    return [
        f"{path} was changed since it was written, and is written anew"
        for path in changed_outputs(out, about)
    ]
