"""Devices: open the executor behind a name, a backend or a primitive."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from circuits.validation import require_amount
from runtime_jobs.device_names import (
    DEVICES,
    DeviceError,
    DeviceName,
    merge_options,
    parse_device_name,
)

if TYPE_CHECKING:
    from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
    from qiskit.providers import BackendV2
    from qiskit_aer.noise import NoiseModel

    from qrnn_qiskit.executors import Executor
    from runtime_jobs.aer.stage import StageFinder
    from runtime_jobs.estimation.mitigation import Mitigation

__all__ = ["DEVICES", "DeviceError", "DeviceLike", "DeviceName", "open_device", "parse_device_name"]

DeviceLike: TypeAlias = "str | BackendV2 | BaseSamplerV2 | BaseEstimatorV2"


def open_device(
    device: DeviceLike,
    *,
    shots: int | None = None,
    seed: int | None = None,
    gradient: str | None = None,
    noise_model: NoiseModel | None = None,
    max_qpu_seconds: float | None = None,
    ledger: Path | None = None,
    new_budget: bool = False,
    keep_results: bool = False,
) -> Executor:
    """Open a device by name: ``simulator``, ``simulator:kingston``, ``aer``, ``ibm:kingston``.

    It also opens a backend (``BackendV2``, such as an ``AerSimulator``) and a V2 primitive.
    Circuits are compiled for the backend, on qubits chosen by their errors, and sent to its ``run``
    or to the primitive; nothing is recorded or capped there. A simulated device of Qiskit, such as
    ``FakeKingston`` or ``GenericBackendV2``, is the noisy model of the qubits in use, as
    ``aer:NAME`` is, because its own ``run`` takes seconds. An estimator gives values only: no
    samples, no dynamic circuits.

    ``simulator:NAME`` simulates the circuits of a device exactly with its calibrated noise, as
    ``aer:NAME`` does, but in one compiled pass and with the exact gradient of the noisy circuits.

    On ``ibm:NAME`` every call waits for its jobs. A call that was made before with the same
    circuits, values and shots is answered from the ledger; the commands submit, collect and resume
    do the same for a run without waiting. This process holds the ledger until the executor is
    closed (``executor.close()``, or ``with open_device(...) as executor``).

    Args:
        device: Device name, see :func:`parse_device_name`; or a ``BackendV2``, a ``SamplerV2`` or
            an ``EstimatorV2``. A key in a name and the argument of the same name must not differ.
        shots: Executions of each circuit. Without shots ``simulator`` and ``aer`` give exact
            values, with the noise of the target, if any; ``aer`` samples dynamic circuits with
            noise and needs shots for them. Samplers and backends that run need shots; an estimator
            takes them as the precision 1 / sqrt(shots), and without them gives exact values if
            that is its default.
        seed: Seed of the sampling.
        gradient: Gradient method on a device; the simulator has its own, the adjoint, also with
            noise.
        noise_model: Custom noise model for ``simulator`` or ``aer``, for the qubits of the circuit
            counted from 0. An error in it that no gate of a circuit triggers is refused.
        max_qpu_seconds: Cap on the total QPU time in seconds; required for a QPU. Local devices use
            none.
        ledger: Folder where jobs are recorded, created if missing; required for a QPU. Local
            devices have none.
        new_budget: For a copy of a ledger folder, or one whose ledger is lost: whether to send jobs
            from it under a separate cap. Its results are kept and do not count against that cap.
        keep_results: Whether ``Estimates`` and ``Outcomes`` have the ``PubResult`` that they were
            computed from, and ``executor.pub_results`` all of them in order; on QPUs, primitives
            and backends.

    Raises:
        DeviceError: The name cannot be parsed, the device is unknown, or it does not take one of
            the options.
        InvalidTypeError: ``device`` is something else, or the cap is no number.
        InvalidValueError: The cap is not above 0.
    """
    if not isinstance(device, str):
        unused = {"noise_model": noise_model, "max_qpu_seconds": max_qpu_seconds, "ledger": ledger}
        _refuse_given(device, unused | {"new_budget": new_budget or None})
        from runtime_jobs.primitives import open_given

        return open_given(
            device, shots=shots, seed=seed, gradient=gradient, keep_results=keep_results
        )
    return _open_named(
        merge_options(parse_device_name(device), shots, seed),
        gradient=gradient,
        noise_model=noise_model,
        cap=max_qpu_seconds,
        ledger=ledger,
        new_budget=new_budget,
        keep_results=keep_results,
    )


def _refuse_given(device: object, unused: dict[str, object]) -> None:
    for key, value in unused.items():
        if value is not None:
            raise DeviceError(
                f"{key} was given, but it applies to devices by name, and the device is a "
                f"{type(device).__name__}; leave {key} out"
            )


def _open_named(
    device: DeviceName,
    *,
    gradient: str | None,
    noise_model: NoiseModel | None,
    cap: float | None,
    ledger: Path | None,
    new_budget: bool,
    keep_results: bool,
) -> Executor:
    if new_budget and device.name != "ibm":
        raise DeviceError(f"device '{device}' uses no QPU time; leave new_budget out")
    if keep_results and device.name != "ibm":
        raise DeviceError(
            f"device '{device}' computes values from simulated states, without PUB results; leave "
            "keep_results out, or open a SamplerV2 or an AerSimulator"
        )
    is_noisy = device.target is not None or device.noise is not None or noise_model is not None
    if device.name == "aer" or (device.name == "simulator" and is_noisy):
        return _open_aer(device, gradient, noise_model)
    if device.name == "simulator":
        return _open_simulator(device, gradient, noise_model)
    return _open_ibm(
        device, gradient, cap, ledger, new_budget=new_budget, keep_results=keep_results
    )


def _open_simulator(
    device: DeviceName, gradient: str | None, noise_model: NoiseModel | None
) -> Executor:
    given = {"target": device.target} | device.options()
    given |= {"gradient": gradient, "noise_model": noise_model}
    for key, value in given.items():
        if key != "seed" and value is not None:
            raise DeviceError(
                f"device '{device}': {key} is {value!r}, but the simulator is exact and noiseless "
                f"and uses the adjoint gradient; leave {key} out"
            )
    from qrnn_qiskit.executors import SimulatorExecutor

    return SimulatorExecutor(device.seed)


def _open_ibm(
    device: DeviceName,
    gradient: str | None,
    cap: float | None,
    folder: Path | None,
    *,
    new_budget: bool,
    keep_results: bool,
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
            raise DeviceError(
                f"device '{device}': {key} does not apply to a QPU; leave {key} out of its name"
            )
    assert device.shots is not None
    assert folder is not None
    cap = require_amount("max_qpu_seconds", cap, above_zero=True)
    from runtime_jobs.ibm.dispatch import Dispatcher
    from runtime_jobs.ibm.executor import IbmExecutor
    from runtime_jobs.ibm.notices import notify
    from runtime_jobs.ibm.service import Service, ServiceError
    from runtime_jobs.ledger import Ledger, hold_lock
    from runtime_jobs.ledger.identity import start_new_budget

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(hold_lock(folder))
        ledger = stack.enter_context(Ledger(folder))
        dispatcher = Dispatcher(ledger, Service, cap, wait=True)
        if new_budget:
            notify(start_new_budget(ledger, dispatcher.service.list_tagged))
        try:
            dispatcher.refresh_usage()
        except ServiceError as error:  # calls that the ledger answers need no service
            notify(f"charges of earlier jobs could not be asked for: {error}")
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
            keep_results=keep_results,
        )


def _open_aer(device: DeviceName, gradient: str | None, noise_model: NoiseModel | None) -> Executor:
    from runtime_jobs.aer import AerExecutor
    from runtime_jobs.aer.patched_executor import PatchedExecutor
    from runtime_jobs.noisy import NoisySimulator

    stages: list[StageFinder | None] = [None]
    if device.target is not None:
        stages = _find_stages(device, noise_model)
    elif (rates := _find_rates(device, noise_model)) is not None:
        stages = [_share_stage(rates)]
    is_noisy = stages != [None] or noise_model is not None
    mitigation = _find_mitigation(device, is_noisy=is_noisy)
    kind = NoisySimulator if device.name == "simulator" else AerExecutor
    executors = [
        kind(
            shots=device.shots,
            seed=_seed_patch(device.seed, patch),
            gradient=gradient,
            noise_model=noise_model,
            mitigation=mitigation,
            name=str(device),
            stages=stage,
        )
        for patch, stage in enumerate(stages)
    ]
    return executors[0] if len(executors) == 1 else PatchedExecutor(executors, str(device))


def _find_stages(device: DeviceName, noise_model: NoiseModel | None) -> list[StageFinder | None]:
    """Make the stages of each patch of the device that ``device.target`` names."""
    from runtime_jobs.aer.noisy_device import DeviceStages
    from runtime_jobs.hardware.snapshots import describe_snapshot, open_target

    assert device.target is not None
    target, scale, count = open_target(device.target), _read_scale(device), device.patches or 1
    if noise_model is not None:
        raise DeviceError(
            f"device '{device}' has the noise of {device.target}, but noise_model was given as "
            f"well; give noise_model to '{device.name}'"
        )
    spacing = device.spacing or 0
    return [
        DeviceStages(
            device.target,
            target,
            scale,
            patches=count,
            spacing=spacing,
            patch=patch,
            calibration=describe_snapshot(device.target),
        )
        for patch in range(count)
    ]


def _share_stage(noise: NoiseModel) -> StageFinder:
    """Make the one stage of all circuits on fully connected qubits with this noise."""
    from runtime_jobs.aer.stage import make_stage

    stage = make_stage(noise)
    return lambda circuit: stage


def _find_rates(device: DeviceName, noise_model: NoiseModel | None) -> NoiseModel | None:
    """Build the noise model of the error rates in a device name, if it has any."""
    for key in ("patches", "spacing"):
        if (value := getattr(device, key)) is not None:
            raise DeviceError(
                f"device '{device}': {key} is {value}, but there are no qubits to choose; name a "
                f"device, such as aer:kingston, or leave {key} out"
            )
    if device.noise is None:
        return None
    if noise_model is not None:
        raise DeviceError(
            f"device '{device}' has error rates, but noise_model was given as well; give one of "
            "the two"
        )
    from runtime_jobs.aer.noise import build_rates_model, parse_rates

    try:
        return build_rates_model(**parse_rates(device.noise))
    except ValueError as error:
        raise DeviceError(f"device '{device}': {error}") from error


def _find_mitigation(device: DeviceName, *, is_noisy: bool) -> Mitigation:
    from runtime_jobs.estimation.mitigation import parse_mitigation

    if device.mitigation is not None and not is_noisy:
        raise DeviceError(
            f"device '{device}': mitigation is {device.mitigation!r}, but there is no noise to "
            "mitigate; name a device, such as aer:kingston, or give error rates with noise="
        )
    try:
        return parse_mitigation(device.mitigation)
    except ValueError as error:
        raise DeviceError(f"device '{device}': {error}") from error


def _seed_patch(seed: int | None, patch: int) -> int | None:
    """Make a separate seed for each patch; the first one has that of the device."""
    if seed is None or patch == 0:
        return seed
    import numpy as np

    return int(np.random.SeedSequence((seed, patch)).generate_state(1)[0])


def _read_scale(device: DeviceName) -> float:
    """Read the factor on the noise of a target, 1 by default."""
    expected = (
        f"device '{device}': expected noise to be a number of at least 0, the factor on the noise "
        f"of {device.target}, got {device.noise!r}"
        + ("; only 'qrnn evaluate' takes several" if "," in (device.noise or "") else "")
    )
    try:
        scale = float(device.noise or 1.0)
    except ValueError as error:
        raise DeviceError(expected) from error
    if not 0.0 <= scale < float("inf"):
        raise DeviceError(expected)
    return scale
