"""The stand-in for IBM Quantum of ``make loopback``, with its messages in English."""

from __future__ import annotations

import sys

from localqpu import jobs
from localqpu.app import start_server
from localqpu.context import ServerConfig

REASONS = {  # what the service tells its client of a job
    "_USER_CANCEL_REASON": "cancelled by the user",
    "_DEFAULT_PLANNED_FAILURE_REASON": "failed, as the scenario demands",
    "_DEFAULT_PLANNED_CANCEL_REASON": "cancelled, as the scenario demands",
}


def main(port: int, backends: str) -> int:
    """Serve until Ctrl-C.

    Args:
        port: The port; 0 for a free one.
        backends: Names of QPUs, separated by commas.

    Returns:
        The exit code: 0, or 2 if the port is taken.
    """
    for name, text in REASONS.items():
        assert hasattr(jobs, name)
        setattr(jobs, name, text)
    try:
        server = start_server(ServerConfig(port=port, backends=tuple(backends.split(","))))
    except OSError as error:
        sys.stderr.write(
            f"error: the service cannot listen on port {port}: {error.strerror}; choose another "
            "one with make loopback PORT=N\n"
        )
        return 2
    sys.stdout.write(f"# Serving {backends} at {server.url}\n")
    sys.stdout.flush()
    try:
        server.wait()
    except KeyboardInterrupt:
        sys.stdout.write("\n# stopped\n")
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
