"""Models in flax linen: the only folder that imports flax."""

from paramjax.models.activations import activation
from paramjax.models.cnn import CNN, Conv, max_pool
from paramjax.models.linear import Linear
from paramjax.models.mlp import MLP

__all__ = ["CNN", "MLP", "Conv", "Linear", "activation", "max_pool"]
