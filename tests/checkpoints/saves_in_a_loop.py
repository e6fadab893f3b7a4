"""Save one step after the other until killed: python saves_in_a_loop.py FOLDER"""

import sys

import numpy as np

from paramjax.checkpoints import CheckpointStore, Keep


def tree(step):
    return {"w": np.full((64, 64), step, np.float32), "step": np.int32(step)}


def main():
    keep = Keep(last=2, best=1)
    with CheckpointStore(sys.argv[1], identity={}, program="", keep=keep) as store:
        saved = store.restore(tree(0))
        step = 0 if saved is None else saved.step
        if saved is not None:
            np.testing.assert_array_equal(saved.tree["w"], tree(step)["w"])
            np.testing.assert_array_equal(saved.history["loss"], np.arange(step))
        print(step, flush=True)
        while True:
            step += 1
            store.save(step, tree(step), {"loss": np.arange(step)}, {}, {}, score=step % 7)


if __name__ == "__main__":
    main()
