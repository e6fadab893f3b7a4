"""Augmentations of images, pure functions of (key, batch), each example with draws of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_key, check_scalar, describe
from paramjax._types import Array, Batch, Key

Augment = Callable[[Key, Batch], Batch]
"""`(key, batch) -> batch`, pure, for `pj.losses.augmented`."""


def compose(*augmentations: Augment) -> Augment:
    """One augmentation after the other, each with a key of its own.

    Args:
        augmentations: `(key, batch) -> batch`, applied in this order; none at all changes nothing.

    Returns:
        An augmentation, for `pj.losses.augmented(loss_fn, ...)` or for another `compose`.

    Raises:
        TypeError: If one is not a function.

    Example:
        >>> augment = compose(random_flip(), random_shift(1), cutout(2))
        >>> batch = {"x": jnp.ones((4, 8, 8, 1)), "y": jnp.arange(4)}
        >>> jax.eval_shape(augment, jax.random.key(0), batch)["x"].shape
        (4, 8, 8, 1)
    """
    for number, augment in enumerate(augmentations):
        if not callable(augment):
            raise TypeError(
                f"compose: augmentation {number}: expected a function (key, batch) -> batch, got "
                f"{describe(augment)}"
            )

    def composed(key: Key, batch: Batch) -> Batch:
        for number, augment in enumerate(augmentations):
            batch = augment(jax.random.fold_in(key, number), batch)
        return batch

    return composed


def random_flip(probability: float | Array = 0.5, *, vertical: bool = False) -> Augment:
    """Mirror images, left to right, with a probability.

    Args:
        probability: In [0, 1], or a traced scalar.
        vertical: Whether to mirror them top to bottom instead.

    Returns:
        An augmentation of `batch["x"]`, [batch, height, width, channels].

    Raises:
        ValueError: If the probability is out of range, or, at the first call, `x` has no such
            shape.

    Example:
        >>> batch = {"x": jnp.arange(3.0).reshape(1, 1, 3, 1)}
        >>> random_flip(1.0)(jax.random.key(0), batch)["x"].reshape(-1).tolist()
        [2.0, 1.0, 0.0]
    """
    check_scalar("random_flip: probability", probability, high=1.0)

    def flip(key: Key, image: Array) -> Array:
        mirrored = jnp.flip(image, axis=0 if vertical else 1)
        return jnp.where(jax.random.bernoulli(key, probability), mirrored, image)

    return _each("random_flip", flip)


def random_shift(most: int) -> Augment:
    """Move images by whole pixels, up to `most` each way; what comes in from outside is 0.

    The same as zero padding by `most` and a random crop of the old size, as He et al. (2016,
    Deep residual learning, section 4.2) train with `most=4`.

    Args:
        most: Pixels, positive.

    Returns:
        An augmentation of `batch["x"]`, [batch, height, width, channels].

    Raises:
        TypeError: If `most` is no whole number.
        ValueError: If it is less than 1, or, at the first call, `x` has no such shape.

    Example:
        >>> batch = {"x": jnp.ones((2, 4, 4, 1))}
        >>> float(random_shift(3)(jax.random.key(0), batch)["x"].max())
        1.0
    """
    check_count("random_shift: most", most)

    def shift(key: Key, image: Array) -> Array:
        padded = jnp.pad(image, ((most, most), (most, most), (0, 0)))
        return _crop(key, padded, image.shape[0], image.shape[1])

    return _each("random_shift", shift)


def random_crop(height: int, width: int) -> Augment:
    """Cut a window out of each image at a random place.

    Args:
        height: Of the window in pixels, at most that of the images.
        width: Likewise.

    Returns:
        An augmentation of `batch["x"]`, [batch, rows, columns, channels] -> [batch, height, width,
        channels].

    Raises:
        TypeError: If a length is no whole number.
        ValueError: If one is less than 1, or, at the first call, larger than the images, or `x`
            has no such shape.

    Example:
        >>> batch = {"x": jnp.ones((2, 8, 8, 3))}
        >>> jax.eval_shape(random_crop(6, 5), jax.random.key(0), batch)["x"].shape
        (2, 6, 5, 3)
    """
    check_count("random_crop: height", height)
    check_count("random_crop: width", width)

    def crop(key: Key, image: Array) -> Array:
        if height > image.shape[0] or width > image.shape[1]:
            raise ValueError(
                f"random_crop: expected a window within images of {image.shape[0]} x "
                f"{image.shape[1]} pixels, got {height} x {width}"
            )
        return _crop(key, image, height, width)

    return _each("random_crop", crop)


def random_noise(deviation: float | Array) -> Augment:
    """Add independent normal numbers to every pixel.

    Args:
        deviation: Standard deviation from 0 in units of `x`, or a traced scalar.

    Returns:
        An augmentation of `batch["x"]`, floats [batch, ...].

    Raises:
        TypeError: At the first call, if `x` does not hold floats.
        ValueError: If the deviation is negative.

    Example:
        >>> batch = {"x": jnp.zeros((1000, 2))}
        >>> x = random_noise(0.5)(jax.random.key(0), batch)["x"]
        >>> 0.45 < float(x.std()) < 0.55
        True
    """
    check_scalar("random_noise: deviation", deviation)

    def noise(key: Key, row: Array) -> Array:
        if not jnp.issubdtype(row.dtype, jnp.floating):
            raise TypeError(
                f"random_noise: expected floats, got {row.dtype}; pass x.astype(jnp.float32)"
            )
        return row + jnp.asarray(deviation, row.dtype) * jax.random.normal(
            key, row.shape, row.dtype
        )

    return _each("random_noise", noise, axes=None)


def cutout(size: int, *, fill: float = 0.0) -> Augment:
    """Blank a square of each image, centred at a random pixel and clipped at the border.

    DeVries and Taylor (2017), "Improved regularization of convolutional neural networks with
    cutout", section 3.

    Args:
        size: Side of the square in pixels, positive.
        fill: What its pixels become.

    Returns:
        An augmentation of `batch["x"]`, [batch, height, width, channels].

    Raises:
        TypeError: If the size is no whole number.
        ValueError: If it is less than 1, or, at the first call, `x` has no such shape.

    Example:
        >>> batch = {"x": jnp.ones((1, 9, 9, 1))}
        >>> 4 <= 81 - int(cutout(3)(jax.random.key(0), batch)["x"].sum()) <= 9
        True
    """
    check_count("cutout: size", size)

    def cut(key: Key, image: Array) -> Array:
        height, width = image.shape[:2]
        centre = jax.random.randint(key, (2,), 0, jnp.array([height, width]))
        rows, columns = (
            _inside(jnp.arange(length), centre[axis], size)
            for axis, length in enumerate((height, width))
        )
        hole = rows[:, None, None] & columns[None, :, None]
        return jnp.where(hole, jnp.asarray(fill, image.dtype), image)

    return _each("cutout", cut)


def _inside(index: Array, centre: Array, size: int) -> Array:
    """Which places of an axis lie in a window of this size around the centre."""
    first = centre - size // 2
    return (index >= first) & (index < first + size)


def _crop(key: Key, image: Array, height: int, width: int) -> Array:
    """A window at a place that is drawn evenly."""
    room = jnp.array([image.shape[0] - height + 1, image.shape[1] - width + 1])
    top, left = jax.random.randint(key, (2,), 0, room)
    return jax.lax.dynamic_slice(image, (top, left, 0), (height, width, image.shape[2]))


def _each(what: str, one: Callable[[Key, Array], Array], axes: int | None = 4) -> Augment:
    """A function of one example as an augmentation of a batch."""

    def augment(key: Key, batch: Batch) -> Batch:
        check_key(key)
        x = inputs_of(what, batch, axes)
        return {**batch, "x": jax.vmap(one)(jax.random.split(key, x.shape[0]), x)}

    return augment


def inputs_of(what: str, batch: Any, axes: int | None) -> Array:
    """The inputs of a batch, if they have so many axes."""
    if not isinstance(batch, Mapping) or "x" not in batch:
        raise TypeError(
            f'{what}: expected a batch {{"x": inputs, ...}}, got {type(batch).__name__}; make one '
            "by pj.data.table(x, y)"
        )
    x = jnp.asarray(batch["x"])
    if axes is not None and x.ndim != axes:
        advice = "x[..., None]" if x.ndim == 3 else "x.reshape(len(x), height, width, channels)"
        raise ValueError(
            f"{what}: expected images [batch, height, width, channels], got {describe(x)}; pass "
            f"{advice}, with one channel for grey images"
        )
    return x
