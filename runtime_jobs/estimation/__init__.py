"""From measured bits to values: measurement bases, counts of bit strings and standard errors.

Aer, IBM Quantum and the plans share this package; it imports none of them.
"""
