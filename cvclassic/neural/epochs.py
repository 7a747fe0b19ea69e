"""What a training draws at random, decided by its seed and the epoch alone. Importing this module imports Keras.

A training that goes on in its k-th epoch draws there what it would have drawn had it not been interrupted. Keras's own
shuffling can't do that; on TensorFlow it even gives each epoch the order of the first once a seed is set, since the
generator inside its data set starts anew with each pass.
"""

from __future__ import annotations

import math
import random

import numpy as np

from cvclassic.neural.backend import prepare_backend

keras = prepare_backend()

# Where the counters of generators in layers stand when an epoch begins; an epoch has fewer batches than this.
DRAWS_PER_EPOCH = 2**20


class Batches(keras.utils.PyDataset):
    """Training samples in batches, in an order of its own for each epoch; for `keras.Model.fit`.

    Parameters
    ----------
    arrays : tuple of ndarray
        Samples, targets and, where samples differ in weight, weights; rows belong together.
    batch_size : int
        The last batch of an epoch has what is left.
    """

    def __init__(self, arrays: tuple[np.ndarray, ...], batch_size: int):
        super().__init__()
        self.arrays, self.batch_size = arrays, batch_size
        self.order = np.arange(len(arrays[0]))

    def __len__(self) -> int:
        """Batches per epoch."""
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """The arrays' rows of one batch."""
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return tuple(array[rows] for array in self.arrays)


class EpochDraws(keras.callbacks.Callback):
    """Begins each epoch with the order of the samples and the random numbers of that epoch; make it the first callback.

    Python's and NumPy's generators get a seed. Those in layers (dropout, `RandomFlip`, any `SeedGenerator`) keep theirs
    and count on from a place of the epoch. The generators of the backend itself are left alone: to seed TensorFlow's
    anew compiles the network anew.

    Parameters
    ----------
    seed : int
    batches : Batches
        Those of the training.
    """

    def __init__(self, seed: int, batches: Batches):
        super().__init__()
        self.seed, self.batches = seed, batches

    def on_epoch_begin(self, epoch, logs=None):
        draws = np.random.default_rng([self.seed, epoch])
        self.batches.order = draws.permutation(len(self.batches.order))
        seed = int(draws.integers(2**32))
        random.seed(seed)
        np.random.seed(seed)
        for variable in self.model.variables:
            if variable.name == "seed_generator_state":  # a seed, and how many numbers were drawn
                own_seed, _ = keras.ops.convert_to_numpy(variable)
                variable.assign(np.array([own_seed, epoch * DRAWS_PER_EPOCH % 2**31]))
