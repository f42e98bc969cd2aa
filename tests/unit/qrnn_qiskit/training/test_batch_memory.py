"""A batch that does not fit into memory is refused before the run folder is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run


def test_a_batch_beyond_memory_is_refused_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve_config("copying-memory", {"num_qubits": 4, "delay": 40, "batch_size": 32})
    monkeypatch.setattr("qrnn_qiskit.checks.count_memory", lambda: 2**18)  # states take 2^14
    message = r"of 60 step\(s\), forward and backward.*a smaller batch or shorter sequences"
    with pytest.raises(ValueError, match=message):
        create_run(tmp_path / "run", config)
    assert list(tmp_path.iterdir()) == []
