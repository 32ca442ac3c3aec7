"""Rates against claims: the reference numbers of cells, the closed forms, and what no voltage gives."""

import json
import math

import pytest

from ftj_spice.common import resources
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.current import static_current
from ftj_spice.device.traps import Traps
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.studies.trng.rates import CLAIM_SOURCE, Claims, point_of, reference_cells, trng_rates, voltage_for

CARD = load_card("hzo_mfis_nominal")


def _rates(digitiser="mid_level", out=None, claims=None, **settings):
    return trng_rates(out, settings=TrngSettings(digitiser=digitiser, **settings), claims=claims)


def test_the_reference_numbers_of_cells():
    rows = {row["time_s"]: row for row in reference_cells(Claims())}
    assert {time: row["cells"] for time, row in rows.items()} == {1e-3: 500_000, 10e-6: 5_000, 1e-6: 500, 2e-9: 1}
    assert rows[1e-3]["interval_s"] == pytest.approx(2.5e-3)
    assert rows[2e-9]["entropy"] == pytest.approx(0.9903, abs=1e-4)


def test_one_cell_at_the_nominal_point():
    result = _rates()
    point = result.point
    assert point.rate == pytest.approx(400) and point.interval == pytest.approx(2.5e-3)
    assert point.relaxation_time == pytest.approx(0.5e-3) and point.occupancy == pytest.approx(0.5)
    assert point.entropy == pytest.approx(-math.log2((1 + math.exp(-5)) / 2))
    # Energy by the I-V law: half the time a current lower by the trap's amplitude.
    current = float(static_current(CARD, 1.5, -1.0, trap=0.5))
    assert point.cell_power == pytest.approx(1.5 * current)
    assert point.cell_energy == pytest.approx(1.5 * current * 2.5e-3)
    assert point.periphery_energy == pytest.approx(67e-15)
    assert point.first_bit == pytest.approx((20 + 5) * 0.5e-3)
    assert point.in_range and result.passes


def test_what_the_claims_need():
    m = _rates().metrics
    need, at = m["for_the_claims"], m["at_claimed_entropy"]
    assert m["claims"]["source"] == CLAIM_SOURCE and "without primary source" in CLAIM_SOURCE
    assert at["entropy"] == pytest.approx(0.99, abs=1e-6)
    assert at["relaxations"] == pytest.approx(-math.log(2**0.01 - 1), rel=1e-5)  # of 2^-0.99 = (1 + rho) / 2
    cells = 200e6 * at["relaxations"] * 0.5e-3
    assert need["cells"] == pytest.approx(cells, abs=1) and need["area_m2"] == pytest.approx(need["cells"] * 1e-12)
    assert need["power_W"] == pytest.approx(200e6 * at["energy"])
    assert need["relaxation_time_of_one_digitiser_s"] == pytest.approx(1 / (200e6 * at["relaxations"]))
    assert need["meets"] == {
        "rate_of_one_digitiser": False, "entropy": True, "latency_of_first_bit": False,
        "latency_of_free_running_bit": True, "energy": True,
    }  # fmt: skip


@pytest.mark.parametrize("digitiser", ["mid_level", "edge_toggle"])
def test_an_interval_of_the_longest_length_takes_just_the_claimed_energy(digitiser):
    result = _rates(digitiser=digitiser)  # one decides once per interval, the other at each edge
    longest = result.metrics["for_the_claims"]["longest_interval_for_energy_s"]
    assert point_of(result.design, longest).energy == pytest.approx(10e-12)


