"""Inputs and targets as one checked batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from paramjax.data._validation import check_data, check_labels


def table(x: Any, y: Any, *, num_classes: int | None = None) -> dict[str, np.ndarray]:
    """The batch `{"x": x, "y": y}` in 32 bits, refused where it would train to nonsense.

    Args:
        x: Inputs [rows, ...].
        y: Targets [rows, ...]; class labels if `num_classes` is given.
        num_classes: Number of classes, which makes `y` integers in [0, num_classes).

    Returns:
        A dict of float32 (labels: int32) arrays with one leading axis.

    Raises:
        TypeError: If an array is not numeric or labels are not integers.
        ValueError: If it is empty, the lengths differ, a value is NaN, infinite or too
            large for 32 bits, or a label is out of range.

    Example:
        >>> table([[0.0], [1.0]], [0, 1], num_classes=2)["y"].dtype
        dtype('int32')
    """
    data = {"x": np.asarray(x), "y": np.asarray(y)}
    check_data(data)
    if num_classes is not None:
        check_labels(data["y"], num_classes)
    target = np.int32 if num_classes is not None else np.float32
    return {"x": data["x"].astype(np.float32), "y": data["y"].astype(target)}
