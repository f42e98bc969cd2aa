"""From the result of a job, as the service sends it, to checked bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BitArray
from qiskit_ibm_runtime.decoders.defaults import DEFAULT_DECODERS
from qiskit_ibm_runtime.decoders.result_decoder import ResultDecoder
from qiskit_ibm_runtime.results.quantum_program import QuantumProgramResult

from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm.encoding import ResultError
from runtime_jobs.ibm.redaction import hide_secrets

__all__ = ["MeasuredPub", "RawResult", "mark_pub", "read_duration", "read_mark"]

_MARK = "qrnn"


class MeasuredPub(NamedTuple):
    """The result of a PUB.

    Attributes:
        bits: Bits by register.
        mark: The mark that :func:`mark_pub` gave the PUB; None if the service returned none.
        circuit_dt: Duration of the circuit in steps dt of the device, as the service scheduled it;
            None if the service returned none.
    """

    bits: Bits
    mark: str | None = None
    circuit_dt: int | None = None


def mark_pub(circuit: QuantumCircuit, tag: str, place: int) -> QuantumCircuit:
    """Copy a circuit with the tag of its job and its place in it, which its result repeats."""
    marked = circuit.copy()
    marked.metadata = {_MARK: f"{tag}/{place}"}
    return marked


def read_mark(metadata: object) -> str | None:
    """Return the mark in the metadata of a result; None if there is none."""
    circuit = metadata.get("circuit_metadata") if isinstance(metadata, dict) else None
    mark = circuit.get(_MARK) if isinstance(circuit, dict) else None
    return None if mark is None else str(mark)


def read_duration(metadata: object) -> int | None:
    """Return the duration of a circuit in the metadata of a result, in steps dt; None without."""
    found: object = metadata
    for key in ("compilation", "scheduler_timing", "circuit_duration"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


@dataclass(frozen=True)
class RawResult:
    """The result of a job as the service sends it.

    Attributes:
        job_id: Id of the job.
        program: Program that the job ran, which gives the decoders.
        text: Body of the answer.
        address: URL of the service.
        instance: Name of the instance that has the job; None if it could not be asked for.
    """

    job_id: str
    program: str
    text: str
    address: str = ""
    instance: str | None = None

    def decode(self) -> Sequence[MeasuredPub]:
        """Return the bits of every PUB.

        Raises:
            ResultError: It is not a result of the Sampler, or has other values than 0 and 1.
        """
        try:
            result: object = self.text
            for decoder in DEFAULT_DECODERS.get(self.program, [ResultDecoder]):
                if decoder.is_applicable(result):
                    result = decoder.decode(result)
                    if isinstance(result, QuantumProgramResult):
                        _check_measured_values(result)
            return [
                MeasuredPub(
                    {
                        name: array
                        for name, array in pub.data.items()
                        if isinstance(array, BitArray)
                    },
                    read_mark(pub.metadata),
                    read_duration(pub.metadata),
                )
                for pub in result  # type: ignore[attr-defined]
            ]
        except Exception as error:  # the decoders of the client raise anything
            raise ResultError(
                f"the result of job {self.job_id} cannot be read ({type(error).__name__}: "
                f"{hide_secrets(str(error))})"
            ) from error


def _check_measured_values(result: QuantumProgramResult) -> None:
    """Raise ValueError unless every array holds bits; the Sampler takes any number for one."""
    for place, item in enumerate(result):
        for name, array in item.items():
            is_number = np.issubdtype(array.dtype, np.integer)
            if array.dtype != np.bool_ and not (is_number and np.isin(array, (0, 1)).all()):
                raise ValueError(
                    f"register {name!r} of PUB {place} has values other than 0 and 1, of type "
                    f"{array.dtype}"
                )
