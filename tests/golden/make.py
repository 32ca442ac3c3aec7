"""Makes the golden netlists beside this script: one small array per bench. Run it after a wanted change, read the diff.

python tests/golden/make.py
"""

from pathlib import Path

import numpy as np

from ftj_spice.array.array import Array
from ftj_spice.device.card import load_card
from ftj_spice.device.traps import TrapHistory
from ftj_spice.netlist.benches import (
    SampleArray,
    TrapSource,
    cell_bench,
    comparator_bench,
    integrate_bench,
    integrator_bench,
)
from ftj_spice.netlist.circuit import Cells, Line
from ftj_spice.sampling.trng.circuit import bench as digitiser_bench
from ftj_spice.sampling.trng.design import Design
from ftj_spice.sampling.trng.settings import TrngSettings

FOLDER = Path(__file__).resolve().parent
CONDUCTANCE = np.array([[1e-10, 2e-11, 0.0], [4e-12, 2e-10, 5e-11]])
VOLTAGES = np.array([[0.5, 0.0], [0.0, 0.5], [0.5, 0.5]])


def _sampling(columns: int) -> SampleArray:
    cells = Cells.of(load_card("hzo_mfis_nominal"), np.full((2, columns), 4e-12), np.full((2, columns), 0.1))
    return SampleArray(cells, lead=3, word_line=Line(2.0, 2e-16), bit_line=Line(3.0, 1e-16), driver_resistance=1e3)


def _integrator(columns: int, traps: TrapSource) -> str:
    return integrator_bench(
        _sampling(columns), traps=traps, voltage=1.5, reference=np.full(columns, 3.6e-10), capacitance=3e-13,
        window=5e-3, reset_time=5e-5, samples=2, step=1e-4, saved=["w0_0", "b0_0"],
    )  # fmt: skip


def _comparator(columns: int, traps: TrapSource) -> str:
    return comparator_bench(
        _sampling(columns), traps=traps, voltage=1.5, threshold=np.full((2, columns), 1.8e-10), sensitivity=1e-12,
        offset=np.linspace(-1e-12, 1e-12, columns), slot=1e-3, samples=2, step=1e-4,
    )  # fmt: skip


def _replay() -> TrapSource:
    history = TrapHistory(
        np.array([0, 1]), np.array([1e-9, 1.234567890123e-3, 2e-3]), np.array([0, 1, 0]), np.array([1, 0, 0]), 4e-3
    )
    return TrapSource.replay(history, 1e-8, centred=True)


def _digitiser(name: str, traps: TrapSource) -> str:
    return digitiser_bench(Design.of(TrngSettings(digitiser=name, settling=1.0)), 0, 2, traps, ["w0_0", "b0_0"])


def netlists() -> dict[str, str]:
    """Returns every golden netlist by its file name."""
    card, linear = load_card("hzo_mfis_nominal"), load_card("linear")
    return {
        "crossbar.cir": Array(CONDUCTANCE, card, "crossbar", 2.0, 1e3).netlist(VOLTAGES),
        "crossbar_linear.cir": Array(CONDUCTANCE, linear).netlist(VOLTAGES[0]),
        "nor.cir": Array(CONDUCTANCE, linear, "nor", 2.0).netlist(VOLTAGES),
        "1t1f.cir": Array(
            CONDUCTANCE, card, "1t1f", 2.0, 1e3, sense_resistance=50.0, drive="both", sense="both"
        ).netlist(VOLTAGES, column_voltages=[0.0, 0.1, 0.0], floating_columns=[2]),
        "nor1t.cir": Array(CONDUCTANCE, linear, "nor1t", 2.0).netlist(VOLTAGES),
        "and.cir": Array(
            CONDUCTANCE, card, "and", driven_line_resistance=2.0, sensed_line_resistance=3.0, sense="first"
        ).netlist(VOLTAGES),
        "crossbar_floating.cir": Array(CONDUCTANCE, card, "crossbar", 2.0, drive="last").netlist(
            VOLTAGES, floating_rows=[1]
        ),
        "crossbar_physical.cir": Array(CONDUCTANCE, card.with_values(law="physical"), line_resistance=2.0).netlist(
            VOLTAGES
        ),
        "cell.cir": cell_bench(Cells.of(card, np.array([[2e-10], [4e-12]]))),
        "read_integrator.cir": integrate_bench(Cells.of(card, CONDUCTANCE), VOLTAGES[0], line_resistance=2.0),
        "sample_integrator.cir": _integrator(2, TrapSource()),
        "sample_integrator_replay.cir": _integrator(1, _replay()),
        "sample_comparator.cir": _comparator(2, TrapSource()),
        "bits_differential.cir": _digitiser("differential", TrapSource()),
        "bits_edge_toggle.cir": _digitiser("edge_toggle", TrapSource("frozen", states=[0])),
        "bits_edge_train.cir": _digitiser("edge_train", TrapSource("frozen", states=[1])),
        "bits_integrator_lsb.cir": _digitiser("integrator_lsb", TrapSource("frozen", states=[1])),
        "sample_comparator_frozen.cir": _comparator(1, TrapSource("frozen", states=[1, 0])),
    }


if __name__ == "__main__":
    for name, text in netlists().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
