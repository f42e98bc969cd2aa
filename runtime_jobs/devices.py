"""Devices by name: the executor behind a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime_jobs.device_names import (
    DEVICES,
    DeviceError,
    DeviceName,
    merge_options,
    parse_device_name,
)

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel

    from qrnn_qiskit.executors import Executor

__all__ = ["DEVICES", "DeviceError", "DeviceName", "open_device", "parse_device_name"]


def open_device(
    name: str,
    *,
    shots: int | None = None,
    seed: int | None = None,
    gradient: str | None = None,
    noise_model: NoiseModel | None = None,
    max_qpu_seconds: float | None = None,
    ledger: Path | None = None,
) -> Executor:
    """Open a device by name: ``simulator``, ``aer?shots=4096``, ``aer:kingston?shots=4096``.

    Args:
        name: a device name, see :func:`parse_device_name`. A key in it and the argument of the
            same name must not differ.
        shots: executions of each circuit. Without shots ``aer`` gives exact values, with the noise
            of its target where it has one.
        seed: of the sampling.
        gradient: method of the gradient on a device; the simulator has its own, the adjoint.
        noise_model: a noise model of your own for ``aer``, for the qubits of the circuit counted
            from 0.
        max_qpu_seconds: what may be spent, in seconds of QPU time; local devices spend none.
        ledger: where jobs are recorded; local devices have none.

    Raises:
        DeviceError: a name that cannot be read, a device that this version does not have, or an
            option that the device does not take.
    """
    device = merge_options(parse_device_name(name), shots, seed)
    if device.name == "aer":
        return _open_aer(device, gradient, noise_model)
    if device.name == "simulator":
        return _open_simulator(device, gradient, noise_model)
    raise DeviceError(
        f"device {name!r} is not in this version of qrnn-qiskit, which runs on: simulator, aer and "
        "aer:NAME"
    )


def _open_simulator(
    device: DeviceName, gradient: str | None, noise_model: NoiseModel | None
) -> Executor:
    given = device.options() | {
        "target": device.target,
        "gradient": gradient,
        "noise_model": noise_model,
    }
    for key in ("target", "shots", "noise", "mitigation", "gradient", "noise_model"):
        if given.get(key) is not None:
            raise DeviceError(
                f"device '{device}': {key} is {given[key]!r}, but the simulator is exact, "
                f"noiseless and differentiates by itself; leave {key} out"
            )
    from qrnn_qiskit.executors import SimulatorExecutor

    return SimulatorExecutor(device.seed)


def _open_aer(device: DeviceName, gradient: str | None, noise_model: NoiseModel | None) -> Executor:
    from runtime_jobs.aer import AerExecutor

    if device.target is not None or device.noise is not None or device.mitigation is not None:
        raise DeviceError(f"device '{device}' is not in this version of qrnn-qiskit")
    return AerExecutor(
        shots=device.shots,
        seed=device.seed,
        gradient=gradient,
        noise_model=noise_model,
        name=str(device),
    )
