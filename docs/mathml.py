"""Sphinx draws formulas as MathML, which browsers show without a script or a network."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError

_TOKEN = r"\\[a-zA-Z]+|[^\\{}\s]"


def markup(tex: str, *, block: bool = False) -> str:
    """A formula of LaTeX as a MathML element."""
    # MathML stretches brackets by itself, and docutils has one name for dots on the line
    plain = re.sub(r"\\[bB]igg?[lr]?(?![a-zA-Z])", "", " ".join(tex.split()))
    plain = re.sub(r"\\dots(?![a-zA-Z])", r"\\ldots", plain)
    # \frac12 is one half, which docutils reads as 12 over what follows
    plain = re.sub(rf"(\\[td]?frac)\s*({_TOKEN})\s*({_TOKEN})", r"\1{\2}{\3}", plain)
    try:
        return str(tex2mathml(plain, as_block=block))
    except SyntaxError as error:
        raise ExtensionError(f"a formula that cannot be drawn: {tex!r} ({error})") from error


def _inline(translator, node):
    translator.body.append(markup(node.astext()))
    raise nodes.SkipNode


def _block(translator, node):
    translator.body.append(f'<div class="math">{markup(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
