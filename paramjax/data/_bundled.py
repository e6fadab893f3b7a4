"""Real data that comes with scikit-learn, so that it is there without a network."""

from __future__ import annotations

import numpy as np

from paramjax.data._table import table


def digits() -> dict[str, np.ndarray]:
    """Handwritten digits: 1,797 images of 8 x 8 pixels in 10 classes.

    The test part of the Optical Recognition of Handwritten Digits set (Alpaydin and
    Kaynak, 1998, UCI), pixels scaled from 0..16 to [0, 1].

    Returns:
        `{"x": float32[1797, 64], "y": int32[1797]}`.

    Raises:
        ModuleNotFoundError: Without scikit-learn (`pip install "paramjax[bench]"`).

    Example:
        >>> digits()["x"].shape
        (1797, 64)
    """
    from sklearn import datasets  # 1 s to import: only who asks for the data pays

    x, y = datasets.load_digits(return_X_y=True)
    return table(x / 16.0, y, num_classes=10)


def breast_cancer() -> dict[str, np.ndarray]:
    """Breast cancer, Wisconsin diagnostic: 569 rows, 30 features, malignant 0 or benign 1.

    Street, Wolberg and Mangasarian (1993), UCI; features as published, not standardised.

    Returns:
        `{"x": float32[569, 30], "y": int32[569]}`.

    Raises:
        ModuleNotFoundError: Without scikit-learn (`pip install "paramjax[bench]"`).

    Example:
        >>> int(breast_cancer()["y"].sum())
        357
    """
    from sklearn import datasets

    x, y = datasets.load_breast_cancer(return_X_y=True)
    return table(x, y, num_classes=2)
