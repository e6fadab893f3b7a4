"""Data: where it comes from, how it is split, and the order in which it is seen."""

from paramjax.data.bundled import breast_cancer, digits
from paramjax.data.folds import folds
from paramjax.data.idx import read_idx
from paramjax.data.sampler import batch_order, epoch_order
from paramjax.data.splits import Splits, split, standardise
from paramjax.data.table import table
from paramjax.data.validation import check_data, check_labels

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
