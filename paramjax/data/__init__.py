"""Data: where it comes from, how it is split, and the order in which it is seen."""

from paramjax.data._bundled import breast_cancer, digits
from paramjax.data._folds import folds
from paramjax.data._idx import read_idx
from paramjax.data._sampler import batch_order, epoch_order
from paramjax.data._splits import Splits, split, standardise
from paramjax.data._table import table
from paramjax.data._validation import check_data, check_labels

__all__ = [
    "Splits",
    "batch_order",
    "breast_cancer",
    "check_data",
    "check_labels",
    "digits",
    "epoch_order",
    "folds",
    "read_idx",
    "split",
    "standardise",
    "table",
]
