"""Devices simulated exactly with their noise, with the exact gradient."""

from runtime_jobs.noisy.executor import NoisySimulator

__all__ = ["NoisySimulator"]
