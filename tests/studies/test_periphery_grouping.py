"""Sentences that repeat are said once; circuits that are edited during a run are not mixed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from periphery_support import write_variant

from ftj_spice.studies.periphery import study, tasks
from ftj_spice.studies.periphery.compare import compare_variants
from ftj_spice.studies.periphery.grouping import FEW, grouped, listing, of_draws, of_figures
from ftj_spice.studies.periphery.identity import EDITED
from ftj_spice.studies.periphery.journal import journal_path
from ftj_spice.studies.periphery.macromodels import run_macromodels
from ftj_spice.studies.periphery.results import VariantResults
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.study import periphery_run


@given(st.lists(st.tuples(st.text(max_size=4), st.sampled_from(["stays at 1", "stays at 2e-9", "other 3"]))))
def test_every_name_is_kept_and_numbers_make_no_group(said):
    found = grouped(said)
    assert sorted(name for names in found.values() for name in names) == sorted(name for name, _ in said)
    assert len(found) == len({text.split()[0] for _, text in said})
    assert set(found) <= {text for _, text in said}


def test_texts_that_differ_in_words_stay_apart():
    assert grouped([("a", "m1 is open"), ("b", "m2 is open")]) == {"m1 is open": ["a"], "m2 is open": ["b"]}
    assert of_figures({"gain": "no end", "noise": "no spectrum", "offset": "no end"}) == (
        "gain, offset: no end; noise: no spectrum"
    )
    assert listing(list("abcd")[:FEW]) == "a, b, c, d"
    assert listing(list("abcdef")) == "a, b and 4 more"


def test_draws_are_counted():
    errors = {k: f"the step became too small at {k}e-6 s" for k in range(12)} | {40: "never decides"}
    assert of_draws(errors, 100) == [
        "12 of 100 draws (draws 0, 1 and 10 more): the step became too small at 0e-6 s",
        "1 of 100 draws (draw 40): never decides",
    ]


def fake(measured):
    """Stands in for the simulator where only the bookkeeping counts."""

    def measure(task, card, open_netlist):
        return tasks.empty_record(task) | measured(task)

    return measure


def test_a_circuit_that_does_not_converge_is_one_sentence_everywhere(tmp_path, monkeypatch):
    text = "no solution was found after 0.{} us"

    def measured(task):
        number = 0 if task.condition.mismatch is None else task.condition.mismatch[1]
        if task.nominal or number % 2:
            return {"figures": {}, "failures": dict.fromkeys(task.subject.figures, text.format(number))}
        if task.condition.mismatch is None:
            return {"error": text.format(7)}
        return {"figures": {"offset": 1e-3}, "failures": {}}

    monkeypatch.setattr(study, "measure_task", fake(measured))
    file = write_variant(tmp_path, "mine")
    settings = PeripherySettings(
        variants=(file,), mc=20, corners=("tt", "ss", "ff"), temperatures=(300.0, 350.0), processes=("generic",)
    )
    result = periphery_run(tmp_path / "run", settings=settings)
    assert result.problems == ["mine (generic), offset, area: no solution was found after 0.0 us"]
    line = "10 of 20 draws (draws 1, 3 and 8 more): offset, area: no solution was found after 0.1 us"
    assert sum(line in shown for shown in result.summary) == 1 and len(result.summary) == 2
    page = (tmp_path / "run/report.html").read_text()
    assert page.count(f"mine: {line}") == 1
    assert page.count("no solution was found after 0.7 us") == 1
    assert "tt 350 K 1 ×, ss 300 K 1 × and 3 more: no solution" in page
    one = result.variants["generic"]["mine"]
    assert sum("no solution" in shown for shown in compare_variants(one, VariantResults("b", "generic")).lines) == 1


def test_files_that_are_edited_during_a_run_are_not_mixed(tmp_path, monkeypatch):
    file = Path(write_variant(tmp_path, "mine"))
    inner = tmp_path / "inner.toml"
    write_variant(tmp_path, "inner")
    template = file.with_name("mine.cir.j2")
    whole = template.read_text()
    outer = "xinner inp inn clk outp outn vdd inner\n"
    template.write_text(outer)
    seen = []

    def measured(task):
        seen.append(task.key)
        if len(seen) == 4:  # while the third draw is measured, in a variant that stands within this one
            circuit = inner.with_name("inner.cir.j2")
            circuit.write_text(circuit.read_text().replace("{{ w_tail }}", "{{ 2 * w_tail }}"))
        return {"figures": {"offset": 1e-3, "area": 1e-12}, "failures": {}}

    monkeypatch.setattr(study, "measure_task", fake(measured))
    settings = PeripherySettings(variants=(str(file),), mc=5)
    result = periphery_run(tmp_path / "run", settings=settings)
    one = result.variants["generic"]["mine"]
    assert set(one.draw_errors) == {2, 3, 4} and set(one.draw_errors.values()) == {EDITED}
    assert one.figures["offset"] == 1e-3
    (note,) = result.notes
    assert "the files of 'mine' were changed during the run: 3 of its measurements are left out" in note
    assert note in (tmp_path / "run/report.html").read_text().replace("&#39;", "'")
    assert run_macromodels(result) == ({}, {"generic/mine": EDITED})
    assert not (tmp_path / "run/macromodels").exists()
    template.write_text(whole)


def test_what_was_left_out_is_not_in_the_journal(tmp_path, monkeypatch):
    file = Path(write_variant(tmp_path, "mine"))
    template = file.with_name("mine.cir.j2")
    whole = template.read_text()
    seen = []

    class Stop(Exception):
        pass

    def measured(task):
        seen.append(task.key)
        template.write_text(whole.replace("{{ w_tail }}", "{{ 2 * w_tail }}") if len(seen) == 3 else whole)
        return {"figures": {"offset": 1e-3, "area": 1e-12}, "failures": {}}

    def stop(phase, done, total):
        if done == 5:
            raise Stop

    monkeypatch.setattr(study, "measure_task", fake(measured))
    settings = PeripherySettings(variants=(str(file),), mc=6)
    with pytest.raises(Stop):
        periphery_run(tmp_path / "run", settings=settings, observer=stop)
    kept = [json.loads(line[65:]).get("key") for line in journal_path(tmp_path / "run").read_bytes().splitlines()[1:]]
    left_out = seen[2]
    assert left_out not in kept and len(kept) >= 3
    result = periphery_run(tmp_path / "run", settings=settings, resume=True)
    assert seen.count(left_out) == 2
    assert result.variants["generic"]["mine"].draw_errors == {} and result.notes == ()
