"""Name -> optimizer, each with its search space and the paper it comes from."""

from __future__ import annotations

from paramjax._checks import nearest
from paramjax.optim._adagrad import ADAGRAD
from paramjax.optim._adam import ADAM
from paramjax.optim._adamw import ADAMW
from paramjax.optim._lion import LION
from paramjax.optim._momentum import MOMENTUM, NESTEROV
from paramjax.optim._nadamw import NADAMW
from paramjax.optim._optimizer import Optimizer
from paramjax.optim._rmsprop import RMSPROP
from paramjax.optim._sgd import SGD

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
