"""Ctrl-C during long calls of compiled code."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sampling import slow_pairs
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.cpu import interruption
from qrnn_qiskit.engines.cpu.noisy_program import ProgramBuilder, pack_zero
from qrnn_qiskit.training.interruption import catch_interrupt

SECONDS = 1.0  # until a call has ended


class Interrupt:
    """SIGINT to this process after some seconds, and the time since then."""

    def __init__(self, after: float) -> None:
        self._sent = 0.0
        self._timer = threading.Timer(after, self._send)
        self._timer.start()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    def measure(self) -> float:
        self._timer.join()
        return time.perf_counter() - self._sent


def make_long(**settings: object) -> tuple[QRNN, Tensor]:
    """A model and inputs whose steps take seconds together, each of them milliseconds."""
    torch.manual_seed(0)
    model = QRNN(input_size=1, **{"num_qubits": 10, "num_layers": 2} | settings)  # type: ignore[arg-type]
    x = torch.rand(256, 784, 1)
    model(x[:1, :1].to(model.dtype))  # imports and compiles, if that was not done before
    return model, x


def make_measured(**settings: object) -> tuple[QRNN, Tensor]:
    """As :func:`make_long`, compiled for records too."""
    torch.manual_seed(0)
    model = QRNN(input_size=1, num_layers=2, **settings)  # type: ignore[arg-type]
    x = torch.rand(256, 784, 1)
    if model.num_qubits < 7:
        model(x[:1, :1])[0].sum().backward()
    model.filter(x[:1, :1], torch.zeros(1, 1, 1)).log_likelihood.sum().backward()
    return model, x


def run_forward(model: QRNN, x: Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.no_grad():
            return model(x)

    return run


def run_backward(model: QRNN, x: Tensor) -> Callable[[], object]:
    # Seconds at any width: half the sequences for each qubit more.
    output, _ = model(x[: 1 << (16 - model.num_qubits)])
    return output.sum().backward


def test_ctrl_c_ends_a_long_call_within_a_second() -> None:
    model, x = make_long()
    interrupt = Interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        run_forward(model, x)()
    assert interrupt.measure() < SECONDS
    output, _ = model(x[:2, :3])  # the model is as before
    assert output.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("start", [run_forward, run_backward])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dtype": torch.float64},
        {"num_qubits": 14},
        {"readout": "none"},
        {"num_registers": 2, "num_qubits": 9},
    ],
    ids=str,
)
def test_ctrl_c_ends_every_long_kernel_within_a_second(
    settings: dict[str, object], start: Callable[[QRNN, Tensor], Callable[[], object]]
) -> None:
    model, x = make_long(**settings)
    call = start(model, x.to(model.dtype))
    interrupt = Interrupt(0.3)
    with pytest.raises(KeyboardInterrupt):
        call()
    assert interrupt.measure() < SECONDS


def run_filter(model: QRNN, x: Tensor) -> Callable[[], object]:
    record = torch.zeros(*x.shape[:2], 1)
    record[:, 1::2] = 1.0

    def run() -> object:
        with torch.no_grad():
            return model.filter(x, record)

    return run


def run_filter_backward(model: QRNN, x: Tensor) -> Callable[[], object]:
    found = model.filter(x[:64, :400], torch.zeros(64, 400, 1))
    return found.log_likelihood.sum().backward


def run_measured_backward(model: QRNN, x: Tensor) -> Callable[[], object]:
    output, _ = model(x[:32, :600])
    return output.sum().backward


def run_noisy(model: QRNN, x: Tensor) -> Callable[[], object]:
    """Rotations of six qubits, each with some noise, as one long program."""
    builder = ProgramBuilder(6)
    for number in range(4000):
        builder.rotate(1 + number % 3, number % 6)
        builder.map((number % 6,), np.diag([1.0, 0.99, 0.99, 0.99]))
    program = builder.build(torch.float64)
    start = pack_zero(64, 6, 1, torch.float64)
    return lambda: program.run(start, np.full((64, program.num_angles), 0.3))


MEASURED: dict[str, object] = {"readout": "measured", "coupling": "symmetric", "num_qubits": 5}


@pytest.mark.parametrize(
    ("settings", "start"),
    [
        (MEASURED | {"num_qubits": 10}, run_filter),
        *slow_pairs(
            [
                (MEASURED, run_forward),
                (MEASURED, run_measured_backward),
                (MEASURED | {"measurement_frame": "undone"}, run_forward),
                (MEASURED | {"measurement_frame": "undone"}, run_measured_backward),
                (MEASURED | {"num_qubits": 10}, run_filter_backward),
                (MEASURED, run_noisy),
            ]
        ),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),  # without addresses
)
def test_ctrl_c_ends_measured_and_noisy_kernels(
    settings: dict[str, object], start: Callable[[QRNN, Tensor], Callable[[], object]]
) -> None:
    model, x = make_measured(**settings)
    call = start(model, x)
    interrupt = Interrupt(0.2)
    with pytest.raises(KeyboardInterrupt):
        call()
    assert interrupt.measure() < SECONDS


def test_whatever_a_handler_raises_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> None:
        raise TimeoutError("too long")

    model, x = make_long()
    before = signal.signal(signal.SIGINT, give_up)
    try:
        interrupt = Interrupt(0.1)
        with pytest.raises(TimeoutError, match="too long"):
            run_forward(model, x)()
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupt.measure() < SECONDS


def test_a_long_call_gives_what_a_short_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> list[Tensor]:
        torch.manual_seed(1)
        model = QRNN(input_size=2, num_qubits=3)
        x = torch.rand(5, 4, 2, requires_grad=True)
        output, _ = model(x)
        output.square().sum().backward()
        assert x.grad is not None
        return [output, x.grad]

    expected = run()
    called: list[str] = []
    started = threading.Thread.start
    monkeypatch.setattr(
        threading.Thread, "start", lambda self: (called.append(self.name), started(self))[1]
    )
    monkeypatch.setattr(interruption, "_LONG", 0)
    for found, wanted in zip(run(), expected, strict=True):
        assert torch.equal(found, wanted)
    assert called.count("qrnn_qiskit-kernel") == 2


def test_an_error_of_a_long_call_is_raised() -> None:
    def fail(flag: np.ndarray) -> None:
        if not flag[0]:
            raise MemoryError("no")

    with pytest.raises(MemoryError, match="no"):
        interruption.run_stoppable(fail)


def test_other_threads_run_their_calls_themselves() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(interruption.is_long(1 << 60, 1)))
    thread.start()
    thread.join()
    assert found == [False]
    assert interruption.is_long(1 << 60, 1)
    assert not interruption.is_long(1 << 20, 1)


def test_the_first_ctrl_c_in_training_is_answered_at_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def call(flag: np.ndarray) -> None:
        while not flag[0] and "stopping after this step" not in capfd.readouterr().err:
            time.sleep(0.01)

    with catch_interrupt() as interrupted:
        interrupt = Interrupt(0.1)
        interruption.run_stoppable(call)  # ends, as the line is printed while it runs
        assert interrupt.measure() < SECONDS
        assert interrupted()
