"""What is asked of a trained run, from Python and by the commands of ``qrnn`` alike.

Modules import torch, Qiskit and the packages that need them only inside their functions, so that
``import runtime_jobs`` and ``qrnn --help`` answer at once.

- ``opening``: the run, the device and the calibration behind the arguments.
- ``evaluating``, ``planning``, ``submitting``, ``showing``: one verb of the face each.
- ``requests``: the QPU work that planning and submitting share; ``jobs``: what was submitted.
"""
