"""A column of seconds since 1970 keeps its distinct values, or is refused."""

import numpy as np
from pairs import pair, refused

import paramjax as pj

t = 1.7e9 + np.arange(2000.0)
x = np.stack([t, np.random.default_rng(0).normal(size=2000)], 1)
try:
    ours = len(np.unique(pj.data.table(x, np.arange(2000.0))["x"][:, 0]))
    pair("distinct seconds", ours, 2000)
except (ValueError, TypeError) as error:
    print(f"refused: {error}")
masked = np.ma.masked_equal(np.array([[1.0], [-999.0], [3.0]], np.float32), -999)
refused("a masked array", lambda: pj.data.table(masked, [0, 1, 0]), "mask")
