from __future__ import annotations

import math

import pytest

from circuits.errors import InvalidValueError
from circuits.limits import JobLimits
from circuits.profile import CircuitProfile
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.job_limits import Load, Piece, estimate_seconds, split_loads
from runtime_jobs.hardware.repetition import Delays, parse_delay, share_left
from runtime_jobs.hardware.snapshots import open_delays


@pytest.mark.parametrize(
    ("text", "seconds"), [("50us", 50e-6), ("0.05 ms", 50e-6), ("1s", 1.0), ("20µs", 20e-6)]
)
def test_a_delay_has_a_unit(text: str, seconds: float) -> None:
    assert parse_delay(text) == seconds


@pytest.mark.parametrize("text", ["50", "us", "-1us", "50 ns", "1e-6s", ""])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="such as 50us"):
        parse_delay(text)


def test_a_device_takes_the_delays_of_its_range_only() -> None:
    delays = open_delays("ibm_kingston")
    assert (delays.default, delays.longest) == pytest.approx((250e-6, 2e-3))
    assert delays.choose(None, "kingston") == delays.default
    assert delays.choose(50e-6, "kingston") == 50e-6
    with pytest.raises(DeviceError, match=r"from 20 to 500 us, got 600 us"):
        Delays(250e-6, 20e-6, 500e-6).choose(600e-6, "fez")


def test_seconds_take_the_delay_and_the_way_branches_run() -> None:
    profile = CircuitProfile(10e-6, 1, 1, 60, 0.0, serial_seconds=30e-6)
    load, shots = Load("it", profile, 8), 1000
    job = [Piece(0, 0, 8)]
    assert estimate_seconds([load], job, shots) == pytest.approx(2 + 8000 * 260e-6)
    serial = JobLimits(serial_branches=True)
    seconds = estimate_seconds([load], job, shots, serial, rep_delay=50e-6)
    assert seconds == pytest.approx(2 + 8000 * 80e-6)
    # 1.5 x (2 s + circuits x 1,000 x delay) is at most 6 s: 2 s of circuits
    limits = JobLimits(seconds=6)
    jobs = [len(split_loads([load], shots, limits, rep_delay=d)) for d in (490e-6, 240e-6)]
    assert jobs == [2, 1]


def test_a_quarter_of_t1_leaves_most_of_an_excitation() -> None:
    assert share_left(50e-6, 200e-6) == pytest.approx(math.exp(-0.25))
