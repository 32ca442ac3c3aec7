"""VACASK, a simulator that runs the Verilog-A model compiled by openvaf-r: the second circuit-level engine."""

from ftj_spice.engines.vacask.arrays import VacaskReader as VacaskReader
from ftj_spice.engines.vacask.compiler import compile_model as compile_model
from ftj_spice.engines.vacask.doctor import inspect as inspect
from ftj_spice.engines.vacask.engine import VacaskEngine as VacaskEngine
