"""The report: `report.html`, one file that opens with the network off."""

from paramjax.bench.report._html import write_report

__all__ = ["write_report"]
