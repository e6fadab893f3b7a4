"""A file of a user, see files_of_a_user.py."""

import optax

import paramjax as pj


def mine(learning_rate, rule):
    return rule(learning_rate)


mine.space = {
    "learning_rate": pj.log_uniform(1e-3, 0.1),
    "rule": pj.choice([optax.adam, optax.sgd]),
}
