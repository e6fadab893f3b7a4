"""Logs of a run: CSV, JSON lines and TensorBoard."""

from paramjax.logs._csv import CSV
from paramjax.logs._jsonl import JSONLines
from paramjax.logs._tensorboard import TensorBoard
from paramjax.logs._writer import Writer, WriterWarning

__all__ = ["CSV", "JSONLines", "TensorBoard", "Writer", "WriterWarning"]
