"""The peers that need no further package compute what this package's model computes."""

from __future__ import annotations

import numpy as np
import pytest
from peers import OURS, TOOLS
from peers.problem import draw_problem


@pytest.mark.parametrize("name", ["plain", "estimator"])
def test_peer_agrees(name: str) -> None:
    problem = draw_problem(2, 1, 2, 2)
    ours, theirs = TOOLS[OURS].build(problem), TOOLS[name].build(problem)
    for wanted, found in zip(ours.train(), theirs.train(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
        assert np.abs(wanted).max() > 1e-3
    np.testing.assert_allclose(theirs.forward(), ours.forward(), rtol=1e-4, atol=1e-5)
