"""How Sphinx builds the documentation; every page with code cells is executed."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "paramjax"
author = "The paramjax maintainers"
version = release = installed("paramjax")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "gallery", "mathml"]
exclude_patterns = ["_build", "expected"]
html_theme = "furo"
html_title = "paramjax"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_math_renderer = "mathml"  # pages need no network, nor do their readers
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "remove"

suppress_warnings = ["myst-nb.lexer"]  # with execution off nobody says that cells are Python
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # else the fields of a NamedTuple are described twice


def write_markup(app, what, name, obj, options, lines):
    """Docstrings mark code by single backticks and math by dollars; say so in reStructuredText."""
    text = "\n".join(lines)
    text = re.sub(r"(?<![`:])`([^`\n]+)`(?!`)", r"``\1``", text)
    text = re.sub(r"^( *)(.*?)\$\$(.+?)\$\$", _display, text, flags=re.S | re.M)
    lines[:] = re.sub(r"(?<![\\`$])\$([^$\n`]+)\$", r":math:`\1`", text).split("\n")


def _display(match):
    # on one line, because the body of the directive must be indented evenly
    indent, before, formula = match[1], match[2], " ".join(match[3].split())
    return f"{indent}{before}\n\n{indent}.. math:: {formula}\n\n{indent}"


def skip_fields(app, what, name, obj, skip, options):
    """A NamedTuple's fields are in its docstring already."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field") else skip


def setup(app):
    # before napoleon, which takes a colon between single backticks for the end of a type
    app.connect("autodoc-process-docstring", write_markup, priority=400)
    app.connect("autodoc-skip-member", skip_fields)
