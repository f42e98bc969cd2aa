"""Where a fine-tuning begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from qrnn_qiskit.training.schema import Config

__all__ = ["Start"]


@dataclass(frozen=True)
class Start:
    """Where a fine-tuning begins.

    Attributes:
        config: The configuration of the new run; model and data are those of the run before.
        weights: Best weights of the run before, by validation.
        data_sha256: Of the data that they were trained on.
        origin: That run, for the provenance of the new one.
    """

    config: Config
    weights: dict[str, Tensor]
    data_sha256: str
    origin: dict[str, Any]
