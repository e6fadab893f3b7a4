"""Logs of a run."""

from paramjax.train.writers.background import Background
from paramjax.train.writers.csv_writer import CSVWriter
from paramjax.train.writers.jsonl_writer import JSONLWriter
from paramjax.train.writers.tensorboard_writer import TensorBoardWriter
from paramjax.train.writers.writer import Writer, WriterWarning

__all__ = [
    "Background",
    "CSVWriter",
    "JSONLWriter",
    "TensorBoardWriter",
    "Writer",
    "WriterWarning",
]
