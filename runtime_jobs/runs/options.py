"""The options of a submission, in one record that the command and the function share."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from circuits.validation import require_amount, require_count, require_flag, require_name
from runtime_jobs.ledger.records import WorkloadMode

__all__ = ["SendOptions"]


# Their minimum; shots are checked with the name of the device.
_COUNTS = {"sequences": 1, "train_steps": 1, "patches": 1, "spacing": 0, "session_seconds": 1}
_FLAGS = ("serial_branches", "fresh", "relayout", "fast_measurements", "new_budget")


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """What a run is sent with; :func:`runtime_jobs.submit` documents each option.

    Raises:
        InvalidTypeError: A cap that is no number, a count that is no integer, or a flag that is not
            True or False.
        InvalidValueError: A cap that is not above 0, a count below its minimum, or an unknown mode.
    """

    shots: int | None = None
    max_qpu_seconds: float | None = None
    sequences: int | None = None
    train_steps: int | None = None
    gradient: str | None = None
    patches: int | None = 1
    spacing: int = 0
    rep_delay: str | float | None = None
    serial_branches: bool = False
    limits: str | PathLike[str] | None = None
    mitigation: str | None = None
    decouple: str | None = None
    mode: str = WorkloadMode.BATCH
    session_seconds: int | None = None
    fresh: bool = False
    relayout: bool = False
    fast_measurements: bool = False
    new_budget: bool = False

    def __post_init__(self) -> None:
        if self.max_qpu_seconds is not None:
            name = "--max-qpu-seconds (in Python max_qpu_seconds)"
            self._set(
                "max_qpu_seconds", require_amount(name, self.max_qpu_seconds, above_zero=True)
            )
        for name, minimum in _COUNTS.items():
            if (value := getattr(self, name)) is not None:
                option = f"--{name.replace('_', '-')} (in Python {name})"
                self._set(name, require_count(option, value, minimum=minimum))
        for name in _FLAGS:  # fresh="no" would be true, and pay again for what is there
            require_flag(name, getattr(self, name))
        require_name("mode", self.mode, [str(each) for each in WorkloadMode])

    def _set(self, name: str, value: object) -> None:
        """Replace a value by the same one as a plain number, which can be written as JSON."""
        object.__setattr__(self, name, value)
