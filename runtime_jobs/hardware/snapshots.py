"""Calibration snapshots of IBM devices on this machine, by name."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from qiskit.transpiler import Target
from qiskit_ibm_runtime import fake_provider

from runtime_jobs.device_names import DeviceError, shorten_target
from runtime_jobs.hardware.repetition import Delays

__all__ = [
    "describe_snapshot",
    "find_caveat",
    "list_local_devices",
    "open_delays",
    "open_target",
]

# Snapshots that do not represent a processor of their name, and why. Qiskit warns that the numbers
# of the first one are not typical of a Nighthawk, and has no calibration to replace them with; the
# second one is modelled after a small processor to test fractional gates.
_NOT_REPRESENTATIVE = {
    "nighthawk": "errors not representative of the processor",
    "fractional": "test fixture, no processor",
}
_DYNAMIC = {"if_else", "reset"}  # instructions of circuits with mid-circuit readout


@cache
def list_local_devices() -> dict[str, int]:
    """List the devices that run dynamic circuits, with their qubits.

    They are in alphabetical order; those that :func:`find_caveat` marks come last.
    """
    sizes = {}
    for name, device in _find_classes().items():
        configuration = _read_configuration(device)
        if not _find_lacking(configuration):
            sizes[name] = int(configuration["n_qubits"])
    return dict(sorted(sizes.items(), key=lambda item: (find_caveat(item[0]) != "", item[0])))


def find_caveat(name: str) -> str:
    """Return why the snapshot of a device does not represent a processor; empty where it does."""
    return _NOT_REPRESENTATIVE.get(name, "")


def open_target(name: str) -> Target:
    """Load gates, errors and durations of a device from its calibration snapshot.

    Args:
        name: Name of the device: ``kingston``, ``fake_kingston`` or ``ibm_kingston``.

    Raises:
        DeviceError: The device is unknown or does not run dynamic circuits; the message lists the
            devices that do.
    """
    name = shorten_target(name)
    device = _find_classes().get(name)
    lacking = [] if device is None else _find_lacking(_read_configuration(device))
    if device is not None and not lacking:
        return _load_target(name)
    known = list_local_devices()
    if device is None:
        nearest = get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        problem = f"unknown device {name!r}; {hint}"
    else:
        lacks = " and ".join(lacking)
        problem = f"device {name!r} lacks {lacks}, which mid-circuit measurements need; "
    raise DeviceError(f"{problem}known with dynamic circuits: {', '.join(known)}")


def open_delays(name: str) -> Delays:
    """Return the repetition delays of a device, by its calibration snapshot where there is one."""
    device = _find_classes().get(shorten_target(name))
    configuration = {} if device is None else _read_configuration(device)
    default = configuration.get("default_rep_delay")
    if default is None:
        return Delays()
    shortest, longest = configuration.get("rep_delay_range", (default, default))
    return Delays(default * 1e-6, shortest * 1e-6, longest * 1e-6)


def describe_snapshot(name: str) -> str:
    """Describe a calibration snapshot by its date and its origin; see :func:`open_target`."""
    device = _find_classes()[shorten_target(name)]
    file = Path(device.dirname) / device.props_filename
    properties: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    date = str(properties["last_update_date"])[:10]
    return f"snapshot of {date} shipped with qiskit-ibm-runtime"


def _read_configuration(device: Any) -> dict[str, Any]:
    file = Path(device.dirname) / device.conf_filename
    configuration: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return configuration


def _find_lacking(configuration: dict[str, Any]) -> list[str]:
    return sorted(_DYNAMIC.difference(configuration.get("supported_instructions", ())))


@cache
def _load_target(name: str) -> Target:
    return _find_classes()[name]().target


@cache
def _find_classes() -> dict[str, Any]:
    classes: dict[str, Any] = {}
    for attribute in dir(fake_provider):
        found: Any = getattr(fake_provider, attribute)
        if getattr(found, "conf_filename", None):
            classes[found.backend_name.removeprefix("fake_")] = found
    return classes
