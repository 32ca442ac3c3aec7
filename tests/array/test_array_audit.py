"""The audit of reads: what is drawn, what is compared, and that it can fail."""

from dataclasses import replace

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.array.audit import SPARE, audit_reads, by_tile, draw_reads, joint_drive, pick_reads, read_netlists
from ftj_spice.array.layer import KeptRead, forward, read_plan
from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import DataError
from ftj_spice.engines.fast import FastReader
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.netlist.circuit import ArrayCircuit, Cells, Line

CARD = ftj.load_card("hzo_mfis_nominal")
SETTINGS = ReadSettings(tile_rows=4, tile_columns=6, line_resistance=1e5)
WEIGHTS = np.random.default_rng(0).normal(size=(6, 7))
BIAS = np.linspace(-1, 1, 7)
PLAN = read_plan(3, WEIGHTS.shape, SETTINGS)


def kept_reads(topology: str = "crossbar", pairs: list[tuple[int, int]] | None = None) -> tuple[KeptRead, ...]:
    settings = SETTINGS.model_copy(update={"topology": topology})
    inputs = np.random.default_rng(1).standard_normal((3, 6))
    with FastReader() as reader:
        return forward(
            inputs, WEIGHTS, BIAS, CARD, settings, seed=2, reader=reader, keep=pairs or [(0, 1), (0, 2), (3, 9)]
        ).kept


@pytest.fixture(scope="module")
def ngspice():
    with NgspiceReader() as reader:
        yield reader


@pytest.fixture(scope="module")
def kept():
    return kept_reads()


def test_draws_go_round_the_layers_without_repeats():
    plans = [[4] * 2, [100] * 30, [7]]
    drawn = draw_reads(plans, 9, 5)
    assert drawn == draw_reads(plans, 9, 5) != draw_reads(plans, 9, 6)
    assert sum(map(len, drawn)) <= SPARE * 9 and all(drawn)
    for pairs, plan in zip(drawn, plans, strict=True):
        assert len(set(pairs)) == len(pairs)
        assert all(0 <= tile < len(plan) and 0 <= read < plan[tile] for tile, read in pairs)
    assert len({tile for tile, _ in drawn[1]}) > 5
    assert draw_reads(plans, 0, 5) == [[], [], []]


def read_of(tile: int, read: int, volts: float) -> KeptRead:
    circuit = ArrayCircuit(Cells.of(CARD, np.full((2, 1), CARD.on_conductance)))
    return KeptRead(tile, read, circuit, circuit.drive_rows(np.full((1, 2), volts)), np.zeros(1), np.zeros(1))


def test_picks_take_layers_in_turn_and_silent_reads_last():
    kept = {
        "layer0": [read_of(0, 1, 0.5), read_of(0, 2, 0.0), read_of(1, 0, 0.5)],
        "layer1": [read_of(0, 0, 0.0), read_of(5, 7, 0.5)],
    }
    drawn = {"layer0": [(1, 0), (0, 2), (0, 1)], "layer1": [(0, 0), (5, 7)]}

    def picked(count: int) -> dict[str, list[tuple[int, int]]]:
        return {name: [(r.tile, r.read) for r in reads] for name, reads in pick_reads(kept, drawn, count).items()}

    assert picked(2) == {"layer0": [(1, 0)], "layer1": [(5, 7)]}
    assert picked(3) == {"layer0": [(0, 1), (1, 0)], "layer1": [(5, 7)]}
    assert sum(map(len, picked(99).values())) == 5
    assert picked(0) == {}


def test_reads_are_gathered_by_tile(kept):
    assert {name: len(reads) for name, reads in by_tile(kept).items()} == {"read_tile000": 2, "read_tile003": 1}
    assert list(by_tile({"layer2": kept})) == ["read_layer2_tile000", "read_layer2_tile003"]
    drive = joint_drive(kept[:2])
    assert (drive.lines == np.concatenate([kept[0].drive.lines, kept[1].drive.lines])).all()


@pytest.mark.parametrize("topology", ["crossbar", "nor1t"])
def test_fast_reads_pass(topology, ngspice):
    steps = []
    audit = audit_reads(kept_reads(topology), ngspice, progress=lambda *step: steps.append(step))
    assert audit.passes, audit.sentence
    assert audit.reads == 3 and 0 <= audit.rms <= audit.largest < 1e-6
    assert sorted(audit.netlists) == ["read_tile000.cir", "read_tile003.cir"]
    assert audit.engine.startswith("ngspice") and steps[-1] == (2, 2)


def test_a_deviation_is_in_parts_of_the_tiles_largest_current(kept, ngspice):
    largest = max(np.abs(read.currents).max() for read in kept[:2])
    wrong = replace(kept[0], currents=kept[0].currents + np.eye(1, len(kept[0].currents))[0] * 3e-3 * largest)
    audit = audit_reads([wrong, *kept[1:]], ngspice)
    assert audit.largest == pytest.approx(3e-3, rel=1e-3) and not audit.passes
    values = len(kept[0].currents) * 2 + len(kept[2].currents)
    assert audit.rms == pytest.approx(3e-3 / np.sqrt(values), rel=1e-3)
    assert audit_reads([wrong, *kept[1:]], ngspice, limit=0.01).passes


def test_what_is_not_a_number_does_not_pass(kept, ngspice):
    lost = replace(kept[0], currents=np.full_like(kept[0].currents, np.nan))
    assert not audit_reads([lost], ngspice).passes


def test_silent_reads_deviate_by_nothing(ngspice):
    audit = audit_reads([read_of(0, 0, 0.0)], ngspice)
    assert audit.passes and audit.largest < 1e-15


def test_nothing_to_compare_is_an_error(ngspice):
    for nothing in ([], {}, {"layer0": []}):
        with pytest.raises(DataError, match="at least one read"):
            audit_reads(nothing, ngspice)


def test_netlists_hold_all_reads_of_a_tile(kept):
    texts = read_netlists(kept)
    assert texts["read_tile000.cir"] != texts["read_tile003.cir"]
    assert all(text.rstrip().endswith(".end") for text in texts.values())


def test_sense_voltages_and_wires_are_the_reads_own(ngspice):
    circuit = ArrayCircuit(Cells.of(CARD, np.full((3, 2), CARD.on_conductance)), "crossbar", Line(1e7), Line(1e7))
    drive = circuit.drive_rows(np.array([[0.5, 0.0, 0.5]]))
    with FastReader() as reader:
        currents = reader.read(circuit, drive).currents[0]
    through = KeptRead(0, 0, circuit, drive, currents, np.zeros(1))
    assert audit_reads([through], ngspice).passes
    other = replace(through, circuit=replace(circuit, sensed_line=Line(1e6)))
    assert not audit_reads([other], ngspice).passes
