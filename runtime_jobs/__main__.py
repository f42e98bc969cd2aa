"""``python -m runtime_jobs`` is the program ``qrnn``, for ``torchrun -m runtime_jobs``."""

from __future__ import annotations

from runtime_jobs.cli import main

if __name__ == "__main__":
    main()
