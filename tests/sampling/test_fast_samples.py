"""The sample phase by events against the co-simulation with the same seed, and its audit."""

from dataclasses import replace

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.common.rawfile import read_raw
from ftj_spice.device.traps import TrapHistory
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.sampling.audit import audit_samples, draw_parts
from ftj_spice.sampling.events import STRETCH
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import plan

CARD = ftj.load_card("hzo_mfis_nominal")


def draw(engine, count, columns, seed=1, keep=(), **settings):
    return sample(CARD, SampleSettings(**settings), count=count, columns=columns, seed=seed, engine=engine, keep=keep)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"whole_array": True, "rows": 6},
        {"rows": 3, "amplitude_spread": 0.6, "current_spread": 0.3, "time_constant_spread": 1.0, "voltage": 1.7},
        {"samples_per_transient": 7, "reset_fraction": 0.2},
        {"driver_resistance": 2e4, "bit_line_resistance": 1e4},
    ],
    ids=str,
)
def test_integrators_agree_with_ngspice(settings, engine):
    slow, fast = draw(engine, 30, 3, **settings), draw("fast", 30, 3, **settings)
    sigma = np.sqrt(slow.moments.variance)
    assert np.abs((fast.values - slow.values) / sigma).max() < 3e-4
    assert np.sqrt(np.mean(((fast.values - slow.values) / sigma) ** 2)) < 1e-4
    assert np.abs(fast.codes - slow.codes).max() <= 1 and (fast.codes != slow.codes).mean() < 0.02
    assert fast.engine == "fast" and slow.engine.startswith("ngspice")
    assert fast.netlists == {}
    own, other = fast.histories[0], slow.histories[0]
    for trap in range(fast.array.shape[0]):
        shown = other.of(trap)[0] <= own.duration
        np.testing.assert_allclose(own.of(trap)[0], other.of(trap)[0][shown], rtol=1e-9)


def test_comparators_agree_with_ngspice(engine):
    settings = {"digitiser": "comparator", "rows": 6, "steps_per_sample": 12, "comparator_offset": 0.3}
    slow, fast = draw(engine, 60, 3, **settings), draw("fast", 60, 3, **settings)
    assert (slow.codes != fast.codes).mean() <= 0.01
    assert np.ptp(fast.codes) > 1 and fast.waveform is None


def test_waveform_is_the_integrators_output(engine):
    slow, fast = draw(engine, 9, 1, rows=4), draw("fast", 9, 1, rows=4)
    d, time, out = fast.digitiser, fast.waveform.time, fast.waveform.vectors["v(out0)"]
    assert (np.diff(time) > 0).all()
    np.testing.assert_allclose(d.values(time, out[:, np.newaxis], [0], 9), fast.values, rtol=1e-9)
    within = (slow.waveform.time % d.period) > 1.1 * d.reset_time
    shown = slow.waveform.time[within]
    other = np.interp(shown, time, out)
    assert np.abs(other - slow.waveform.vectors["v(out0)"][within]).max() < 5e-3 * np.ptp(out)


def test_long_runs_do_not_depend_on_where_stretches_end():
    """Beyond one stretch; the first samples and columns are those of a short run."""
    long, short = draw("fast", STRETCH + 40, 2, rows=2), draw("fast", 50, 1, rows=2)
    sigma = np.sqrt(short.moments.variance)
    assert np.abs((long.values[:50, :1] - short.values) / sigma).max() < 1e-9
    cut = draw("fast", STRETCH + 40, 2, rows=2, samples_per_transient=300)
    assert np.abs((long.values - cut.values) / np.sqrt(long.moments.variance)).max() < 1e-9
    assert (draw("fast", 50, 1, rows=2, seed=2).values != short.values).all()


def test_latents_have_the_closed_forms_moments():
    """Some 3e4 latents; two-sided false-alarm rate 1e-6 for each figure."""
    result = draw("fast", 8000, 4, seed=3)
    n, z = result.latents.size, result.latents
    rho, kurtosis = float(result.moments.autocorrelation[0]), float(result.moments.kurtosis[0])
    assert abs(z.mean()) < 4.9 * np.sqrt((1 + 2 * rho) / n)
    assert abs(np.mean(z**2) - 1) < 4.9 * np.sqrt((2 + kurtosis) * (1 + 2 * rho**2) / n)
    assert abs(np.mean(z[1:] * z[:-1]) - rho) < 4.9 / np.sqrt(n - 4)
    assert abs(np.mean(z**4) - 3 * np.mean(z**2) ** 2 - kurtosis) < 4.9 * np.sqrt(24 / n) * 1.1


def test_progress_counts_columns():
    seen = []
    sample(CARD, SampleSettings(rows=2), count=2, columns=3, seed=1, engine="fast",
           progress=lambda *step: seen.append(step))  # fmt: skip
    assert seen == [(1, 3), (2, 3), (3, 3)]


SMALL = SampleSettings(rows=4, samples_per_transient=5)


@pytest.fixture(scope="module")
def audited():
    parts = draw_parts(SMALL, 3, 12, 4, 7)
    return parts, sample(CARD, SMALL, count=12, columns=3, seed=7, engine="fast", keep=parts)


