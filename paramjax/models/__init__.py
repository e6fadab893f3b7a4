"""Models in flax linen, and adapters for others: the only folder that imports flax."""

from paramjax.models._adapted import Adapted
from paramjax.models._adversaries import Discriminator, Generator
from paramjax.models._autoencoder import VAE, Autoencoder
from paramjax.models._cnn import CNN, ResNet
from paramjax.models._conv import Conv
from paramjax.models._dense import Dense
from paramjax.models._from_callable import from_callable
from paramjax.models._from_linen import from_linen
from paramjax.models._from_nnx import from_nnx
from paramjax.models._language import TokenRNN
from paramjax.models._lstm import LSTM
from paramjax.models._names import ACTIVATIONS, INITIALISERS, activation, initialiser
from paramjax.models._networks import MLP, BatchNormMLP, Linear
from paramjax.models._pooling import max_pool
from paramjax.models._recurrent import GRU, SimpleRNN
from paramjax.models._sample import sample
from paramjax.models._text import TextCNN, TextRNN
from paramjax.models._transformer import Transformer

__all__ = [
    "ACTIVATIONS",
    "CNN",
    "GRU",
    "INITIALISERS",
    "LSTM",
    "MLP",
    "VAE",
    "Adapted",
    "Autoencoder",
    "BatchNormMLP",
    "Conv",
    "Dense",
    "Discriminator",
    "Generator",
    "Linear",
    "ResNet",
    "SimpleRNN",
    "TextCNN",
    "TextRNN",
    "TokenRNN",
    "Transformer",
    "activation",
    "from_callable",
    "from_linen",
    "from_nnx",
    "initialiser",
    "max_pool",
    "sample",
]
