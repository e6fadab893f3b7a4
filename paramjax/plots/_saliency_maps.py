"""Saliency maps: what each pixel contributes, as colours over the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = "RdBu_r"
_FAINT = 0.4
"""Share of an image's contrast that is left beneath its map."""


def saliency_maps(
    attributions: Any,
    axes: Sequence[Axes] | np.ndarray,
    images: Any = None,
    *,
    titles: Sequence[str] = (),
    limit: float | None = None,
    label: str = "contribution",
) -> list[Axes]:
    """Draw attributions as heat maps, signed and on one scale, over the images in faint grey.

    Red raises the output, blue lowers it, and white does neither. Channels are added up.

    Args:
        attributions: What each pixel contributes, [images, height, width] or [images, height,
            width, channels], such as `pj.explain.integrated_gradients(...).attributions`.
        axes: Axes to draw on, one for each image, such as `figure.subplots(1, 4)`.
        images: The images themselves, of that shape; None draws the maps alone.
        titles: A title for each image; none by default.
        limit: The contribution at which colours are darkest, positive; None takes the largest
            magnitude among the images.
        label: What the colour bar measures.

    Returns:
        The axes.

    Raises:
        ValueError: If attributions or images have another shape, the numbers of images, axes
            and titles differ, or the limit is not positive.

    Example:
        >>> from matplotlib.figure import Figure
        >>> maps = np.array([[[0.5, -0.5], [0.0, 1.0]], [[0.0, 0.1], [0.0, 0.0]]])
        >>> left, right = saliency_maps(maps, Figure().subplots(1, 2), titles=["first", "second"])
        >>> left.images[-1].get_clim()
        (-1.0, 1.0)
    """
    maps = _pixels("attributions", attributions)
    shown: list[Axes] = list(np.asarray(axes, object).ravel())
    pictures = None if images is None else _pixels("images", images)
    if pictures is not None and pictures.shape != maps.shape:
        raise ValueError(
            f"images: expected the shape of the attributions {maps.shape}, got {pictures.shape}"
        )
    if len(shown) != len(maps) or len(titles) not in {0, len(maps)}:
        raise ValueError(
            f"expected axes, and titles if any, for {len(maps)} images, got {len(shown)} axes and "
            f"{len(titles)} titles"
        )
    high = float(np.abs(maps).max(initial=0.0)) or 1.0 if limit is None else limit
    if not high > 0:
        raise ValueError(f"limit: expected a positive number, got {limit}")
    for index, ax in enumerate(shown):
        if pictures is not None:
            _draw_faint(ax, pictures[index])
        # what contributes nothing is clear, so that the image shows
        opaque = 1.0 if pictures is None else np.clip(np.abs(maps[index]) / high, 0, 1) ** 0.5
        drawn = ax.imshow(maps[index], cmap=_COLOURS, vmin=-high, vmax=high, alpha=opaque)
        ax.set(xticks=[], yticks=[])
        if titles:
            ax.set_title(titles[index], fontsize=10)
    shown[0].figure.colorbar(
        _opaque(drawn), ax=shown, label=label, shrink=0.8, fraction=0.03, pad=0.02
    )
    return shown


def _pixels(name: str, values: Any) -> np.ndarray:
    """Values [images, height, width], channels added up."""
    array = np.asarray(values, np.float64)
    if array.ndim not in {3, 4} or array.shape[0] == 0:
        raise ValueError(
            f"{name}: expected [images, height, width] or [images, height, width, channels], got "
            f"shape {array.shape}"
        )
    return array if array.ndim == 3 else array.sum(axis=-1)


def _draw_faint(ax: Axes, picture: np.ndarray) -> None:
    """An image from white to light grey, whatever its range."""
    low, high = picture.min(), picture.max()
    ax.imshow(picture, cmap="Greys", vmin=low, vmax=low + ((high - low) or 1.0) / _FAINT)


def _opaque(drawn: Any) -> Any:
    """The colours of a map without its opacity, for the colour bar."""
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(norm=drawn.norm, cmap=drawn.cmap)
