"""The rules of a comparison, the same for every optimizer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax

from paramjax._checks import check_count, check_rate, check_seed
from paramjax._types import Key
from paramjax.optim import Optimizer
from paramjax.populations._trial_run import TrialRun
from paramjax.tuning.designs._design import sobol_design

TUNING = "tuning"
REPORT = "report"

_WIDEST = 64


@dataclass(frozen=True)
class Protocol:
    """How many trainings of what kind.

    Trials are drawn for everyone from the same key. The trial is chosen on validation
    data with the tuning seeds; the verdict comes from test data with the report seeds,
    which follow the tuning seeds in number, so that no training counts twice. With one
    seed every optimizer starts at the same parameters and sees the same batches.

    Attributes:
        trials: Hyperparameters tried for each optimizer.
        tuning_seeds: Trainings of each trial.
        seeds: Trainings of the chosen trial on which the verdict rests, at least 2.
        steps: Steps of each training.
        key: Integer that names all randomness, in [0, 2**32).
        clip_norm: Global norm at which every optimizer's gradient is clipped.
        evaluations: Points of a learning curve.

    Raises:
        TypeError: If a count is not a whole number.
        ValueError: If a number is out of range.

    Example:
        >>> protocol = Protocol(trials=4, tuning_seeds=2, seeds=3)
        >>> list(protocol.tuning_seed_numbers), list(protocol.report_seed_numbers)
        ([0, 1], [2, 3, 4])
    """

    trials: int = 16
    tuning_seeds: int = 2
    seeds: int = 10
    steps: int = 500
    key: int = 0
    clip_norm: float = 1.0
    evaluations: int = 25

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be run or give no verdict."""
        for name in ("trials", "tuning_seeds", "steps", "evaluations"):
            check_count(name, getattr(self, name))
        check_count("seeds", self.seeds, least=2)
        check_seed(self.key)
        check_rate("clip_norm", self.clip_norm, low=1e-30)

    @property
    def tuning_seed_numbers(self) -> range:
        """The seeds that choose a trial."""
        return range(self.tuning_seeds)

    @property
    def report_seed_numbers(self) -> range:
        """The seeds that the verdict rests on."""
        return range(self.tuning_seeds, self.tuning_seeds + self.seeds)

    @property
    def all_seed_numbers(self) -> range:
        """Both kinds, in order."""
        return range(self.tuning_seeds + self.seeds)

    @property
    def trainings(self) -> int:
        """Trainings of one optimizer on one workload."""
        return self.trials * self.tuning_seeds + self.seeds

    @property
    def width(self) -> int:
        """Runs a program call, so that tuning and report share one program with little waste."""
        tuning = self.trials * self.tuning_seeds
        small, large = sorted((tuning, self.seeds))
        calls = max(1, large // small, math.ceil(large / _WIDEST))
        return min(_WIDEST, max(math.ceil(large / calls), min(small, _WIDEST)))

    @property
    def starts_key(self) -> Key:
        """Names initial parameters and batch orders."""
        return jax.random.split(jax.random.key(self.key))[0]

    def tuning_runs(self, optimizer: Optimizer) -> list[TrialRun]:
        """Every trial with every tuning seed."""
        design_key = jax.random.split(jax.random.key(self.key))[1]
        design = sobol_design(self.trials)(optimizer.space, design_key)
        seeds = self.tuning_seed_numbers
        return [TrialRun(trial, seed, hp) for trial, hp in enumerate(design) for seed in seeds]
