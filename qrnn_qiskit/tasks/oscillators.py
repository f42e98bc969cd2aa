"""Defaults of tasks with long sequences: the oscillator start where the model can have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circuits.ansatz import ANSATZ_FAMILIES

__all__ = ["choose_oscillators"]


def choose_oscillators(
    given: Mapping[str, Any], oscillators: Mapping[str, Any], otherwise: Mapping[str, Any]
) -> dict[str, Any]:
    """Choose the defaults of long sequences: the oscillator start where the model can have it.

    It needs a QRNN with feedback of expectations or none, a controller without a hidden layer and
    an RZ on each qubit. A given number of qubits without one of registers means one register.

    Args:
        given: Values that a user has given, by dotted key.
        oscillators: The defaults with the oscillator start.
        otherwise: Those where the given values exclude it, or ask for another start or size.
    """
    suits = (
        given.get("model.kind", "qrnn") == "qrnn"
        and given.get("model.start", "oscillators") == "oscillators"
        and given.get("model.readout", "none") in ("none", "expectation")
        and str(given.get("model.controller_hidden", "none")).lower() == "none"
        and given.get("model.activation", "linear") == "linear"
        and "rz" in given.get("model.rotations", ("rz",))
        and given.get("model.ansatz", "product") in ANSATZ_FAMILIES
        and given.get("model.parameters", "none") in (None, "none")
    )
    if not suits:
        return dict(otherwise)
    chosen = {**otherwise, **oscillators}
    if "model.num_qubits" in given:
        chosen.pop("model.num_registers", None)
    return chosen
