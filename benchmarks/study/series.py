"""The data of the study: noisy series of two features that rise, fall or stay flat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STEPS = 4
EPOCHS = 20
BATCH = 20
RATE = 0.03


def draw_series(count: int, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Draw series of shape (count, STEPS, 2) with their classes: 0 up, 1 down, 2 flat."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=count)
    slopes = np.array([1.0, -1.0, 0.0])[labels][:, None, None]
    series = slopes * np.linspace(-1, 1, STEPS)[None, :, None]
    return series + 0.4 * random.normal(size=(count, STEPS, 2)), labels


TRAIN, VALIDATION, TEST = (draw_series(n, seed) for n, seed in ((100, 0), (40, 1), (100, 2)))
