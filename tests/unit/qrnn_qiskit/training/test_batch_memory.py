"""A batch whose states do not fit is refused before the run folder is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qrnn_qiskit.training.config import Config
from qrnn_qiskit.training.run_folder import create_run


def test_a_batch_beyond_memory_is_refused_and_nothing_written(
    tmp_path: Path, configure: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure()
    one_block = 3 * 128 << config.model.num_qubits
    monkeypatch.setattr("qrnn_qiskit.inputs.count_memory", lambda: one_block)
    with pytest.raises(ValueError, match="Take fewer qubits or a smaller batch"):
        create_run(tmp_path / "run", config)
    assert list(tmp_path.iterdir()) == []
