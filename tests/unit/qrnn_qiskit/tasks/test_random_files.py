"""Random CSV files: each is trained on and read, or refused in one line.

A file is drawn from its seed: its kind, dialect, encoding and cells, and then some damage. Seed
and content of a failing file are in the message of the test.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from circuits.errors import UserError
from qrnn_qiskit.tasks import Task
from qrnn_qiskit.tasks.data.spreadsheet import write_csv
from qrnn_qiskit.tasks.series import Series, SeriesSettings
from qrnn_qiskit.tasks.text import Text, TextSettings

GRU = Callable[[int], nn.Module]
WORDS = ["good", "bad", "film", "a", "the", "it", "was", "not", "very", "don't", "2nd"]
WORDS += ["很好", "电影", "แย่มาก", "😀", "👍🏽", "été", "e\u0301te\u0301"]
ODD_TEXTS = ["", " ", "=1+1", "@x", '"q"', "two\nlines", "a;b", "a,b", "a\tb", "<br>", "..."]
ODD_NUMBERS = [
    *("", " ", "nan", "inf", "-inf", "NA", "1_000", "1,5", "1.234,5", "1 000", "0x10", "1e999"),
    *("1e200", "-1e200", "1e-200", "1e25", "5e-324", "1e30", "\uff11", "\u22121", "1e", "=1"),
]  # fmt: skip
LABELS = [["a", "b"], ["=a", "-b"], ["1", "1.0", "2"], ["True", "TRUE"], ["x"]]
ENCODINGS = ["utf-8"] * 8 + ["utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1", "shift_jis"]


def draw_text(random: Random) -> str:
    if random.random() < 0.005:
        return random.choice(ODD_TEXTS)
    return " ".join(random.choices(WORDS, k=random.randint(1, 6)))


def draw_numbers(random: Random, count: int) -> list[str]:
    """Numbers of one of the usual kinds, with a few odd ones in some columns."""
    scale = random.choice([1, 1, 1, 1, 1e-3, 1e6, 1e6, 1e29, 1e200, 1e-200, 0])
    offset = random.choice([0, 0, 0, 1, 1, 1e9, 1e17])
    numbers = [repr(offset + scale * random.gauss(0, 1)) for _ in range(count)]
    if random.random() < 0.1:
        numbers = [repr(0.1 + 0.2 if t % 2 else 0.3) for t in range(count)]
    if random.random() < 0.15:
        numbers = [number.replace(".", ",") for number in numbers]
    if count and random.random() < 0.2:
        numbers[random.randrange(count)] = random.choice(ODD_NUMBERS)
    return numbers


def draw_times(random: Random, count: int) -> list[str]:
    times = [f"2026-{1 + t // 28:02d}-{1 + t % 28:02d}" for t in range(count)]
    kind = random.random()
    if kind < 0.2:
        times = [str(t) for t in range(count)]
    elif kind < 0.3:
        random.shuffle(times)
    elif kind < 0.4:
        times.reverse()
    elif kind < 0.5:
        times = [f"Q{t}" for t in range(count)]
    return times


def draw_columns(random: Random, kind: str) -> dict[str, list[str]]:
    count = random.choice([0, 2, 12, *[60] * 6, 120, 120])
    columns: dict[str, list[str]] = {}
    if random.random() < 0.2:
        columns[""] = [str(t) for t in range(count)]
    if kind == "text":
        labels = random.choice(LABELS)
        columns["text"] = [draw_text(random) for _ in range(count)]
        columns["label"] = [random.choice(labels) for _ in range(count)]
        if count and random.random() < 0.1:
            columns["label"][random.randrange(count)] = random.choice(["", "rare", "\u00e9"])
    else:
        if random.random() < 0.4:
            columns[random.choice(["time", "Date", "t"])] = draw_times(random, count)
        columns["y"], columns["x"] = draw_numbers(random, count), draw_numbers(random, count)
    if random.random() < 0.1:
        columns[random.choice([" ", "été", "y ", "text", "long" * 500])] = ["0"] * count
    if random.random() < 0.05:
        columns.pop(random.choice(list(columns)))
    return columns


def draw_file(random: Random, kind: str, encoding: str) -> bytes:
    columns = draw_columns(random, kind)
    records = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    if random.random() < 0.1 and len(records) > 2:
        record = random.choice(records)
        record.append("1") if random.random() < 0.5 else record.clear()
    if random.random() < 0.05:
        random.choice(records).append("a" * 200_000)
    if random.random() < 0.1:
        records = [[*record, "", ""] for record in records] + [[""] * 3] * 2
    separator = random.choice([",", ",", ",", ";", "\t", "|"])
    file = io.StringIO()
    quoting = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    end = random.choice(["\n", "\n", "\r\n", "\r"])
    csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end).writerows(records)
    text = file.getvalue()
    if random.random() < 0.1:
        text = f"sep={separator}{end}{text}"
    if random.random() < 0.05:
        text = text.replace(separator, random.choice(",;\t\0'\""), 3)
    return damage(random, text.encode(encoding, "replace"))


def damage(random: Random, content: bytes) -> bytes:
    """Cut a file, change some bytes or insert some, in one file of seven."""
    kind = random.random()
    place = random.randrange(len(content) + 1)
    if kind < 0.05:
        return content[:place]
    if kind < 0.1:
        return content[:place] + random.randbytes(random.randint(1, 4)) + content[place:]
    if kind < 0.14:
        return (
            content[:place]
            + random.choice([b'"', b"\n\n", b"\0", b"\r", b"\xff"])
            + content[place:]
        )
    return content


def use(task: Task, path: Path, gru: GRU) -> None:
    """Train a model for a step, and predict the same file as new inputs."""
    splits = task.load()
    model = task.build(gru)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(model.parameters())
    loss = task.loss(model.run(splits.train)[0], splits.train)
    loss.backward()
    optimizer.step()
    assert math.isfinite(loss.item())
    for split in (splits.validation, splits.test, task.read(path)):
        with torch.no_grad():
            prediction = model.run(split)[0]
        assert prediction.isfinite().all()
        header, rows = task.tabulate(prediction, split)
        write_csv(io.StringIO(), header, rows)
        if split.has_targets:
            values = task.summarize(task.measure(prediction, split)).values()
            assert all(math.isfinite(each.value) for each in values)


def try_file(seed: int, path: Path, gru: GRU) -> str:
    """Use the file of a seed; return "used", or the message with which it was refused."""
    random = Random(seed)
    kind, encoding = random.choice(["text", "series"]), random.choice(ENCODINGS)
    path.write_bytes(draw_file(random, kind, encoding))
    setting = encoding if random.random() < 0.85 else "utf-8"
    try:
        task: Task
        if kind == "text":
            task = Text(TextSettings(file=path, encoding=setting))
        else:
            inputs = ("x",) if random.random() < 0.5 else ()
            task = Series(SeriesSettings(file=path, target="y", inputs=inputs, encoding=setting))
        use(task, path, gru)
    except (UserError, ValidationError) as error:
        return str(error)
    return "used"


def try_files(seeds: range, path: Path, gru: GRU) -> None:
    used = 0
    for seed in seeds:
        try:
            answer = try_file(seed, path, gru)
        except Exception as error:
            raise AssertionError(
                f"seed {seed}: {type(error).__name__}: {error}; {path.read_bytes()[:2000]!r}"
            ) from error
        used += answer == "used"
        assert "\n" not in answer, f"seed {seed}: {answer}"
        assert len(answer) < 2000, f"seed {seed}: {answer}"
    assert 0.15 * len(seeds) < used < 0.8 * len(seeds)


@pytest.fixture
def dtype() -> torch.dtype:
    return torch.float32


def test_60_random_files_are_used_or_refused_in_one_line(tmp_path: Path, make_gru: GRU) -> None:
    try_files(range(60), tmp_path / "random.csv", make_gru)


@pytest.mark.slow
def test_1000_random_files_are_used_or_refused_in_one_line(tmp_path: Path, make_gru: GRU) -> None:
    try_files(range(60, 1060), tmp_path / "random.csv", make_gru)
