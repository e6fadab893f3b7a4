"""accuracy refuses labels of shape [n, 1] instead of comparing n x n pairs."""

import jax
import jax.numpy as jnp
import numpy as np
from pairs import pair, refused

from paramjax.metrics import accuracy

logits = jax.random.normal(jax.random.key(0), (24, 4))
labels = np.random.default_rng(0).integers(0, 4, 24)
right = float((np.asarray(logits).argmax(1) == labels).mean())
pair("labels [24]", float(accuracy(logits, labels).mean()), right)
try:
    pair("labels [24, 1]", float(accuracy(logits, labels[:, None]).mean()), right)
except (ValueError, TypeError) as error:
    print(f"labels [24, 1]: refused: {error}")
refused("one label for all", lambda: accuracy(logits, labels[:1]))
refused("logits without classes", lambda: accuracy(jnp.array([0.1, 0.9]), jnp.array([1, 1])))
