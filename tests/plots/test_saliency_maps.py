import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from paramjax.plots import saliency_maps

MAPS = np.array([[[0.5, -2.0], [0.0, 1.0]], [[0.0, 0.1], [0.0, 0.0]]])


def test_maps_are_signed_on_one_scale_over_their_images():
    figure = Figure()
    images = np.array([[[0.0, 1.0], [2.0, 3.0]]] * 2)
    axes = saliency_maps(MAPS, figure.subplots(1, 2), images, titles=["a", "b"], label="logits")
    assert [ax.get_title() for ax in axes] == ["a", "b"]
    for ax, own, picture in zip(axes, MAPS, images, strict=True):
        image, heat = ax.images
        np.testing.assert_array_equal(heat.get_array(), own)
        np.testing.assert_array_equal(image.get_array(), picture)
        assert heat.get_clim() == (-2.0, 2.0)
    first = axes[0].images[-1]
    red, white, blue = (first.cmap(first.norm(value)) for value in (2.0, 0.0, -2.0))
    assert red[0] > 2 * red[2]
    assert blue[2] > 2 * blue[0]
    assert white[:3] == pytest.approx(to_rgba("white")[:3], abs=0.05)
    np.testing.assert_allclose(first.get_alpha(), np.sqrt(np.abs(MAPS[0]) / 2))
    (bar,) = [ax for ax in figure.axes if ax not in axes]
    assert bar.get_ylabel() == "logits"
    assert bar.get_ylim() == (-2.0, 2.0)
    figure.canvas.draw()


def test_channels_are_added_up_and_a_limit_is_kept():
    (ax,) = saliency_maps(MAPS.reshape(1, 2, 2, 2), [Figure().add_subplot()], limit=5.0)
    np.testing.assert_allclose(ax.images[0].get_array(), MAPS.reshape(2, 2, 2).sum(-1))
    assert ax.images[0].get_clim() == (-5.0, 5.0)
    saliency_maps(np.zeros((1, 2, 2)), [Figure().add_subplot()])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributions": MAPS[0]}, r"attributions: expected \[images, height, width\]"),
        ({"images": MAPS[:1]}, r"images: expected the shape of the attributions \(2, 2, 2\)"),
        ({"titles": ["one"]}, "for 2 images, got 2 axes and 1 titles"),
        ({"limit": 0.0}, "limit: expected a positive number, got 0.0"),
    ],
)
def test_other_shapes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        saliency_maps(**{"attributions": MAPS, "axes": Figure().subplots(1, 2)} | change)
