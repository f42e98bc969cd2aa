"""A .npy file says itself how large it is, and may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from qrnn_qiskit.tasks.data.data_error import DataError
from qrnn_qiskit.tasks.data.files import read_array


@pytest.mark.parametrize("shape", ["(10000000000000, 64)", "(1000000000000000000000000, 2)"])
def test_a_file_that_claims_more_than_memory_is_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    path = tmp_path / "large.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(DataError, match=r"large\.npy is not a \.npy file"):
        read_array(path)
