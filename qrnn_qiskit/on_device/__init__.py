"""The recurrence on a device: expectation mode by replay, measured mode by dynamic circuits.

``replay`` runs the prefix circuits of the steps one round after another. ``dynamic`` runs one
dynamic circuit per sequence, a whole batch in one job.
"""
