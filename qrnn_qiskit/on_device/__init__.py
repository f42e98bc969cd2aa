"""The recurrence on a device: expectation mode by replay, measured mode by dynamic circuits.

:mod:`~qrnn_qiskit.on_device.replay` runs the prefix circuits of the steps, one round after another.
:mod:`~qrnn_qiskit.on_device.dynamic` runs one dynamic circuit per sequence, a whole batch in one
job. Import from these modules: a function ``replay`` here would hide the module of that name.
"""
