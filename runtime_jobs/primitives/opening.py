"""Open the executor on a backend or a V2 primitive that the user has made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qiskit.primitives import BackendSamplerV2, BaseEstimatorV2, BaseSamplerV2
from qiskit.providers import BackendV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_ibm_runtime import IBMBackend
from qiskit_ibm_runtime.fake_provider.fake_backend import FakeBackendV2

from circuits.errors import InvalidTypeError
from qrnn_qiskit.executors import Executor
from runtime_jobs.aer import AerExecutor
from runtime_jobs.aer.noisy_device import DeviceStages
from runtime_jobs.device_names import DeviceError
from runtime_jobs.primitives.estimator import EstimatorExecutor
from runtime_jobs.primitives.sampler import SamplerExecutor

__all__ = ["open_given"]


def open_given(
    device: object,
    *,
    shots: int | None = None,
    seed: int | None = None,
    gradient: str | None = None,
    keep_results: bool = False,
) -> Executor:
    """Open a backend or a V2 primitive; see :func:`runtime_jobs.open_device` for the arguments.

    Raises:
        InvalidTypeError: ``device`` is neither.
        DeviceError: It is a QPU of IBM, or does not take one of the options.
    """
    options: dict[str, Any] = {"gradient": gradient, "keep_results": keep_results}
    if isinstance(device, BackendV2):
        return _open_backend(device, shots, seed, options)
    if not isinstance(device, BaseSamplerV2 | BaseEstimatorV2):
        raise InvalidTypeError(
            "expected a device as a name such as 'aer:kingston', a BackendV2, a SamplerV2 or an "
            f"EstimatorV2, got a {type(device).__name__}"
        )
    if seed is not None:
        raise DeviceError(
            f"a {type(device).__name__} has its own random numbers, so seed={seed} would be "
            "ignored; seed it where it is made"
        )
    backend = _find_backend(device)
    _refuse_qpu(backend)
    target = None if backend is None else backend.target
    if isinstance(device, BaseSamplerV2):
        name = _name("sampler", type(device).__name__, shots)
        count = _require_shots(shots, name)
        return SamplerExecutor(lambda: device, target, count, name=name, **options)
    name = _name("estimator", type(device).__name__, shots)
    if shots is None and _find_precision(device) != 0:
        _require_shots(shots, name)
    return EstimatorExecutor(device, target, shots, name=name, **options)


def _open_backend(
    backend: BackendV2, shots: int | None, seed: int | None, options: dict[str, Any]
) -> Executor:
    _refuse_qpu(backend)
    name = _name("backend", str(backend.name or type(backend).__name__), shots)
    if isinstance(backend, FakeBackendV2 | GenericBackendV2) and not options["keep_results"]:
        # Its own run() simulates all of its qubits: seconds a call on 156 of them.
        stages = DeviceStages(name, backend.target, calibration=f"snapshot of {backend.name}")
        return AerExecutor(
            shots=shots, seed=seed, gradient=options["gradient"], name=name, stages=stages
        )
    count = _require_shots(shots, name)
    return SamplerExecutor(
        _seed_samplers(backend, seed), backend.target, count, name=name, **options
    )


def _seed_samplers(backend: BackendV2, seed: int | None) -> Callable[[], BackendSamplerV2]:
    """Return a function that makes a sampler with other random numbers for each job."""
    random = np.random.default_rng(seed)

    def make() -> BackendSamplerV2:
        options = {} if seed is None else {"seed_simulator": int(random.integers(2**31))}
        return BackendSamplerV2(backend=backend, options=options)

    return make


def _find_backend(primitive: object) -> BackendV2 | None:
    """Find the backend behind a primitive; None for one without, such as StatevectorSampler."""
    for name in ("backend", "_backend"):
        found = getattr(primitive, name, None)
        if callable(found):
            found = found()
        if isinstance(found, BackendV2):
            return found
    return None


def _find_precision(estimator: BaseEstimatorV2) -> float | None:
    """Find the default precision of an estimator; None where it states none."""
    for owner in (estimator, getattr(estimator, "options", None)):
        found = getattr(owner, "default_precision", None)
        if isinstance(found, int | float):
            return float(found)
    return None


def _refuse_qpu(backend: BackendV2 | None) -> None:
    """Raise a DeviceError for a QPU of IBM, whose jobs are capped and recorded by its name."""
    if isinstance(backend, IBMBackend):
        name = backend.name.removeprefix("ibm_")
        raise DeviceError(
            f"{backend.name} is a QPU that bills its jobs; open it by name, so that they are "
            f"capped and recorded: open_device('ibm:{name}', shots=1000, max_qpu_seconds=60, "
            "ledger=Path('runs/a'))"
        )


def _require_shots(shots: int | None, name: str) -> int:
    if shots is None:
        raise DeviceError(f"{name} samples, and shots are missing; give them, such as shots=1000")
    return shots


def _name(kind: str, name: str, shots: int | None) -> str:
    return f"{kind}:{name}" + ("" if shots is None else f"?shots={shots}")
