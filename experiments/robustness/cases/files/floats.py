"""A file of a user, see files_of_a_user.py."""

import optax

import paramjax as pj


def mine(learning_rate, momentum):
    rules = {0.0: optax.sgd(learning_rate), 0.9: optax.sgd(learning_rate, momentum=0.9)}
    return rules[momentum]


mine.space = {
    "learning_rate": pj.log_uniform(1e-3, 0.1),
    "momentum": pj.choice([0.0, 0.9], static=True),
}
