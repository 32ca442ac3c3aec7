"""The fast engine: steady states of arrays without a circuit simulator."""

from ftj_spice.engines.fast.reader import METHODS, FastReader, Method
from ftj_spice.engines.fast.solution import Solution

__all__ = ["METHODS", "FastReader", "Method", "Solution"]
