"""A fingerprint as a job: chips, conditions, audit and run directory."""

import json

import numpy as np
import pytest

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.studies.fingerprint.study import fingerprint, load_fingerprint_settings

SMALL = ("rows=16", "columns=12", "chips=8", "challenges=24", "repeats=3", "temperatures=[253, 353]",
         "cycles=[10, 1e6]", "attacked=1", "attack_challenges=256", "audit=2")  # fmt: skip


def _run(*changes, **options):
    return fingerprint(settings=load_fingerprint_settings(changes=(*SMALL, *changes)), **options)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    out = tmp_path_factory.mktemp("puf") / "run"
    seen = []
    found = _run(out=out, observer=lambda *told: seen.append(told), command=["ftj-spice", "puf"])
    assert {phase for phase, *_ in seen} == {"chips", "attack", "audit"} and ("chips", 8, 8) in seen
    return found


def test_numbers_hang_together(result):
    m = result.metrics
    assert m["array"]["bits"] == 24 * 6 == result.responses.shape[1]
    assert m["uniformity"]["mean"] == pytest.approx(result.responses.mean()) == pytest.approx(m["bit_aliasing"]["mean"])
    ones = result.responses.astype(int)
    apart = [(ones[i] != ones[j]).mean() for i in range(8) for j in range(i)]
    assert m["uniqueness"]["mean"] == pytest.approx(np.mean(apart))
    # Mean of few chips: 28 distances of some 45 free bits; 5 sigma of the mean are well below 0.1.
    assert m["uniqueness"]["mean"] == pytest.approx(0.5, abs=0.1)
    assert 0.9 < m["reliability"]["repeated"]["reliability"] <= 1
    assert len(m["reliability"]["temperature"]) == 4 and len(m["reliability"]["cycles"]) == 6
    by_cycles = {(row["cycles"], row["what_acts"]): row["bit_error"] for row in m["reliability"]["cycles"]}
    names = list(dict.fromkeys(name for _, name in by_cycles))
    assert by_cycles[10, names[0]] < 0.15 < by_cycles[10, names[2]]  # resets with an error lose the fingerprint
    assert by_cycles[1e6, names[0]] < 0.2 < by_cycles[1e6, names[1]]  # and so do broken cells
    assert m["min_entropy"]["disjoint_cell_pairs"] == 16 * 6
    assert [row["challenges_seen"] for row in m["attack"]] == [32, 128, 256]
    assert m["attack"][-1]["predicted"] > max(0.85, m["attack"][0]["predicted"])
    assert result.passes and m["audit"]["reads"] == 2 and 0 < m["audit"]["largest_deviation"] < 1e-6


def test_a_run_directory_holds_everything(result):
    run = result.path
    np.testing.assert_array_equal(np.load(run / "responses.npy"), result.responses)
    np.testing.assert_array_equal(np.load(run / "challenges.npy"), result.challenges)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["uniqueness"]["mean"] == result.metrics["uniqueness"]["mean"]
    page = (run / "report.html").read_text()
    assert "Maiti" in page and "Cover" in page and result.audit.engine in page
    assert {p.name for p in (run / "plots").iterdir()} == {
        "attack.png", "balance.png", "distances.png", "reliability.png"
    }  # fmt: skip
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["netlists"].keys() == {p.name for p in (run / "netlists").iterdir()}
    again = load_fingerprint_settings(run / "settings.toml")
    assert again == result.settings
    with pytest.raises(OutputError, match="exists"):
        _run(out=run)


def test_the_same_seed_gives_the_same_bits_and_another_others(result):
    short = ("temperatures=[]", "cycles=[]", "attacked=0", "audit=0")
    same = _run(*short)
    np.testing.assert_array_equal(same.responses, result.responses)
    assert same.audit is None and same.passes and not same.asked and "audit" not in same.metrics
    assert 0.3 < (_run(*short, "seed=9").responses != result.responses).mean() < 0.7


def test_independent_bits_have_their_own_freedom():
    found = _run("rows_on=1", "challenges=16", "chips=40", "attacked=0", "audit=0", "temperatures=[]", "cycles=[]",
                 "comparator_offset=0").metrics["uniqueness"]  # fmt: skip
    assert found["expected_degrees_of_freedom"] == pytest.approx(16 * 6)
    assert found["degrees_of_freedom"] == pytest.approx(96, rel=0.25)  # 780 distances: 5 sigma


def test_an_integrator_beyond_its_supply_is_told():
    quick = ("attacked=0", "audit=0", "temperatures=[]", "cycles=[]", "chips=2")
    assert "more than a supply" in _run(*quick, "integration_time=0.1").summary[-1]
    assert "more than a supply" not in "".join(_run(*quick).summary)


def test_out_of_reach_is_refused_before_it_starts(tmp_path):
    with pytest.raises(SettingsError, match="ask fewer chips or challenges"):
        _run("chips=4096", "challenges=100000", "rows=64", "columns=512", out=tmp_path / "run")
    with pytest.raises(SettingsError, match="did you mean 'chips'"):
        _run("chip=4")
    assert list(tmp_path.iterdir()) == []
