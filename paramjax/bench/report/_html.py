"""The report as one HTML file that loads nothing from the network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from paramjax._files import write_atomic
from paramjax.bench._entries import Excluded
from paramjax.bench._records import Records
from paramjax.bench.report._formatting import count, listed
from paramjax.bench.report._page import describe, make_page

_PACKAGE = "paramjax.bench.report"


def write_report(
    records: Records, manifest: dict[str, Any], excluded: Sequence[Excluded], path: Path
) -> Path:
    """Write `report.html`: one file that opens in a browser without a network.

    The report shows what the records hold and what the statistics say of them. That of an
    interrupted benchmark names the missing trainings. Equal records and manifest give equal bytes.

    Args:
        records: Of a benchmark, finished or not.
        manifest: Versions, platform, command and flags of the benchmark; missing entries are left
            out of the report.
        excluded: The optimizers that could not take part.
        path: The file to write.

    Returns:
        `path`.

    Raises:
        OSError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> records = Records(folder)
        >>> write_report(records, {}, [], folder / "report.html").name
        'report.html'
        >>> records.close()
    """
    text = _render(records, manifest, excluded)
    # a command line may hold bytes that are not text, which Python keeps as single surrogates
    write_atomic(path, text.encode("utf-8", "backslashreplace"))
    return path


def _render(records: Records, manifest: dict[str, Any], excluded: Sequence[Excluded]) -> str:
    loader = PackageLoader(_PACKAGE, ".")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"listed": listed, "describe": describe}
    environment.globals |= {"count": count}
    scripts = [get_plotlyjs(), loader.get_source(environment, "figures.js")[0]]
    return environment.get_template("template.html.jinja").render(
        page=make_page(records, manifest, excluded),
        css=Markup(loader.get_source(environment, "style.css")[0]),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(_hash(script) for script in scripts),
    )


def _hash(script: str) -> str:
    """The hash by which the policy of the page admits this script only."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