def test_draws_are_transients_of_the_plan_without_repeats(audited):
    parts, result = audited
    every = [part for group in plan(SMALL, 3, 12) for part in group]
    assert len(every) == 9 and len(set(parts)) == 4 and set(parts) <= set(every)
    assert parts == [part for part in every if part in parts]
    assert draw_parts(SMALL, 3, 12, 4, 7) == parts != draw_parts(SMALL, 3, 12, 4, 8)
    assert draw_parts(SMALL, 3, 12, 99, 7) == every
    assert draw_parts(SMALL, 3, 12, 0, 7) == []
    assert [kept.part for kept in result.kept] == parts
    for kept in result.kept:
        assert (kept.values == result.values[kept.part.rows_of, list(kept.part.columns)]).all()


def test_audit_passes_and_its_netlists_replay(audited, engine, tmp_path):
    import subprocess

    from ftj_spice.engines.ngspice.locate import find_command

    parts, result = audited
    audit = audit_samples(result, SMALL, engine)
    assert audit.passes and 0 < audit.largest < 1e-4 and audit.rms <= audit.largest
    assert audit.reads == sum(part.samples for part in parts)
    assert audit.transitions > 50 and audit.differing == 0
    assert list(audit.netlists) == [f"{part.name}.cir" for part in parts]
    assert audit.engine.startswith("ngspice") and audit.engine in audit.sentence
    part = parts[-1]
    (tmp_path / "a.cir").write_text(audit.netlists[f"{part.name}.cir"])
    subprocess.run([find_command(), "-b", "-r", "o.raw", "a.cir"], cwd=tmp_path, capture_output=True, check=True)
    vectors = read_raw(tmp_path / "o.raw").vectors
    values = result.digitiser.values(
        vectors["time"], vectors["v(out0)"][:, np.newaxis], list(part.columns), part.samples
    )
    sigma = np.sqrt(result.moments.variance[list(part.columns)])
    assert np.abs((values - result.values[part.rows_of, list(part.columns)]) / sigma).max() < 1e-3


def test_audit_finds_wrong_values(audited, engine):
    _, result = audited
    kept = result.kept[0]
    wrong = kept.values.copy()
    wrong[1, 0] += 0.02 * 2**result.digitiser.adc_bits * result.digitiser.lsb[0]
    audit = audit_samples(replace(result, kept=(replace(kept, values=wrong), *result.kept[1:])), SMALL, engine)
    assert not audit.passes and audit.largest == pytest.approx(0.02, rel=0.01)


def test_audit_counts_histories_that_differ_and_leaves_their_windows_out(audited, engine):
    _, result = audited
    kept = result.kept[0]
    h = kept.history
    fewer = TrapHistory(h.initial, h.times[1:], h.traps[1:], h.states[1:], h.duration)
    one = audit_samples(replace(result, kept=(replace(kept, history=fewer),)), SMALL, engine)
    assert one.differing == 1 and one.passes  # one may always differ
    assert one.reads < len(kept.values)
    none = TrapHistory(h.initial, h.times[:0], h.traps[:0], h.states[:0], h.duration)
    many = audit_samples(replace(result, kept=(replace(kept, history=none),)), SMALL, engine)
    assert many.differing == len(h.times) > 1 and not many.passes


def test_audit_that_compared_nothing_does_not_pass(audited, engine):
    """One transition differs, as it may, but every trap is in the other state, and no window is the same."""
    _, result = audited
    h = result.kept[0].history
    initial, states = (np.logical_not(a).astype(a.dtype) for a in (h.initial, h.states))
    other = TrapHistory(initial, h.times[1:], h.traps[1:], states[1:], h.duration)
    audit = audit_samples(replace(result, kept=(replace(result.kept[0], history=other),)), SMALL, engine)
    assert audit.differing == 1 and audit.reads == 0
    assert np.isnan(audit.largest) and np.isnan(audit.rms) and not audit.passes
    assert audit.sentence.startswith("nothing was left to compare; 0 samples against ngspice-")


def test_audit_of_comparators_counts_sums_that_differ(engine):
    settings = SampleSettings(digitiser="comparator", rows=4, steps_per_sample=8)
    parts = draw_parts(settings, 2, 10, 2, 1)
    result = sample(CARD, settings, count=10, columns=2, seed=1, engine="fast", keep=parts)
    audit = audit_samples(result, settings, engine)
    assert audit.passes and audit.reads == 20
    assert audit.sentence.startswith(f"{audit.largest:.2%} of them differ (allowed 1%); 20 samples against ngspice-")
    kept = [replace(k, values=k.values + 1.0) for k in result.kept]
    assert audit_samples(replace(result, kept=tuple(kept)), settings, engine).largest == 1.0


def test_audit_does_not_depend_on_the_number_of_workers(audited, engine):
    _, result = audited
    steps = []
    with NgspiceEngine(2) as two:
        more = audit_samples(result, SMALL, two, lambda *step: steps.append(step))
    one = audit_samples(result, SMALL, engine)
    assert (one.largest, one.rms, one.netlists) == (more.largest, more.rms, more.netlists)
    assert steps[-1] == (4, 4)
