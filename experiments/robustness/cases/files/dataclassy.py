"""A file of a user, see files_of_a_user.py."""

from __future__ import annotations

from dataclasses import dataclass

import optax

import paramjax as pj


@dataclass
class Settings:
    """What a rule takes."""

    momentum: float = 0.9


def mine(learning_rate):
    return optax.sgd(learning_rate, momentum=Settings().momentum)


mine.space = {"learning_rate": pj.log_uniform(1e-3, 1.0)}
