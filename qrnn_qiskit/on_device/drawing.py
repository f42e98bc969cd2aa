"""Records of measured mode, drawn by an executor of dynamic circuits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from circuits.errors import InvalidValueError
from qrnn_qiskit.executors.protocol import DynamicExecutor
from qrnn_qiskit.on_device.dynamic_function import DynamicCircuits

__all__ = ["draw_on_device"]


def draw_on_device(
    circuits: DynamicCircuits, executor: DynamicExecutor, tables: Tensor, ends: Sequence[int]
) -> Tensor:
    """Draw the records of sequences from |0...0>, in one job.

    The circuits are those of :func:`~qrnn_qiskit.on_device.dynamic.run_on_device`, final
    measurements included, so that a job that ran before is not sent again.

    Args:
        circuits: The dynamic circuits of the model.
        executor: Where they run.
        tables: (B, T, 2^m, R P) radians.
        ends: Valid steps of each sequence, from 1 to T.

    Returns:
        (B, shots, T, R m) uint8, bit a of register r in column r m + a; 0 past the end of a
        sequence. The shots of all bases of the final measurement are one after another.

    Raises:
        ValueError: The executor gives exact values, which are no records.
    """
    lengths = np.asarray(ends)
    members = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    values = tables.detach().double().numpy()
    pubs = []
    for rows in members:
        steps = int(lengths[rows[0]])
        pub = circuits.function(steps).value_pub(values[rows, :steps], np.arange(len(rows)))
        pubs.append(pub._replace(keeps_records=True))
    found = [each.records for each in executor.run_dynamic(pubs)]
    drawn: Tensor | None = None
    places = np.arange(circuits.measurement.num_ancillas)
    for rows, records in zip(members, found, strict=True):
        if records is None:
            raise InvalidValueError(
                f"records are drawn shot by shot, but {executor.name!r} gives exact values; give "
                "shots, such as aer:kingston?shots=1000"
            )
        bits = (records[..., None] >> places.astype(records.dtype) & 1).astype(np.uint8)
        own = torch.from_numpy(bits.reshape(*bits.shape[:3], -1))
        if drawn is None:
            drawn = own.new_zeros(len(tables), own.shape[1], tables.shape[1], own.shape[3])
        drawn[torch.from_numpy(rows), :, : own.shape[2]] = own
    assert drawn is not None
    return drawn
