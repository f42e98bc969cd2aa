"""How tests reach the stand-in for IBM Quantum on this machine, and the commands they send."""

from __future__ import annotations

from pathlib import Path
from threading import Event

from localqpu.constants import LOCAL_INSTANCE_CRN
from localqpu.control_client import LocalqpuControl

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

TOKEN = "loopback-token-5c1f"
TINY = {"num_qubits": 2, "num_layers": 1, "controller_hidden": 4, "epochs": 1, "seed": 1}
POST = {"method": "POST", "path": "*/jobs"}


def environment(url: str) -> dict[str, str]:
    return {
        "IAM_URL": url,
        "GLOBAL_SEARCH_URL": url,
        "GLOBAL_CATALOG_URL": f"{url}/api/v1",
        "QISKIT_IBM_CHANNEL": "ibm_quantum_platform",
        "QISKIT_IBM_TOKEN": TOKEN,
        "QISKIT_IBM_INSTANCE": LOCAL_INSTANCE_CRN,
        # The client does not rewrite a URL that contains "experimental".
        "QISKIT_IBM_URL": f"{url}/experimental/../api/v1",
    }


def submit(
    folder: Path, *options: str, cap: int = 100, shots: int = 200, sequences: int = 3
) -> int:
    words = ["submit", str(folder), "--on", "ibm:kingston", "--shots", str(shots)]
    return run([*words, "--sequences", str(sequences), "--max-qpu-seconds", str(cap), *options])


def nap(seconds: float) -> None:
    """Sleep at most a moment, in place of ``time.sleep``.

    Not at all would be slower: the service simulates in this process and needs its time.
    """
    Event().wait(min(seconds, 0.1))


def collect(folder: Path, command: str = "collect", most: int = 60) -> None:
    for _ in range(most):
        code = run([command, str(folder)])
        if code != ExitCode.NOT_READY:
            break
        nap(0.5)
    assert code == ExitCode.DONE


def count_posts(service: LocalqpuControl) -> int:
    return len(
        [r for r in service.requests() if (r["method"], r["path"][-5:]) == ("POST", "/jobs")]
    )
