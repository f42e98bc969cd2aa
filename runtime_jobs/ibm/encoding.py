"""Circuits and results as bytes that are equal in every process; nothing here unpickles."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import qpy
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BitArray

from circuits.errors import OperationError
from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ledger import hash_bytes

__all__ = [
    "ResultError",
    "hash_circuit",
    "pack",
    "pack_circuit",
    "unpack",
    "unpack_circuit",
]

_QPY_VERSION = 14  # fixed, so that every version of Qiskit writes the same bytes
_QPY_RELEASE = slice(7, 10)  # the bytes in QPY that name the version of Qiskit


class ResultError(OperationError):
    """A result that does not belong to its job or cannot be read."""


def pack_circuit(circuit: QuantumCircuit) -> bytes:
    """Serialize a circuit as QPY."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer, version=_QPY_VERSION)
    return buffer.getvalue()


def unpack_circuit(content: bytes) -> QuantumCircuit:
    """Read a circuit that :func:`pack_circuit` wrote."""
    return qpy.load(io.BytesIO(content))[0]


def hash_circuit(circuit: QuantumCircuit) -> str:
    """Return the SHA-256 of a circuit, which does not depend on the installed Qiskit."""
    content = bytearray(pack_circuit(circuit))
    content[_QPY_RELEASE] = bytes(3)
    return hash_bytes(bytes(content))


def pack(results: Sequence[Mapping[str, BitArray]]) -> bytes:
    """Serialize the bits of all PUBs of a job as a compressed .npz."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, bits in enumerate(results):
        for name, array in bits.items():
            arrays[f"{number}/{name}/{array.num_bits}"] = array.array
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> list[Bits]:
    """Read the bits that :func:`pack` wrote.

    Raises:
        ResultError: The bytes are not such a file.
    """
    results: list[Bits] = []
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            for label, array in arrays.items():
                number, name, num_bits = label.split("/")
                while len(results) <= int(number):
                    results.append({})
                results[int(number)][name] = BitArray(array, int(num_bits))
    except (ValueError, TypeError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise ResultError(f"a result in the ledger cannot be read: {error}") from error
    return results
