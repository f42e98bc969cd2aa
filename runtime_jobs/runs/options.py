"""The options of a submission, in one record that the command and the function share."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from circuits.errors import InvalidValueError
from circuits.validation import require_name
from runtime_jobs.ledger.records import WorkloadMode

__all__ = ["SendOptions"]


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """What a run is sent with; :func:`runtime_jobs.submit` documents each option.

    Raises:
        InvalidValueError: A cap that is not above 0, or an unknown mode.
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
        cap = self.max_qpu_seconds
        if cap is not None and not 0 < cap < float("inf"):
            raise InvalidValueError(
                f"expected --max-qpu-seconds (in Python max_qpu_seconds) above 0, got {cap}"
            )
        require_name("mode", self.mode, [str(each) for each in WorkloadMode])
