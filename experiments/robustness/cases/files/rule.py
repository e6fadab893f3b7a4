"""A file of a user, see files_of_a_user.py."""

import optax


def make(learning_rate):
    return optax.adam(learning_rate)
