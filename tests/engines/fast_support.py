"""Arrays for the fast engine's tests."""

import numpy as np

from ftj_spice.device.card import load_card
from ftj_spice.netlist.circuit import TOPOLOGIES, ArrayCircuit, Cells, Drive, Line

CARD = load_card("hzo_mfis_nominal")
LARGE_CELL = CARD.with_values(law="physical", area=1e-8)
"""A physical cell of 1e-7 S, large enough to make wires matter."""


def cells(law, conductance):
    """Returns cells of a law; the physical ones scaled into their card's window."""
    g = np.asarray(conductance, float)
    if law != "physical":
        return Cells.of(CARD.with_values(law=law) if law == "linear" else CARD, g)
    top = g.max() if g.max() > 0 else 1.0
    return Cells.of(LARGE_CELL, np.where(g > 0, LARGE_CELL.on_conductance * np.clip(g / top, 0.05, 1.0), 0.0))


def random_array(seed, topology, law, *, size=8, floating=None, scale=None):
    """Returns a circuit and a drive of three reads, everything about them drawn."""
    rng = np.random.default_rng(seed)
    rows, columns = (int(n) for n in rng.integers(1, size + 1, 2))
    largest = scale or float(rng.choice([1e-9, 1e-6, 1e-4]))
    g = largest * np.exp(rng.uniform(-3, 0, (rows, columns))) * (rng.random((rows, columns)) < 0.95)
    resistance = rng.choice([0.0, 0.1, 2.0, 100.0], 4).tolist()
    ends = rng.choice(["first", "last", "both"], 2).tolist()
    circuit = ArrayCircuit(
        cells(law, g),
        topology,
        Line(resistance[0]),
        Line(resistance[1]),
        ends[0],
        ends[1],
        resistance[2],
        resistance[3],
    )
    loose = bool(rng.random() < 0.5) if floating is None else floating
    return circuit, Drive(
        rng.uniform(-1, 1, (3, circuit.driven_lines)),
        rng.choice([0.0, 5.0], (3, rows)) if circuit.wiring.transistor else None,
        rng.uniform(-0.2, 0.2, columns) if rng.random() < 0.5 else None,
        rng.random(circuit.driven_lines) < 0.4 if loose else None,
        rng.random(columns) < 0.4 if loose else None,
    )


def crossbar(n, low, high, resistance=2.0, law="sinh", reads=8, topology="crossbar", seed=0, voltage=0.5):
    """Returns a square array with wires and random bits on its rows."""
    rng = np.random.default_rng(seed)
    circuit = ArrayCircuit(
        cells(law, np.exp(rng.uniform(np.log(low), np.log(high), (n, n)))), topology, Line(resistance), Line(resistance)
    )
    return circuit, circuit.drive_rows(voltage * rng.integers(0, 2, (reads, n)).astype(float))


__all__ = ["CARD", "LARGE_CELL", "TOPOLOGIES", "cells", "crossbar", "random_array"]
