"""Exact simulation: one lowered circuit, three engines that run it.

``lowering``, ``schedule`` and ``program`` turn a Qiskit circuit into the arrays that the engines
read; ``contract`` and ``reversible`` hold the types that every engine takes and returns. ``cpu``
runs the circuit in compiled kernels, ``gpu`` in Triton kernels, and ``dense`` in plain torch
operations on any device. No engine imports another one.
"""
