"""A figure that notebooks show."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

from paramjax._checks import needs_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def shown_figure(width: float, height: float) -> Figure:
    """An empty figure without pyplot's global state, which a notebook shows as an image.

    IPython draws a plain one only after pyplot was imported, and else prints its type.
    """
    with needs_extra("bench"):
        from matplotlib.figure import Figure
    figure: Figure = _shown(Figure)(figsize=(width, height), layout="constrained")
    return figure


@functools.cache
def _shown(figure: Any) -> Any:
    """The class of figures, with an image for IPython."""

    def image(self: Any) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()

    return type("ShownFigure", (figure,), {"_repr_png_": image, "__module__": __name__})
