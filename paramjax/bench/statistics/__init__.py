"""The statistics of verdicts: pure functions of paired scores."""

from paramjax.bench.statistics._binomial import clopper_pearson, sign_test_p
from paramjax.bench.statistics._caution import caution
from paramjax.bench.statistics._decide import decide
from paramjax.bench.statistics._decision import Decision
from paramjax.bench.statistics._evidence import (
    BETTER,
    EQUIVALENT,
    LEVEL,
    UNDECIDED,
    WORSE,
    Evidence,
    weigh,
)
from paramjax.bench.statistics._exact import sign_flip_p
from paramjax.bench.statistics._multiplicity import adjust, holm
from paramjax.bench.statistics._needed import FEWEST_REPLICATES, replicates_needed
from paramjax.bench.statistics._ranks import rank_intervals
from paramjax.bench.statistics._sequential import boundaries, looks_until

__all__ = [
    "BETTER",
    "EQUIVALENT",
    "FEWEST_REPLICATES",
    "LEVEL",
    "UNDECIDED",
    "WORSE",
    "Decision",
    "Evidence",
    "adjust",
    "boundaries",
    "caution",
    "clopper_pearson",
    "decide",
    "holm",
    "looks_until",
    "rank_intervals",
    "replicates_needed",
    "sign_flip_p",
    "sign_test_p",
    "weigh",
]