def test_parallel_cells_and_their_voltage():
    m = _rates().metrics
    relaxations = m["at_claimed_entropy"]["relaxations"]
    rows = {row["digitisers"]: row for row in m["arrays"]}
    traps = Traps.from_card(CARD, 1)
    for count, row in rows.items():
        assert row["relaxation_time_s"] * relaxations / count == pytest.approx(1 / 200e6)
        assert traps.relaxation_time(row["voltage_V"])[0] == pytest.approx(row["relaxation_time_s"])
    # Faster cells need more voltage, and there the trap is nearly always filled.
    assert rows[1]["voltage_V"] > 2.3 > rows[5000]["voltage_V"] > CARD.rtn_voltage_high > rows[500_000]["voltage_V"]
    assert rows[1]["occupancy"] > 0.98 and rows[1]["entropy"] < 0.05 and not rows[1]["in_range"]
    assert rows[500_000]["in_range"] and rows[500_000]["entropy"] > 0.98


def test_edges_need_longer_intervals_than_levels():
    level, edges = _rates().metrics, _rates("edge_toggle").metrics
    assert edges["at_claimed_entropy"]["relaxations"] > 1.5 * level["at_claimed_entropy"]["relaxations"]
    assert edges["one"]["periphery_energy"] == pytest.approx((67e-15 + 10e-15) * 2.5e-3 / 2e-3)  # per counted edge


def test_a_rule_without_closed_form_and_odds_that_are_not_even():
    partner = _rates("differential")
    assert partner.metrics["cells_per_digitiser"] == 2 and partner.point.entropy is None
    assert partner.metrics["one"]["cell_energy"] == pytest.approx(2 * _rates().metrics["one"]["cell_energy"])
    assert partner.metrics["for_the_claims"]["cells"] == 2 * 500_000
    uneven = _rates(voltage=1.7)
    assert not uneven.metrics["reaches_claimed_entropy"]
    assert any("not shown to be reached" in line for line in uneven.summary)


def test_voltages_at_which_a_given_interval_is_too_short_are_left_out(tmp_path):
    folder = resources.netlists() / "digitisers"
    text = (folder / "integrator.toml").read_text()
    before, after = text.split("[parameters.reset]")
    own = after.replace('unit = "interval"', 'unit = "relaxation"', 1)
    assert own != after
    (tmp_path / "own.toml").write_text(f"{before}[parameters.reset]{own}")
    (tmp_path / "integrator.cir.j2").write_bytes((folder / "integrator.cir.j2").read_bytes())
    result = _rates(str(tmp_path / "own.toml"), interval=1e-5)
    assert result.point.interval == 1e-5
    assert 0 < len(result.sweep) < 33 and min(p.voltage for p in result.sweep) > 1.3  # slower cells reset too long


def test_a_fast_card_meets_more():
    fast = CARD.with_values(capture_time=2e-9, emission_time=2e-9)
    assert voltage_for(fast, 1e-9) == pytest.approx(1.5)
    assert voltage_for(fast, 1e3) is None and voltage_for(fast, 1e-30) is None
    claims = Claims(rate=300, entropy=0.9, latency=1.0, energy=1e-9)
    meets = _rates(claims=claims).metrics["for_the_claims"]["meets"]
    assert all(meets.values())
    for wrong in ({"rate": 0}, {"rate": math.inf}, {"latency": math.nan}, {"energy": -1.0}, {"entropy": 1.0}):
        with pytest.raises(SettingsError, match="claims must be positive and finite"):
            Claims(**wrong)


@pytest.mark.parametrize("name", ["comparator_offset", "combine", "current_spread"])
def test_what_the_closed_forms_do_not_know_is_refused(name):
    with pytest.raises(SettingsError, match=f"'{name}' counts nothing"):
        trng_rates(settings=TrngSettings(**{name: 2}))


def test_a_run_directory_holds_everything(tmp_path):
    result = _rates("edge_toggle", tmp_path / "run")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["one"]["rate"] == pytest.approx(400)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "without a primary source" in page and "500" in page
    assert (tmp_path / "run" / "plots" / "rates.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["program"] == "ftj-spice"
    text = "\n".join(result.summary)
    assert "400 b/s" in text and CLAIM_SOURCE in text and "extrapolated" in text
