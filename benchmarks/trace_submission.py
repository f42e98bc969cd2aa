"""Project files that one submission enters, and its loads of the run, from the command to the POST.

    python benchmarks/trace_submission.py

Trains a small run, starts the stand-in for IBM Quantum of ``make loopback`` in this process, and
traces ``qrnn submit`` until the client posts the first job. A file is entered when one of its
functions is called; reading a module or the body of a class does not count.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType

from localqpu.app import start_server
from localqpu.constants import LOCAL_INSTANCE_CRN
from localqpu.context import ServerConfig

import runtime_jobs

ROOT = Path(runtime_jobs.__file__).parents[1]
PACKAGES = tuple(f"{ROOT / name}{os.sep}" for name in ("circuits", "qrnn_qiskit", "runtime_jobs"))
WATCHED = {  # function and the end of its file: what is counted
    ("load_run", "training/loading.py"): "loads of the run",
    ("read_checkpoint", "training/checkpoint.py"): "reads of its checkpoint",
    ("load_splits", "training/experiment.py"): "reads of its data",
}
TINY = ("num_qubits=2", "num_layers=1", "controller_hidden=4", "epochs=1")


class Trace:
    """Counts calls of this thread until a job is posted.

    Attributes:
        calls: Calls of functions of the project, by file.
        watched: Calls of the functions in ``WATCHED``, by what they do.
        is_posted: Whether the client has posted a job.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.watched: Counter[str] = Counter(dict.fromkeys(WATCHED.values(), 0))
        self.is_posted = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Count a call; the interface of :func:`sys.setprofile`."""
        if event != "call":
            return
        code = frame.f_code
        if code.co_filename.startswith(PACKAGES) and code.co_flags & inspect.CO_OPTIMIZED:
            name = code.co_filename.removeprefix(f"{ROOT}{os.sep}")
            self.calls[name] += 1
            for (function, end), what in WATCHED.items():
                self.watched[what] += code.co_name == function and name.endswith(end)
        elif code.co_name == "send" and code.co_filename.endswith("requests/sessions.py"):
            request = frame.f_locals["request"]
            if request.method == "POST" and request.path_url.endswith("/jobs"):
                self.is_posted = True
                sys.setprofile(None)


def trace_submission(folder: Path) -> Trace:
    """Submit a run of three sequences and trace it."""
    from runtime_jobs.cli import run

    trace = Trace()
    words = ["submit", str(folder), "--on", "ibm:kingston", "--shots", "200", "--sequences", "3"]
    sys.setprofile(trace)
    try:
        code = run([*words, "--max-qpu-seconds", "100"])
    finally:
        sys.setprofile(None)
    if code or not trace.is_posted:
        raise SystemExit(f"qrnn submit ended with exit code {code} and posted no job")
    return trace


def main() -> None:
    """Print the files with their calls, and the sums."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        settings = [word for setting in TINY for word in ("--set", setting)]
        train = [sys.executable, "-m", "runtime_jobs", "train", "digits", *settings]
        subprocess.run([*train, "--out", str(path)], check=True, stdout=subprocess.DEVNULL)
        server = start_server(ServerConfig(port=0, backends=("ibm_kingston",)))
        os.environ |= {
            **dict.fromkeys(("IAM_URL", "GLOBAL_SEARCH_URL"), server.url),
            "GLOBAL_CATALOG_URL": f"{server.url}/api/v1",
            "QISKIT_IBM_CHANNEL": "ibm_quantum_platform",
            "QISKIT_IBM_INSTANCE": LOCAL_INSTANCE_CRN,
            "QISKIT_IBM_TOKEN": "loopback",
            # The client takes a URL with the word "experimental" unchanged.
            "QISKIT_IBM_URL": f"{server.url}/experimental/../api/v1",
        }
        try:
            trace = trace_submission(path)
        finally:
            server.stop()
    for name, calls in sorted(trace.calls.items()):
        print(f"{calls:8,}  {name}")
    print(f"{len(trace.calls)} files entered, {sum(trace.calls.values()):,} calls")
    for what, calls in trace.watched.items():
        print(f"{calls} {what}")


if __name__ == "__main__":
    main()
