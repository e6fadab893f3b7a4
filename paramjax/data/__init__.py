"""Data: bundled and read from files, checked, split, and ordered into batches."""

from paramjax.data._augment import (
    compose,
    cutout,
    random_crop,
    random_flip,
    random_noise,
    random_shift,
)
from paramjax.data._balance import balanced_order, class_weights, sample_weights
from paramjax.data._bundled import breast_cancer, digits, read_idx
from paramjax.data._byte_tokeniser import ByteTokeniser
from paramjax.data._csv import read_csv
from paramjax.data._download import DataNotFoundError
from paramjax.data._folds import folds
from paramjax.data._libsvm import read_libsvm
from paramjax.data._mixup import mixup
from paramjax.data._nist import Regression, nist_regressions
from paramjax.data._published import (
    adult,
    fashion_mnist,
    mnist,
    movie_sentences,
    time_series,
    tiny_shakespeare,
)
from paramjax.data._sampler import batch_order, epoch_order, order_of
from paramjax.data._scaler import (
    Moments,
    Scaler,
    min_max_scaler,
    robust_scaler,
    scale,
    standard_scaler,
)
from paramjax.data._splits import Splits, split, standardise
from paramjax.data._text import read_text
from paramjax.data._tokenisers import CharacterTokeniser, WordTokeniser
from paramjax.data._validation import check_data, check_labels, table
from paramjax.data.streams._batches import StreamChanged
from paramjax.data.streams._cursor import StreamEnded
from paramjax.data.streams._prefetch import StreamBlockedWarning

__all__ = [
    "ByteTokeniser",
    "CharacterTokeniser",
    "DataNotFoundError",
    "Moments",
    "Regression",
    "Scaler",
    "Splits",
    "StreamBlockedWarning",
    "StreamChanged",
    "StreamEnded",
    "WordTokeniser",
    "adult",
    "balanced_order",
    "batch_order",
    "breast_cancer",
    "check_data",
    "check_labels",
    "class_weights",
    "compose",
    "cutout",
    "digits",
    "epoch_order",
    "fashion_mnist",
    "folds",
    "min_max_scaler",
    "mixup",
    "mnist",
    "movie_sentences",
    "nist_regressions",
    "order_of",
    "random_crop",
    "random_flip",
    "random_noise",
    "random_shift",
    "read_csv",
    "read_idx",
    "read_libsvm",
    "read_text",
    "robust_scaler",
    "sample_weights",
    "scale",
    "split",
    "standard_scaler",
    "standardise",
    "table",
    "time_series",
    "tiny_shakespeare",
]
