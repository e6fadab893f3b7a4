"""A file of a user, see files_of_a_user.py."""

from rule import make

import paramjax as pj


def mine(learning_rate):
    return make(learning_rate)


mine.space = {"learning_rate": pj.log_uniform(1e-3, 0.1)}
