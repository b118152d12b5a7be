"""Train networks small enough for tests: python tests/tiny_training.py COMMAND ...

The commands of `python -m fcnlib` know one more --size here, tiny, with dropout. One
more command, share 1 2, trains on so many virtual devices, without dropout, and prints
as JSON what came of each.
"""

import json
import sys

import keras
import numpy as np

from fcnlib import distribution, models, pasture
from fcnlib.__main__ import main

TINY = {
    "convolutions": (1, 1, 1, 1, 1),
    "widths": (4, 4, 8, 8, 8),
    "fc6_kernel": 3,
    "fc_width": 16,
    "dropout": 0.5,
    "normalize": False,
}
STEPS, BATCH_SIZE = 20, 4
SIZES = ((32, 48), (40, 33), (36, 64))


def uneven_pairs(count=7):
    """Return scenes of several sizes; the void of the next is larger, the last all."""
    pairs = [pasture.draw_scene(seed, *SIZES[seed % 3]) for seed in range(count)]
    for number, (_, labels) in enumerate(pairs):
        labels[:, : round(labels.shape[1] * number / (count - 1))] = 255
    return pairs


def share(devices):
    """Return the losses, the confusion and the dealt numbers of one training."""
    keras.utils.set_random_seed(0)
    pairs = uneven_pairs()
    strategy = distribution.choose_strategy(devices)
    with strategy.scope():
        model = models.fcn8s(5, "tiny")
        optimizer = keras.optimizers.SGD(1e-2, momentum=0.9)
        optimizer.build(model.trainable_variables)
    losses = []
    distribution.train(
        *(strategy, model, optimizer, pairs, STEPS, BATCH_SIZE),
        after_step=lambda step, loss: losses.append(loss),
    )
    confusion = distribution.evaluate(strategy, model, pairs)
    return {
        "replicas": strategy.num_replicas_in_sync,
        "losses": losses,
        "confusion": confusion.tolist(),
        "dealt": list_dealt(strategy),
    }


def list_dealt(strategy):
    """Return the numbers of the pictures that this machine gets in each of 3 steps."""

    def load(number):
        return np.zeros((32, 32, 3), "uint8"), np.zeros((32, 32), "uint8")

    pictures = distribution.deal(load, range(5, 8), BATCH_SIZE, strategy, [])
    return [
        sorted(
            int(local)
            for number, _, _ in each
            for local in strategy.experimental_local_results(number)
        )
        for each in pictures
    ]


if __name__ == "__main__":
    models.SIZES["tiny"] = TINY
    if sys.argv[1] != "share":
        sys.exit(main(sys.argv[1:]))
    TINY["dropout"] = 0
    counts = [int(count) for count in sys.argv[2:]]
    distribution.split_processor(max(counts))
    print(json.dumps([share(count) for count in counts]))
