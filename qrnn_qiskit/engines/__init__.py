"""Exact simulation: one lowered circuit, run by three engines.

``lowering``, ``schedule`` and ``program`` turn a Qiskit circuit into what every engine reads.
``cpu`` runs it in compiled kernels, ``gpu`` in Triton kernels, and ``dense`` in plain torch
operations on any device.
"""
