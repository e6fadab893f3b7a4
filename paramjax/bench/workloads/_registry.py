"""Name -> workload."""

from __future__ import annotations

from paramjax._checks import nearest
from paramjax.bench.workloads._breast_cancer_logistic import BREAST_CANCER_LOGISTIC
from paramjax.bench.workloads._digits_mlp import DIGITS_MLP
from paramjax.bench.workloads._workload import Workload

WORKLOADS: dict[str, Workload] = {
    workload.name: workload for workload in (DIGITS_MLP, BREAST_CANCER_LOGISTIC)
}


def get(name: str) -> Workload:
    """The workload of that name.

    Args:
        name: A name of `WORKLOADS`.

    Returns:
        The workload; its data is not loaded yet.

    Raises:
        ValueError: For an unknown name, with the nearest known ones.

    Example:
        >>> get("digits_mlp").metric
        'accuracy'
    """
    if name not in WORKLOADS:
        raise ValueError(nearest(name, WORKLOADS, what="workload"))
    return WORKLOADS[name]
