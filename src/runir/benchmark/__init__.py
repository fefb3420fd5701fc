"""Our weights against classical and learned baselines, in one run on this machine: quality, time, memory."""

from runir.benchmark.methods import Method, choose_methods
from runir.benchmark.run import Result, Setting, compare_methods

__all__ = ["Method", "Result", "Setting", "choose_methods", "compare_methods"]
