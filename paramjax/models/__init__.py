"""Models in flax linen, and adapters for others: the only folder that imports flax."""

from paramjax.models.activations import activation
from paramjax.models.adapted import Adapted
from paramjax.models.cnn import CNN
from paramjax.models.conv import Conv
from paramjax.models.dense import Dense
from paramjax.models.from_callable import from_callable
from paramjax.models.from_nnx import from_nnx
from paramjax.models.linear import Linear
from paramjax.models.lstm import LSTM
from paramjax.models.mlp import MLP
from paramjax.models.pooling import max_pool
from paramjax.models.transformer import Transformer

__all__ = [
    "CNN",
    "LSTM",
    "MLP",
    "Adapted",
    "Conv",
    "Dense",
    "Linear",
    "Transformer",
    "activation",
    "from_callable",
    "from_nnx",
    "max_pool",
]
