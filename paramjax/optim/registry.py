"""Name -> optimizer, each with its search space and the paper it comes from."""

from __future__ import annotations

from paramjax.checks import nearest
from paramjax.optim.adagrad import ADAGRAD
from paramjax.optim.adam import ADAM
from paramjax.optim.adamw import ADAMW
from paramjax.optim.lion import LION
from paramjax.optim.momentum import MOMENTUM, NESTEROV
from paramjax.optim.nadamw import NADAMW
from paramjax.optim.optimizer import Optimizer
from paramjax.optim.rmsprop import RMSPROP
from paramjax.optim.sgd import SGD

REGISTRY: dict[str, Optimizer] = {
    optimizer.name: optimizer
    for optimizer in (SGD, MOMENTUM, NESTEROV, ADAGRAD, RMSPROP, ADAM, ADAMW, NADAMW, LION)
}


def get(name: str) -> Optimizer:
    """The optimizer of that name.

    Args:
        name: A name of `REGISTRY`.

    Returns:
        Its factory, search space and source.

    Raises:
        ValueError: For an unknown name, with the nearest known ones.

    Example:
        >>> sorted(get("adamw").space)
        ['learning_rate', 'weight_decay']
    """
    if name not in REGISTRY:
        raise ValueError(nearest(name, REGISTRY, what="optimizer"))
    return REGISTRY[name]
