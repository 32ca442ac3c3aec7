"""What the page says of the energy of a read, and of circuits that do not work."""

import numpy as np
import pytest

from ftj_spice.periphery.energy import array_energy
from ftj_spice.results.report import Cell, Report
from ftj_spice.studies.energy_report import claims_table
from ftj_spice.studies.periphery.energies import COLUMN, ours, read_energies
from ftj_spice.studies.periphery.limits import Bound
from ftj_spice.studies.periphery.results import VariantResults
from ftj_spice.studies.periphery.tables import draw_table, figure_table, shown

TIA = {"gain": -1e8, "energy": 3e-10, "range_low": -1e-9, "range_high": 2e-8, "settling_time": 2e-5}
SAR = {"input_low": 0.4, "input_high": 1.4, "resolution": 6.0, "energy": 5e-12, "conversion_time": 2e-7}


def variant(name, kind, figures, bench="x", **more):
    return VariantResults(name, "generic", kind=kind, bench=bench, figures=figures, **more)


def run(*variants):
    return {one.variant: one for one in variants}


def test_a_read_is_the_sum_of_its_blocks():
    variants = run(
        variant("tia", "sense", TIA),
        variant("latch", "sense", {"energy": 1e-12, "contrast": 0.1, "decision_time": 1e-8, "range_high": 1e-6}),
        variant("sar", "convert", SAR),
        variant("dear", "convert", SAR | {"energy": 9e-12}),
        variant("wl", "drive", {"energy": 4e-12}, bench="driver"),
    )
    (one,) = read_energies("generic", variants, 0.5)
    assert one.circuit == "tia + sar" and one.convert == pytest.approx(5e-12)
    # The converter's volt over the gain holds less than the circuit's own range.
    assert one.time == pytest.approx(2.02e-5)
    assert one.array == pytest.approx(array_energy(0.5, 1e-8 * 2.02e-5), rel=1e-6)
    assert one.total == pytest.approx(one.array + 4e-12 + 3e-10 + 5e-12)
    assert one.per_mac == pytest.approx(one.total / COLUMN.cells)
    assert one.tops_per_watt == pytest.approx(2e-12 / one.per_mac)


def test_what_a_run_lacks_is_a_dash():
    (one,) = read_energies("generic", run(variant("tia", "sense", TIA)), 0.5)
    assert (one.drivers, one.convert, one.per_mac, one.tops_per_watt) == (None, None, None, None)
    assert set(ours([one])) == {"sense"}
    assert ours([]) == {}
    report = Report("t")
    claims_table(report, ours([one]))
    assert "300 pJ per read of a column" in report.html() and "885 TOPS/W" in report.html()


def useless(name, **figures):
    return variant(
        name, "sense", TIA | figures, draws={"gain": np.array([1.0, 2.0])}, bounds={"gain": Bound(9.0, None, "why")}
    )


def test_a_circuit_of_which_no_draw_works_is_the_best_at_nothing():
    bad = useless("bad", energy=1e-15)
    assert bad.useless and not variant("tia", "sense", TIA).useless
    found = read_energies("generic", run(bad, variant("sar", "convert", SAR)), 0.5)
    assert not found[0].works and ours(found) == {}
    rows, _ = figure_table([bad, variant("a", "sense", TIA), variant("b", "sense", TIA | {"energy": 4e-10})])
    energy = next(row for row in rows if row[0] == "energy")
    assert [cell.mark if isinstance(cell, Cell) else "" for cell in energy[1:]] == ["", "best", ""]
    share = next(row for row in rows if row[0] == "yield")
    assert share[1].mark == "fails" and share[2] is None


def test_spreads_of_what_differs_by_design_are_not_ranked():
    variants = [
        variant(name, "sense", {"gain_sigma": sigma, "noise_current": sigma})
        for name, sigma in (("a", 1.0), ("b", 2.0))
    ]
    rows, _ = figure_table(variants)
    marks = {row[0]: [isinstance(cell, Cell) for cell in row[1:]] for row in rows}
    assert marks == {"gain, sigma": [False, False], "input noise current": [True, False]}


def test_tables_write_no_powers_of_ten_for_areas_and_say_where_draws_are_alike():
    assert shown("area", 1.409e-8) == "14090 µm²" and shown("area", 7.8e-11) == "78 µm²"
    alike = variant(
        "a", "convert", {"inl": 0.1, "inl_sigma": 0.0}, draws={"inl": np.full(3, 0.1)}, sigma_errors={"inl_sigma": 0.0}
    )
    rows, _ = draw_table([alike])
    assert rows[0][4] == "all alike"
