"""Soft attention over the readouts of a recurrent model (arXiv:2510.25557; Luong et al. 2015)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["SoftAttention"]


class SoftAttention(nn.Module):
    """A weighted mean of the readouts of all steps of a memory, for each query step.

    The weights are a softmax of scaled products between a linear map of the query and one of the
    memory step; steps past the end of a sequence have weight 0.

    Args:
        query_size: Width of the queries.
        memory_size: Width of the memory.
        size: Width of the products and of the context.
    """

    def __init__(self, query_size: int, memory_size: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.query = nn.Linear(query_size, size)
        self.key = nn.Linear(memory_size, size, bias=False)  # the softmax cancels a bias
        self.value = nn.Linear(memory_size, size)

    def forward(
        self, queries: Tensor, memory: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend to the memory.

        Args:
            queries: (B, T, query_size).
            memory: (B, S, memory_size).
            lengths: (B,) int64, the valid steps of the memory; all S unless given.

        Returns:
            Context (B, T, size) and weights (B, T, S), which add up to 1 over the S steps.
        """
        scores = self.query(queries) @ self.key(memory).mT / math.sqrt(self.size)
        if lengths is not None:
            past = torch.arange(memory.shape[1], device=memory.device) >= lengths[:, None, None]
            scores = scores.masked_fill(past, -math.inf)
        weights = scores.softmax(dim=-1)
        return weights @ self.value(memory), weights
