"""Names of devices: their grammar and their parts.

A name is ``name[:target][?key=value[&...]]`` with the keys shots, seed, noise, mitigation, patches
and spacing:
``simulator``, ``aer?shots=4096&seed=1``, ``aer:kingston``, ``ibm:kingston``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from math import inf
from numbers import Real

from circuits.errors import InvalidValueError
from circuits.limits import MOST_PATCHES, MOST_QUBITS, MOST_SEED, MOST_SHOTS

__all__ = [
    "DEVICES",
    "DeviceError",
    "DeviceName",
    "expand_device_names",
    "merge_options",
    "parse_device_name",
    "shorten_target",
]

DEVICES = ("simulator", "aer", "ibm")
_GRAMMAR = "name[:target][?key=value[&...]]"


class DeviceError(InvalidValueError):
    """A device cannot be opened; the message gives the reason and the remedy."""


@dataclass(frozen=True)
class DeviceName:
    """The parts of a device name.

    Attributes:
        name: One of ``simulator``, ``aer`` and ``ibm``.
        target: Name of the QPU without the prefix ``ibm_``; None where none was given.
        shots: Executions of each circuit, from 1 to ``MOST_SHOTS``; None is exact or left to the
            caller.
        seed: Seed of the sampling, from 0 to ``MOST_SEED``.
        noise: Factor on the noise of the target, or error rates without a target.
        mitigation: Methods of error mitigation, joined by ``+``.
        patches: Sequences side by side on separate qubits, from 1 to ``MOST_PATCHES``.
        spacing: Spacing of the patches, from 0 to ``MOST_QUBITS``; see
            :func:`runtime_jobs.hardware.patches.choose_patches`.
    """

    name: str
    target: str | None = None
    shots: int | None = None
    seed: int | None = None
    noise: str | None = None
    mitigation: str | None = None
    patches: int | None = None
    spacing: int | None = None

    def __str__(self) -> str:
        """The full name, which :func:`parse_device_name` reads back to an equal object."""
        target = "" if self.target is None else f":{self.target}"
        options = "&".join(f"{key}={value}" for key, value in self.options().items())
        return self.name + target + (f"?{options}" if options else "")

    def options(self) -> dict[str, str | int]:
        """The keys that were given, with their values."""
        return {key: value for key in _KEYS if (value := getattr(self, key)) is not None}


_KEYS = tuple(field.name for field in fields(DeviceName))[2:]
_RANGES = {
    "shots": (1, MOST_SHOTS),
    "seed": (0, MOST_SEED),
    "patches": (1, MOST_PATCHES),
    "spacing": (0, MOST_QUBITS),
}
_LONGEST = 25  # characters of a number, more than those of the largest seed


def parse_device_name(text: str) -> DeviceName:
    """Parse a device name; ``ibm:ibm_kingston`` is the same as ``ibm:kingston``.

    >>> device = parse_device_name("aer:kingston?shots=4096")
    >>> device.name, device.target, device.shots
    ('aer', 'kingston', 4096)

    Raises:
        DeviceError: The text does not follow the grammar, or names an unknown device or key.
    """
    match = re.fullmatch(r"([^:?]*)(?::([^?]*))?(?:\?(.*))?", text)
    if match is None or not match[1]:
        raise DeviceError(f"expected a device name {_GRAMMAR}, got {text!r}")
    name, target, query = match.groups()
    if name not in DEVICES:
        nearest = get_close_matches(name, DEVICES, n=1)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise DeviceError(
            f"unknown device {name!r} in {text!r}; {hint}known: {', '.join(DEVICES)}; the name of "
            "a QPU follows a colon, as in aer:kingston or ibm:kingston"
        )
    if target is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+", target):
        raise DeviceError(
            f"device {text!r}: expected the name of a QPU as target in {_GRAMMAR}, got {target!r}"
        )
    if name == "ibm" and target is not None:
        target = target.removeprefix("ibm_")
    options = {} if query is None else _parse_options(query, text)
    return replace(DeviceName(name, target), **options)  # type: ignore[arg-type]


def expand_device_names(texts: Iterable[str], factors: Sequence[float] | None = None) -> list[str]:
    """Return device names with a list of noise factors as one name for each factor.

    >>> expand_device_names(["aer", "simulator:kingston?noise=0,1"])
    ['aer', 'simulator:kingston?noise=0', 'simulator:kingston?noise=1']
    >>> expand_device_names(["simulator", "aer:kingston"], [1, 3])
    ['simulator', 'aer:kingston?noise=1', 'aer:kingston?noise=3']

    Args:
        texts: Names of devices, of which those with a target may have factors joined by commas.
        factors: Factors for all devices with a target; these names then have none of their own.

    Returns:
        Every name once, in order.

    Raises:
        DeviceError: See :func:`parse_device_name`; or a factor is missing, or there is no device
            whose noise could be multiplied.
    """
    devices = [(text, parse_device_name(text)) for text in texts]
    if factors is not None and not any(device.target for _, device in devices):
        raise DeviceError(
            "noise multiplies the calibrated noise of a device, and none was named, only "
            f"{', '.join(text for text, _ in devices)}; name one, such as aer:kingston?shots=1000"
        )
    names: dict[str, None] = {}
    for text, device in devices:
        if device.target is None or (factors is None and device.noise is None):
            names[text] = None  # the commas of error rates stay
            continue
        for factor in _list_factors(text, device.noise, factors):
            names[str(replace(device, noise=factor))] = None
    return list(names)


def _list_factors(text: str, named: str | None, factors: Sequence[float] | None) -> list[str]:
    """Return the noise factors of a device as they are written in its names."""
    if factors is None:
        found = (named or "").split(",")
    elif named is not None:
        raise DeviceError(
            f"device {text!r} has noise={named} in its name, but noise was given as an argument "
            "as well; give one of the two"
        )
    else:
        found = [_write_factor(factor) for factor in factors]
    if not found or not all(found):
        raise DeviceError(
            f"device {text!r}: expected noise factors such as noise=0,1,3 (in Python "
            "noise=[0, 1, 3]), got an empty one"
        )
    return found


def _write_factor(factor: object) -> str:
    number = float(factor) if isinstance(factor, Real) and not isinstance(factor, bool) else -1.0
    if not 0 <= number < inf:
        raise DeviceError(f"expected noise as finite factors of at least 0, got {factor!r}")
    return f"{number:g}"


def _parse_options(query: str, text: str) -> dict[str, str | int]:
    options: dict[str, str | int] = {}
    for part in query.split("&"):
        key, equals, value = part.partition("=")
        if not (key and equals and value):
            raise DeviceError(f"device {text!r}: expected key=value, got {part!r}")
        if key not in _KEYS:
            raise DeviceError(f"device {text!r}: unknown key {key!r}; known: {', '.join(_KEYS)}")
        if key in options:
            raise DeviceError(f"device {text!r}: key {key!r} is given twice; give it once")
        options[key] = _parse_count(key, value, text) if key in _RANGES else value
    return options


def _parse_count(key: str, value: str, text: str) -> int:
    # Python's int() also takes digits of other scripts, underscores and spaces.
    if not re.fullmatch(r"-?[0-9]+", value):
        raise DeviceError(
            f"device {text!r}: expected {key} to be a whole number, got {value!r}; write it with "
            "the digits 0 to 9 only"
        )
    if len(value) > _LONGEST:
        raise DeviceError(
            f"device {text[:60] + '...'!r}: expected {key} to be at most {_RANGES[key][1]}, got a "
            f"number of {len(value)} digits"
        )
    return _check_count(key, int(value), text)


def _check_count(key: str, count: object, text: str) -> int:
    least, most = _RANGES[key]
    expected = f"device {text!r}: expected {key} to be"
    try:
        number = operator.index(count)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(count, bool):
        raise DeviceError(f"{expected} a whole number, got {count!r} ({type(count).__name__})")
    # Python does not print integers of more than 4,300 digits.
    shown = number if number.bit_length() <= 128 else f"a number of {number.bit_length()} bits"
    if number < least:
        raise DeviceError(f"{expected} at least {least}, got {shown}")
    if number > most:
        raise DeviceError(f"{expected} at most {most}, got {shown}")
    return number


def shorten_target(name: str) -> str:
    """Return the name of a QPU or its snapshot in small letters, without ``ibm_`` or ``fake_``."""
    return name.lower().removeprefix("ibm_").removeprefix("fake_")


def merge_options(device: DeviceName, shots: int | None, seed: int | None) -> DeviceName:
    """Merge options given as arguments into a device name.

    Raises:
        DeviceError: An option differs from that in the name, or is out of range.
    """
    given: dict[str, int] = {}
    for key, value in (("shots", shots), ("seed", seed)):
        named = getattr(device, key)
        if value is None:
            continue
        given[key] = _check_count(key, value, str(device))
        if named not in (None, given[key]):
            raise DeviceError(
                f"device '{device}' has {key}={named} in its name, but the argument is "
                f"{key}={value}; give one of the two"
            )
    return replace(
        device, shots=given.get("shots", device.shots), seed=given.get("seed", device.seed)
    )
