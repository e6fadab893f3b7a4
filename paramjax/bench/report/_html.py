"""The report as one HTML file that loads nothing from the network."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from paramjax._files import write_atomic
from paramjax._format import number
from paramjax.bench._results import Results
from paramjax.bench.report._formatting import count
from paramjax.bench.report._page import make_page

_PACKAGE = "paramjax.bench.report"


def write_report(results: Results, path: Path) -> None:
    """Write `report.html`: one file that opens in a browser without a network.

    It shows what was measured and what the statistics say of it; that of an interrupted
    benchmark names what is missing. Equal results give equal bytes.

    Args:
        results: Of a benchmark, finished or not.
        path: The file to write.

    Raises:
        OSError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> from paramjax.bench._results import Results
        >>> path = Path(tempfile.mkdtemp()) / "report.html"
        >>> write_report(Results({}, "adamw", [], [], {}, [], [0], None, {}), path)
        >>> "holds no workload" in path.read_text()
        True
    """
    # a command line may hold bytes that are not text, which Python keeps as single surrogates
    write_atomic(path, _render(results).encode("utf-8", "backslashreplace"))


def _render(results: Results) -> str:
    loader = PackageLoader(_PACKAGE, ".")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"count": count, "number": number}
    scripts = [get_plotlyjs(), loader.get_source(environment, "figures.js")[0]]
    return environment.get_template("template.html.jinja").render(
        page=make_page(results),
        css=Markup(loader.get_source(environment, "style.css")[0]),
        scripts=[Markup(script) for script in scripts],
        hashes=" ".join(_hash(script) for script in scripts),
    )


def _hash(script: str) -> str:
    """The hash by which the policy of the page admits this script only."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
