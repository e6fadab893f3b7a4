"""A figure that notebooks show; importing it imports matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure without pyplot's global state, which a notebook shows as an image all the same.

    IPython draws a plain one only after pyplot was imported, and else prints its type.
    """

    def _repr_png_(self) -> bytes:
        """The image, for IPython."""
        image = io.BytesIO()
        self.savefig(image, format="png")
        return image.getvalue()
