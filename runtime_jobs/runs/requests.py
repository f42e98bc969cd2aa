"""The QPU work that planning and submitting request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from circuits.errors import InvalidValueError
from circuits.validation import require_count, require_name
from runtime_jobs.devices import DeviceError, parse_device_name
from runtime_jobs.runs.opening import find_target

if TYPE_CHECKING:
    from circuits.limits import JobLimits
    from qrnn_qiskit.executors.gradient_methods import GradientMethod
    from qrnn_qiskit.training.loading import TrainedModel
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.estimation.mitigation import Mitigation
    from runtime_jobs.hardware.calibration import TrainedLayout
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.pricing.work import Work

__all__ = ["Request", "read_request"]


class Request(NamedTuple):
    """Work for a QPU.

    Attributes:
        qpu: Name of the QPU without "ibm_".
        shots: Shots per circuit and measurement basis.
        train_steps: Training steps; 0 for inference.
        method: Gradient method; None for inference.
        mitigation: Error mitigation of dynamic circuits; None for none.
        decouple: Sequence of gates in long waits of dynamic circuits, by name; None for none.
    """

    qpu: str
    shots: int
    train_steps: int
    method: GradientMethod | None
    mitigation: Mitigation | None = None
    decouple: str | None = None

    @property
    def calibrates(self) -> bool:
        """Whether the readout of the qubits is calibrated."""
        return self.mitigation is not None and self.mitigation.calibrates

    def load(self, run: RunFolder) -> TrainedModel:
        """Load the trained model of a run, if the options of dynamic circuits suit it.

        Raises:
            InvalidValueError: Mitigation or decoupling of a model without dynamic circuits, or a
                mitigation that does not suit its measurement.
        """
        from qrnn_qiskit.training.loading import load_run
        from runtime_jobs.estimation.mitigated import check_measurement

        trained = load_run(run)
        measurement = trained.qrnn.measurement
        if self.mitigation is not None:
            if measurement is None:
                raise InvalidValueError(
                    "--mitigation applies to dynamic circuits, but this run has no "
                    "readout=measured; 'qrnn evaluate' mitigates a replay on a simulated device"
                )
            check_measurement(measurement, self.mitigation, self.shots)
        if self.decouple is not None and measurement is None:
            raise InvalidValueError(
                f"--decouple {self.decouple} (in Python decouple) fills the waits of dynamic "
                "circuits, but this run has no readout=measured; leave it out"
            )
        return trained

    def find_work(
        self,
        trained: TrainedModel,
        sequences: int | None,
        patches: int | None,
        spacing: int,
        service: Service | None,
        limits: JobLimits | None = None,
        layout: TrainedLayout | None = None,
    ) -> tuple[Work, str]:
        """Return the work of a trained model on the QPU, and the origin of the calibration.

        Without a ``service``, the calibration is a snapshot on this machine. ``patches`` None takes
        the number that :meth:`~runtime_jobs.pricing.work.Work.pack_best` finds. ``layout`` are the
        qubits of the training, which are kept if they work.
        """
        from runtime_jobs.pricing.work import find_work

        if self.calibrates and patches != 1:
            raise InvalidValueError(
                "--mitigation readout and feedforward calibrate one set of qubits, got --patches "
                f"{'auto' if patches is None else patches}; use --patches 1, or --mitigation zne"
            )
        target, calibration = find_target(self.qpu, service)
        work = find_work(
            trained,
            self.qpu,
            target,
            sequences,
            self.method is not None,
            patches=patches or 1,
            spacing=spacing,
            layout=layout,
        )
        if patches is None:
            work = work.pack_best(self.method, limits)
        return work, calibration


def read_request(
    on: str,
    shots: int | None,
    train_steps: int | None,
    gradient: str | None,
    mitigation: str | None = None,
    decouple: str | None = None,
) -> Request:
    """Read the QPU with its shots, and the gradient method of training steps.

    Raises:
        DeviceError: The device is not a QPU with a name, or shots are missing.
        ValueError: Training steps were given without a gradient method, or the reverse; or an
            unknown mitigation or decoupling.
    """
    from runtime_jobs.device_names import merge_options

    device = merge_options(parse_device_name(on), shots, None)
    if device.name != "ibm" or device.target is None:
        raise DeviceError(
            f"expected a QPU such as ibm:kingston, got {on!r}; on a device of this machine, run "
            "'qrnn evaluate', which costs nothing"
        )
    if set(device.options()) - {"shots"}:
        raise DeviceError(
            f"expected no option but shots in the name of a QPU, got '{device}'; seed and "
            "noise apply only to local devices, and --patches, --spacing and --mitigation set the "
            "others"
        )
    if device.shots is None:
        raise DeviceError(
            f"device '{device}': shots are missing; add for example --shots 1000 (in Python "
            "shots=1000)"
        )
    if train_steps is not None:
        train_steps = require_count("--train-steps (in Python train_steps)", train_steps)
    if (train_steps is None) != (gradient is None):
        raise InvalidValueError(
            "--train-steps and --gradient belong together: give both for training, such as "
            "--train-steps 3 --gradient spsa (in Python train_steps=3, gradient='spsa'), or "
            "neither for inference"
        )
    method = None
    if gradient is not None:
        from qrnn_qiskit.executors.gradient_methods import parse_gradient

        method = parse_gradient(gradient)
    chosen = None
    if mitigation is not None:
        from runtime_jobs.estimation.mitigation import parse_mitigation

        chosen = parse_mitigation(mitigation)
    if decouple is not None:
        from runtime_jobs.hardware.decoupling import SEQUENCES

        require_name("--decouple (in Python decouple)", decouple, SEQUENCES)
    return Request(device.target, device.shots, train_steps or 0, method, chosen, decouple)
