"""Numbers at the doors: any real number or integer is taken as a plain one, others are refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from runtime_jobs import open_device
from runtime_jobs.device_names import merge_options, parse_device_name
from runtime_jobs.hardware.repetition import parse_delay
from runtime_jobs.runs.options import SendOptions
from runtime_jobs.runs.requests import read_request


def test_numbers_of_numpy_can_be_written_as_json() -> None:
    options = SendOptions(
        max_qpu_seconds=np.float32(2.5),  # type: ignore[arg-type]
        sequences=np.int64(3),  # type: ignore[arg-type]
        train_steps=np.int8(1),  # type: ignore[arg-type]
        patches=np.uint16(2),  # type: ignore[arg-type]
        spacing=np.int64(0),  # type: ignore[arg-type]
        session_seconds=np.int32(60),  # type: ignore[arg-type]
    )
    content = json.loads(json.dumps(asdict(options)))
    assert (content["max_qpu_seconds"], content["patches"]) == (2.5, 2)
    device = merge_options(parse_device_name("aer"), np.int64(5), np.uint8(1))  # type: ignore[arg-type]
    assert json.dumps(device.options()) == '{"shots": 5, "seed": 1}'
    request = read_request("ibm:kingston", np.int64(5), np.int64(2), "spsa")  # type: ignore[arg-type]
    assert (type(request.shots), type(request.train_steps)) == (int, int)
    assert type(parse_delay(np.float32(0.5))) is float


@pytest.mark.parametrize("value", [True, "60", np.nan, np.inf, -1, 0, 1 + 0j])
def test_other_caps_are_refused(value: object, tmp_path: Path) -> None:
    expected = r"max_qpu_seconds.* must be a finite number above 0, got"
    with pytest.raises((TypeError, ValueError), match=expected):
        SendOptions(max_qpu_seconds=value)  # type: ignore[arg-type]
    folder = tmp_path / "ledger"
    with pytest.raises((TypeError, ValueError), match=expected):
        open_device("ibm:kingston", shots=1, max_qpu_seconds=value, ledger=folder)  # type: ignore[arg-type]
    assert not folder.exists()


@pytest.mark.parametrize("value", [True, 2.0, "3", 0, -1])
@pytest.mark.parametrize("name", ["sequences", "train_steps", "patches", "session_seconds"])
def test_other_counts_are_refused(name: str, value: object) -> None:
    option = f"--{name.replace('_', '-')} "
    with pytest.raises((TypeError, ValueError), match=f"{option}.*integer of at least 1, got"):
        SendOptions(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, np.nan, -1e-5, b"50us"])
def test_other_delays_are_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"rep_delay, seconds.* of at least 0, got"):
        parse_delay(value)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "name", ["serial_branches", "fresh", "relayout", "fast_measurements", "new_budget"]
)
def test_a_word_is_no_flag(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be True or False, got 'no'"):
        SendOptions(**{name: "no"})  # type: ignore[arg-type]
