"""Devices by name: the executor behind a name."""

from __future__ import annotations

from contextlib import ExitStack
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
    """Open a device by name: ``simulator``, ``aer?shots=4096``, ``aer:kingston``, ``ibm:kingston``.

    On ``ibm:NAME`` every call waits for its jobs, and a call that was made before with the same
    circuits, values and shots is answered from the ledger; the commands submit, collect and resume
    do the same for a run without waiting. Its ledger is this process's until the executor is
    closed (``executor.close()``, or ``with open_device(...) as executor``).

    Args:
        name: a device name, see :func:`parse_device_name`. A key in it and the argument of the
            same name must not differ.
        shots: executions of each circuit. Without shots ``aer`` gives exact values, with the noise
            of its target where it has one.
        seed: of the sampling.
        gradient: method of the gradient on a device; the simulator has its own, the adjoint.
        noise_model: a noise model of your own for ``aer``, for the qubits of the circuit counted
            from 0.
        max_qpu_seconds: what may be spent in all, in seconds of QPU time; a QPU is not opened
            without. Local devices spend none.
        ledger: the folder where jobs are recorded, made where there is none; a QPU is not opened
            without. Local devices have none.

    Raises:
        DeviceError: a name that cannot be read, a device that this version does not have, or an
            option that the device does not take.
    """
    device = merge_options(parse_device_name(name), shots, seed)
    if device.name == "aer":
        return _open_aer(device, gradient, noise_model)
    if device.name == "simulator":
        return _open_simulator(device, gradient, noise_model)
    return _open_ibm(device, gradient, max_qpu_seconds, ledger)


def _open_simulator(
    device: DeviceName, gradient: str | None, noise_model: NoiseModel | None
) -> Executor:
    given = device.options() | {
        "target": device.target,
        "gradient": gradient,
        "noise_model": noise_model,
    }
    for key in (
        "target",
        "shots",
        "noise",
        "mitigation",
        "patches",
        "spacing",
        "gradient",
        "noise_model",
    ):
        if given.get(key) is not None:
            raise DeviceError(
                f"device '{device}': {key} is {given[key]!r}, but the simulator is exact, "
                f"noiseless and differentiates by itself; leave {key} out"
            )
    from qrnn_qiskit.executors import SimulatorExecutor

    return SimulatorExecutor(device.seed)


def _open_ibm(
    device: DeviceName, gradient: str | None, cap: float | None, folder: Path | None
) -> Executor:
    given = {"target": device.target, "shots": device.shots, "max_qpu_seconds": cap}
    for key, value in (given | {"ledger": folder}).items():
        if value is None:
            raise DeviceError(
                f"device '{device}' costs money: {key} is missing; give it, as in "
                "open_device('ibm:kingston', shots=1000, max_qpu_seconds=60, ledger=Path('runs/a'))"
            )
    for key in ("seed", "noise", "mitigation"):
        if getattr(device, key) is not None:
            raise DeviceError(f"device '{device}': a QPU takes shots alone; leave {key} out")
    assert device.shots is not None
    assert cap is not None
    assert folder is not None
    from runtime_jobs.ibm.dispatch import Dispatcher
    from runtime_jobs.ibm.executor import IbmExecutor
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ledger import Ledger, hold_lock

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(hold_lock(folder))
        ledger = stack.enter_context(Ledger(folder))
        dispatcher = Dispatcher(ledger, Service, cap, wait=True)
        stack.callback(dispatcher.close)
        return IbmExecutor(
            f"ibm_{device.target}",
            device.shots,
            dispatcher,
            ledger,
            gradient=gradient,
            patches=device.patches or 1,
            spacing=device.spacing or 0,
            closing=stack.pop_all(),
        )


def _open_aer(device: DeviceName, gradient: str | None, noise_model: NoiseModel | None) -> Executor:
    from runtime_jobs.aer import AerExecutor
    from runtime_jobs.aer.mitigation import parse_mitigation
    from runtime_jobs.aer.patched_executor import PatchedExecutor

    for key in ("patches", "spacing"):
        if getattr(device, key) is not None and device.target is None:
            raise DeviceError(
                f"device '{device}': {key} is {getattr(device, key)}, but there are no qubits to "
                f"choose; name a device, such as aer:kingston, or leave {key} out"
            )
    stages = []
    if device.target is not None:
        from runtime_jobs.aer.noisy_device import DeviceStages
        from runtime_jobs.hardware.snapshots import open_target

        target, scale, count = open_target(device.target), _read_scale(device), device.patches or 1
        stages = [
            DeviceStages(
                device.target,
                target,
                scale,
                patches=count,
                spacing=device.spacing or 0,
                patch=patch,
            )
            for patch in range(count)
        ]
    elif device.noise is not None:
        from runtime_jobs.aer.noise import build_rates_model, parse_rates

        if noise_model is not None:
            raise DeviceError(
                f"device '{device}' has rates of errors, and noise_model was given beside them; "
                "give one of the two"
            )
        try:
            noise_model = build_rates_model(**parse_rates(device.noise))
        except ValueError as error:
            raise DeviceError(f"device '{device}': {error}") from error
    if stages and noise_model is not None:
        raise DeviceError(
            f"device '{device}' brings the noise of {device.target}, and noise_model was given "
            "beside it; give noise_model to 'aer'"
        )
    if device.mitigation is not None and not stages and noise_model is None:
        raise DeviceError(
            f"device '{device}': mitigation is {device.mitigation!r}, but there is no noise to "
            "mitigate; name a device, such as aer:kingston, or give rates of errors by noise="
        )
    try:
        mitigation = parse_mitigation(device.mitigation)
    except ValueError as error:
        raise DeviceError(f"device '{device}': {error}") from error
    executors = [
        AerExecutor(
            shots=device.shots,
            seed=_seed_patch(device.seed, patch),
            gradient=gradient,
            noise_model=noise_model,
            mitigation=mitigation,
            name=str(device),
            stages=stage,
        )
        for patch, stage in enumerate(stages or [None])
    ]
    return executors[0] if len(executors) == 1 else PatchedExecutor(executors, str(device))


def _seed_patch(seed: int | None, patch: int) -> int | None:
    """A seed of its own for each patch; the first one has that of the device."""
    if seed is None or patch == 0:
        return seed
    import numpy as np

    return int(np.random.SeedSequence((seed, patch)).generate_state(1)[0])


def _read_scale(device: DeviceName) -> float:
    """The factor on the noise of a target, 1 unless given."""
    required = "a number of at least 0 is required, by which the noise of the device is multiplied"
    try:
        scale = float(device.noise or 1.0)
    except ValueError as error:
        raise DeviceError(f"device '{device}': noise is {device.noise!r}; {required}") from error
    if not 0.0 <= scale < float("inf"):
        raise DeviceError(f"device '{device}': noise is {device.noise!r}; {required}")
    return scale
