"""What ``qrnn plan`` and ``qrnn submit`` ask of a QPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from circuits.errors import InvalidValueError
from runtime_jobs.cli.options import find_target
from runtime_jobs.devices import DeviceError, parse_device_name

if TYPE_CHECKING:
    from qrnn_qiskit.executors.gradient_methods import GradientMethod
    from qrnn_qiskit.training.loading import TrainedModel
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.plan.work import Work

__all__ = ["Request", "read_request"]


class Request(NamedTuple):
    """Work for a QPU.

    Attributes:
        qpu: Its name without "ibm_".
        shots: Of each circuit and basis.
        train_steps: Steps of training; 0 for inference.
        method: Of the gradient; None for inference.
    """

    qpu: str
    shots: int
    train_steps: int
    method: GradientMethod | None

    def find_work(
        self,
        run: RunFolder,
        sequences: int | None,
        patches: int,
        spacing: int,
        service: Service | None,
    ) -> tuple[TrainedModel, Work, str]:
        """The trained model, its circuits for the QPU, and where the calibration is from.

        Without a ``service``, the calibration is the snapshot of this machine.
        """
        from qrnn_qiskit.training.loading import load
        from runtime_jobs.plan.work import find_work

        target, calibration = find_target(self.qpu, service)
        trained = load(run.path)
        work = find_work(
            trained,
            self.qpu,
            target,
            sequences,
            self.method is not None,
            patches=patches,
            spacing=spacing,
        )
        return trained, work, calibration


def read_request(
    on: str, shots: int | None, train_steps: int | None, gradient: str | None
) -> Request:
    """The QPU with its shots, and the method of the gradient where steps of training are asked for.

    Raises:
        DeviceError: no QPU, or none named, or shots are missing.
        ValueError: training without a gradient, or the other way round.
    """
    from qrnn_qiskit.executors.gradient_methods import parse_gradient
    from runtime_jobs.device_names import merge_options

    device = merge_options(parse_device_name(on), shots, None)
    if device.name != "ibm" or device.target is None:
        raise DeviceError(
            f"device {on!r} arrived; a QPU is required, such as ibm:kingston. Devices on this "
            "machine cost nothing: 'qrnn evaluate' runs on them at once"
        )
    if set(device.options()) - {"shots"}:
        raise DeviceError(
            f"device '{device}': the name of a QPU takes shots alone; seed, noise and mitigation "
            "are of local devices, patches and spacing are options (--patches, --spacing)"
        )
    if device.shots is None:
        raise DeviceError(f"device '{device}': shots are missing; give --shots, for example 1000")
    if train_steps is not None and train_steps < 1:
        raise InvalidValueError(f"--train-steps is {train_steps}; at least 1 is required")
    if (train_steps is None) != (gradient is None):
        raise InvalidValueError(
            "--train-steps and --gradient belong together: give both for training, such as "
            "--train-steps 3 --gradient spsa, and none for inference"
        )
    method = None if gradient is None else parse_gradient(gradient)
    return Request(device.target, device.shots, train_steps or 0, method)
