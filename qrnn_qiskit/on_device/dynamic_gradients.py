"""Gradients through dynamic circuits: by shifts, or by SPSA in the forward job."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qrnn_qiskit.backward import once_differentiable
from qrnn_qiskit.on_device.dynamic_batch import DynamicBatch

__all__ = ["follow_shifts", "follow_spsa"]

Pair = tuple[Tensor, Tensor]


class _Shifts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tables: Tensor, batch: DynamicBatch, with_history: bool) -> Pair:
        ctx.batch, ctx.with_history = batch, with_history
        return _read(batch.outcomes, tables), _read(batch.values, tables)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        outcomes, values = (gradient.double().numpy() for gradient in gradients)
        pulled = ctx.batch.pull(outcomes, values, with_history=ctx.with_history)
        return torch.from_numpy(pulled).to(gradients[0].dtype), None, None


class _Spsa(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tables: Tensor, batch: DynamicBatch, signs: Tensor, step: float) -> Pair:
        found, differences = [], []
        for values in (batch.outcomes, batch.values):
            centre, *copies = _read(values, tables).chunk(1 + 2 * len(signs))
            found.append(centre.clone())
            differences.append(
                torch.stack(copies[: len(signs)]) - torch.stack(copies[len(signs) :])
            )
        ctx.save_for_backward(*differences, signs)
        ctx.step = step
        return found[0], found[1]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_outcomes: Tensor, by_values: Tensor
    ) -> tuple[Tensor, None, None, None]:
        outcomes, values, signs = ctx.saved_tensors
        slopes = torch.einsum("btc,jbtc->jb", by_outcomes, outcomes)
        slopes = (slopes + torch.einsum("bk,jbk->jb", by_values, values)) / (2.0 * ctx.step)
        pulled: Tensor = torch.einsum("jb,jbtcp->btcp", slopes, signs) / len(signs)
        return pulled, None, None, None


def follow_shifts(tables: Tensor, batch: DynamicBatch, *, with_history: bool) -> Pair:
    """Outcomes (B, T, 2^m) and observables (B, K), whose gradient by the tables is one more job.

    All angles are known before anything runs, so the derivatives by ``tables`` (B, S, 2^m, P) are
    total; torch chains them through the controller, which is evaluated for each outcome.
    """
    found: Pair = _Shifts.apply(tables, batch, with_history)
    return found


def follow_spsa(tables: Tensor, batch: DynamicBatch, signs: Tensor, perturbation: float) -> Pair:
    """Outcomes and observables, whose gradient by the tables (B, T, 2^m, P) is SPSA's.

    The k directions ``signs`` (k, B, T, 2^m, P) have run forth and back in the batch, after the
    B sequences themselves: (L_+ - L_-) / (2 c) times the direction, for each sequence by itself.
    """
    found: Pair = _Spsa.apply(tables, batch, signs, perturbation)
    return found


def _read(values: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.dtype)
