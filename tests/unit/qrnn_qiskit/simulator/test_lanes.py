from __future__ import annotations

import numpy as np
import pytest

from qrnn_qiskit.simulator.lanes import VECTOR_BYTES, allocate_pair


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 64), (3, 1024), (2, 5, 80)])
def test_a_pair_is_aligned_zero_and_half_a_page_apart(
    shape: tuple[int, ...], dtype: type[np.floating]
) -> None:
    one, other = allocate_pair(shape, dtype)
    assert one.shape == other.shape == shape
    assert one.dtype == other.dtype == dtype
    assert not one.any()
    assert not other.any()
    places = one.ctypes.data, other.ctypes.data
    assert not any(place % VECTOR_BYTES for place in places)
    assert (places[1] - places[0]) % 4096 == 2048
    one[:] = 1.0
    assert not other.any()
