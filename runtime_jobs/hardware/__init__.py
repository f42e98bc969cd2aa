"""Devices as circuits see them: calibration, layouts, patches, job limits and ISA circuits.

Aer, IBM Quantum and the plans share this package; it imports none of them.
"""
