"""Executors on backends and V2 primitives that the user brings."""

from runtime_jobs.primitives.estimator import EstimatorExecutor
from runtime_jobs.primitives.opening import open_given
from runtime_jobs.primitives.placing import PrimitiveError
from runtime_jobs.primitives.sampler import SamplerExecutor

__all__ = ["EstimatorExecutor", "PrimitiveError", "SamplerExecutor", "open_given"]
