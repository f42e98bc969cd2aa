"""Hostile values of ``--set``: each resolved, and its model built, in a process with limits.

Run as ``python try_settings.py FOLDER FIRST COUNT``. It imports everything once, forks a process
for each seed, and prints one line of JSON for each: the settings, what became of them, seconds, and
bytes beyond those of the imports.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

SECONDS, BYTES = 20, 2 << 30
TASKS = ["digits"] * 3 + ["copying-memory"] * 2 + ["series"] * 2 + ["text"]
NUMBERS = [
    *("0", "-1", "1", "2", "3", "7", "17", "64", "1000", "65536", "1000000", "2147483648"),
    *("4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("1" + "0" * 23, "-1" + "0" * 23, "9" * 5000, "1e308", "-1e308", "1e-308", "5e-324", "1e999"),
    *("nan", "inf", "-inf", "+1", "0.5", "-0.0", "3.0", "1e3", "1_000", "0x10", "0b1", "0o7"),
    *("\uff15", "\u0665", "\u00b2", "1\u00a0000", "1,5", "1 000", "--1", "1e", ".5", "5."),
]
TEXTS = [
    *(
        "",
        " ",
        "none",
        "None",
        "null",
        "true",
        "false",
        "TRUE",
        "x",
        "'x'",
        '"x"',
        '"',
        "'",
        "=",
        "=",
    ),
    *(
        "é",
        "e\u0301",
        "\u202e",
        "\ud7ff",
        "😀",
        "a\tb",
        "a\nb",
        "[bold]",
        "%s",
        "{}",
        "{0}",
        "$HOME",
    ),
    *("a" * 10_000, "[" * 3000, "[" * 50 + "]" * 50, "{a=1}", "2026-01-01", "07:30:00", "# x"),
    *("[]", "[[]]", "[1]", "[1, 2", "[1e9]", '[""]', '["x"]', '["ry","rz"]', '["ZZII"]', "[nan]"),
    *("[" + "1," * 5000 + "1]", "rx," * 3000, "Z" * 5000, '["' + "Z" * 4 + '"]', "linear:1e308"),
    *("period:0", "period:nan", "depolarizing:1e9", "damping:-1", "rx,ry", "z", "zz", "cuda:99"),
]
PATHS = [
    *(
        "/dev/zero",
        "/dev/full",
        "/dev/stdin",
        "/dev/null",
        "/",
        ".",
        "..",
        "~",
        "~nobody/x",
        "~root",
    ),
    *("/proc/self/mem", "/proc/kmsg", "x" * 5000, "a\0b", "//x", "FIFO", "SOCKET", "LOOP", "HUGE"),
    *("BINARY", "EMPTY", "SERIES", "TEXT", "QASM", "file:///etc/passwd", "\\\\x", "con", "é/é"),
]


def make_files(folder: Path) -> dict[str, Path]:
    """Files and things that are none, by the words that stand for them in PATHS."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / name.lower() for name in PATHS if name.isalpha() and name.isupper()}
    rows = "\n".join(f"{t},{t % 7}.5,{-t}" for t in range(60))
    files["SERIES"].write_text(f"t,y,x\n{rows}\n")
    files["TEXT"].write_text("text,label\n" + "a good film,1\na bad film,0\n" * 30)
    files["QASM"].write_text(
        'OPENQASM 3.0; include "stdgates.inc"; input float a; qubit[4] q; rx(a) q[0];\n'
    )
    files["BINARY"].write_bytes(bytes(range(256)) * 40)
    files["EMPTY"].touch()
    if not files["FIFO"].exists():
        os.mkfifo(files["FIFO"])
        os.mknod(files["SOCKET"], 0o140600)
        files["LOOP"].symlink_to(files["LOOP"])
        with files["HUGE"].open("wb") as huge:
            huge.truncate(1 << 40)  # takes no room
    return files


def draw_settings(seed: int, files: dict[str, Path]) -> tuple[str, dict[str, str]]:
    """Draw a task and its settings: what it needs, and one to three hostile values."""
    from qrnn_qiskit.tasks import get_task
    from qrnn_qiskit.training.schema import config_class, list_keys

    random = Random(seed)
    task = random.choice(TASKS)
    fields = list_keys(config_class(get_task(task).Settings))
    keys = [key for key in fields if key != "task"]
    settings: dict[str, str] = {}
    if task in ("series", "text"):
        settings["data.file"] = str(files[task.upper()])
    if task == "series":
        settings["data.target"] = "y"
    for _ in range(random.choice([1, 1, 1, 1, 2, 3])):
        key = random.choice(keys)
        if random.random() < 0.15:
            key = random.choice(["model.num_qubits", "model.num_layers", "model.ansatz", *keys])
        is_path = key.endswith(("file", "ansatz")) and random.random() < 0.7
        # Mostly of the type of the key: others are refused before anything is built.
        is_text = "str" in repr(fields[key].annotation)
        values = random.choice([NUMBERS, *[TEXTS if is_text else NUMBERS] * 4])
        value = random.choice(PATHS if is_path else values)
        settings[key] = str(files.get(value, value))
    if random.random() < 0.2:
        settings["model.kind"] = random.choice(["rnn", "lstm", "scornn", "unitary", "qlstm"])
    if random.random() < 0.2:
        settings["model.readout"] = random.choice(["none", "measured"])
    if random.random() < 0.02:
        settings[random.choice(["x", "", "model", "__class__", "model.__init__", "é"])] = "1"
    return task, settings


def try_settings(task: str, settings: dict[str, str]) -> str:
    """Return "built", or the message with which the settings were refused."""
    from circuits.errors import UserError
    from qrnn_qiskit.training.config import resolve_config
    from qrnn_qiskit.training.experiment import prepare
    from qrnn_qiskit.training.schema import format_toml
    from runtime_jobs.cli.options import split_setting

    try:
        pairs = [split_setting(f"{key}={value}") for key, value in settings.items()]
        config = resolve_config(task, dict(pairs))
        format_toml(config)
        prepare(config)
    except UserError as error:
        return f"refused: {error}"
    return "built"


def work(seed: int, files: dict[str, Path], output: int) -> None:
    """Try the settings of a seed in this process, and write the outcome."""
    import torch

    torch.set_num_threads(1)
    signal.alarm(SECONDS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    own = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (own + BYTES, own + BYTES))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    try:
        task, settings = draw_settings(seed, files)
        answer = try_settings(task, settings)
    except BaseException as error:  # noqa: BLE001  the outcome to be reported
        answer = f"traceback: {type(error).__name__}: {error}"[:2000]
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    outcome = {"answer": answer, "seconds": time.monotonic() - start, "bytes": used << 10}
    os.write(output, json.dumps(outcome).encode())


def fork(seed: int, files: dict[str, Path]) -> dict[str, Any]:
    """Try the settings of a seed in a new process, and return the outcome."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        work(seed, files, writing)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        written = pipe.read()
    status = os.waitpid(child, 0)[1]
    if written:
        return dict(json.loads(written))
    return {"answer": f"traceback: ended by signal {os.WTERMSIG(status)}", "seconds": SECONDS}


def main() -> None:
    """Print the outcomes of the seeds that the command line names."""
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    files = make_files(folder)
    # Everything is imported, and the digits are read, before the first fork.
    try_settings("digits", {})
    for seed in range(first, first + count):
        task, settings = draw_settings(seed, files)
        shown = {key: value[:100] for key, value in settings.items()}
        outcome = {"seed": seed, "task": task, "set": shown} | fork(seed, files)
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
