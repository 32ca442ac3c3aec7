"""The sample phase in ngspice, against what the recorded trap histories say and against closed forms."""

import subprocess

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.rawfile import read_raw
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.locate import find_command
from ftj_spice.netlist.benches import COMPARATOR_LAG, SAMPLE_POINT
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings

CARD = ftj.load_card("hzo_mfis_nominal")
SIGMAS = 4.9
"""Two-sided false-alarm rate 1e-6 for one normal figure."""


def draw(engine, count, columns, seed=1, **settings):
    return sample(CARD, SampleSettings(**settings), count=count, columns=columns, seed=seed, engine=engine)


@pytest.fixture(scope="module")
def run(engine):
    return draw(engine, 200, 8)


def window_means(result, column):
    """Returns the column current averaged over each window, by integrating the recorded histories exactly."""
    d, array, history = result.digitiser, result.array, result.histories[column]
    begins = d.period * np.arange(len(result.values)) + d.reset_time
    edges = np.stack([begins, begins + d.window], axis=1).ravel()
    filled = np.stack([history.averages(i, edges)[0::2] for i in range(array.shape[0])], axis=1)
    return array.empty_current[:, column].sum() - filled @ array.swing[:, column]


def deviations(result):
    exact = np.stack([window_means(result, j) for j in range(result.values.shape[1])], axis=1)
    return (result.values - exact) / np.sqrt(result.moments.variance)


def test_every_value_is_the_integral_of_its_history(run):
    assert run.latents.shape == run.codes.shape == run.values.shape == (200, 8)
    deviation = deviations(run)
    assert np.abs(deviation).max() < 1e-3
    # What is left is one offset, the drop on the row drivers, which the exact integral leaves out.
    drop = 1e3 * run.array.empty_current[0, 0]
    offset = drop / CARD.voltage_scale * run.moments.mean[0] / np.sqrt(run.moments.variance[0])
    assert deviation.mean() == pytest.approx(-offset, rel=0.2)
    assert deviation.std() < 1e-4


@pytest.mark.parametrize(
    "settings",
    [
        {"voltage": 1.2},
        {"voltage": 1.8, "time": 3e-4},
        {"time": 2e-4},
        {"rows": 1},
        {"rows": 3, "amplitude_spread": 0.6, "current_spread": 0.3, "time_constant_spread": 1.0},
        {"word_line_resistance": 0.0, "bit_line_resistance": 0.0, "driver_resistance": 0.0},
        {"steps_per_sample": 3},
        {"reset_fraction": 0.3},
    ],
    ids=str,
)
def test_so_it_is_at_other_settings(settings, engine):
    result = draw(engine, 12, 2, **settings)
    assert np.abs(deviations(result)).max() < 2e-3


def test_latents_have_the_closed_forms_mean_and_variance(run):
    n = run.latents.size
    rho = float(run.moments.autocorrelation[0])
    assert 0 < rho < 0.1  # further lags are smaller by exp(-10)
    assert abs(run.latents.mean()) < SIGMAS * np.sqrt((1 + 2 * rho) / n)
    kurtosis = float(run.moments.kurtosis[0])
    assert abs(np.mean(run.latents**2) - 1) < SIGMAS * np.sqrt((2 + kurtosis) * (1 + 2 * rho**2) / n)
    lag = np.mean(run.latents[1:] * run.latents[:-1])
    assert abs(lag - rho) < SIGMAS / np.sqrt(n - 8)
    correlation = np.corrcoef(run.latents.T)[np.triu_indices(8, 1)]  # of 28 pairs of columns: false alarm 3e-5
    assert np.abs(correlation).max() < SIGMAS / np.sqrt(200)


@pytest.mark.parametrize("voltage", [1.3, 1.7])
def test_voltage_and_time_set_the_distribution_of_the_current(voltage, engine):
    result = draw(engine, 150, 4, voltage=voltage, time=20e-3 if voltage < 1.5 else 2e-3)
    m = result.moments
    n, rho = result.values.size, float(m.autocorrelation[0])
    z = (result.values - m.mean) / np.sqrt(m.variance)
    assert abs(z.mean()) < SIGMAS * np.sqrt((1 + 2 * rho) / n)
    assert abs(np.mean(z**2) - 1) < SIGMAS * np.sqrt((2 + float(m.kurtosis[0])) * (1 + 2 * rho**2) / n)


def test_a_code_is_within_half_a_step_of_its_value(run):
    d = run.digitiser
    assert np.abs(run.codes).max() < 2 ** (d.adc_bits - 1)
    rebuilt = d.reference + (run.codes + 0.5) * d.lsb
    assert np.abs((rebuilt - run.values) / d.lsb).max() <= 0.5 + 1e-9
    sigma = np.sqrt(run.moments.variance + d.lsb**2 / 12)
    np.testing.assert_allclose(run.latents, (rebuilt - run.moments.mean) / sigma, atol=1e-12)


@pytest.mark.parametrize("digitiser", ["integrator", "comparator"])
def test_where_a_transient_ends_does_not_matter(digitiser, engine):
    """The integrators are cleared at each transient's begin, as they are before each window; rows start at rest.

    What differs is rounding: a transient counts its time from 0, so that steps and averages differ in the last digits,
    and the reset's first part is an operating point. That is far below a thousandth of a standard deviation.
    """
    runs = [
        draw(engine, 23, 2, digitiser=digitiser, rows=8, steps_per_sample=20, samples_per_transient=length)
        for length in (1024, 23, 7, 1)
    ]
    first = runs[0]
    for other in runs[1:]:
        for a, b in zip(first.histories, other.histories, strict=True):
            assert (a.traps == b.traps).all() and (a.states == b.states).all() and (a.initial == b.initial).all()
            np.testing.assert_allclose(a.times, b.times, rtol=1e-12, atol=1e-15)
        assert np.abs((other.values - first.values) / np.sqrt(first.moments.variance)).max() < 1e-4
        assert (other.codes == first.codes).all()


def test_columns_apart_and_the_whole_array_agree(run, engine):
    """Columns share their row drivers only in the whole array: microvolts, some 1e-3 standard deviations.

    They also move an acceptance threshold by parts in 1e5, so that a rare transition is another; such windows are
    told by their histories and left out.
    """
    whole = draw(engine, 200, 8, whole_array=True)
    assert list(whole.netlists) == [f"sample_array_{k:02d}.cir" for k in range(4)]  # 64 samples each
    exact = [np.stack([window_means(r, j) for j in range(8)], axis=1) for r in (run, whole)]
    sigma = np.sqrt(run.moments.variance)
    same = np.abs(exact[0] - exact[1]) / sigma < 1e-9
    assert same.mean() > 0.99
    assert np.abs((run.values - whole.values) / sigma)[same].max() < 5e-3
    assert np.abs(deviations(whole)).max() < 5e-3


def test_columns_apart_and_the_whole_array_agree_with_comparators(engine):
    apart, whole = (
        draw(engine, 10, 3, digitiser="comparator", rows=6, steps_per_sample=12, whole_array=w) for w in (False, True)
    )
    assert (apart.codes == whole.codes).all()


@pytest.fixture(scope="module")
def bits(engine):
    return draw(engine, 60, 3, digitiser="comparator", rows=8, steps_per_sample=16)


def test_comparator_bits_are_the_trap_states_at_the_sampling_instants(bits):
    d = bits.digitiser
    rows, _ = bits.array.shape
    slots = np.arange(60 * rows).reshape(60, rows)
    instants = d.slot * (slots + SAMPLE_POINT)
    expected = np.zeros(bits.values.shape)
    doubtful = np.zeros(bits.values.shape)
    for j, history in enumerate(bits.histories):
        for i in range(rows):
            expected[:, j] += 1 - history.state_at(i, instants[:, i])
            before = history.state_at(i, instants[:, i] - 10 * COMPARATOR_LAG * d.slot - d.edge_time)
            doubtful[:, j] += before != history.state_at(i, instants[:, i] + d.edge_time)
    assert (np.abs(bits.values - expected) <= doubtful).all()
    assert (doubtful > 0).mean() < 0.2 and (bits.values == expected).mean() > 0.95
    assert set(np.unique(bits.codes)) <= set(range(rows + 1)) and (bits.codes == bits.values).all()


def test_sums_of_bits_have_the_closed_forms_mean_and_variance(bits):
    m, n = bits.moments, bits.latents.size
    rho = float(m.autocorrelation[0])
    inflation = (1 + rho) / (1 - rho)  # of an exponential autocorrelation
    assert abs(bits.latents.mean()) < SIGMAS * np.sqrt(inflation / n)
    squared = (1 + rho**2) / (1 - rho**2)
    assert abs(np.mean(bits.latents**2) - 1) < SIGMAS * np.sqrt((2 + float(m.kurtosis[0])) * squared / n)


def test_an_offset_beyond_half_the_swing_makes_bits_deaf(engine):
    result = draw(engine, 4, 6, digitiser="comparator", rows=4, steps_per_sample=8, comparator_offset=1.0)
    shift = result.digitiser.offset / result.array.swing.min()
    assert (np.abs(shift) > 0.7).any() and (np.abs(shift) < 0.3).any()
    for j, offset in enumerate(shift):
        if abs(offset) > 0.7:
            assert (result.codes[:, j] == (0 if offset > 0 else 4)).all()
    assert len(np.unique(result.codes[:, np.abs(shift) < 0.3])) > 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"whole_array": True},
        {"samples_per_transient": 5},
        {"digitiser": "comparator", "rows": 6, "steps_per_sample": 12},
        {"voltage": 1.8, "time": 3e-4},
    ],
    ids=str,
)
def test_replay_netlists_give_the_values_again_in_plain_ngspice(settings, engine, tmp_path):
    result = draw(engine, 12, 2, seed=4, **settings)
    columns = [[0, 1]] if settings.get("whole_array") else [[0], [1]]
    size = settings.get("samples_per_transient", 12)
    parts = [(own, slice(k, min(k + size, 12))) for own in columns for k in range(0, 12, size)]
    for (own, part), (name, text) in zip(parts, result.netlists.items(), strict=True):
        (tmp_path / name).write_text(text)
        done = subprocess.run([find_command(), "-b", "-r", "out.raw", name], cwd=tmp_path, timeout=120,
                              capture_output=True, text=True, check=True)  # fmt: skip
        assert "warning" not in (done.stdout + done.stderr).lower()
        vectors = read_raw(tmp_path / "out.raw").vectors
        outputs = np.stack([vectors[f"v(out{k})"] for k in range(len(own))], axis=1)
        values = result.digitiser.values(vectors["time"], outputs, own, part.stop - part.start)
        assert np.abs((values - result.values[part, own]) / np.sqrt(result.moments.variance[own])).max() < 2e-4


def test_results_do_not_depend_on_the_number_of_workers(engine):
    settings = {"rows": 4, "samples_per_transient": 4}
    one = draw(engine, 6, 3, **settings)
    progress = []
    with NgspiceEngine(2) as two_workers:
        two = sample(CARD, SampleSettings(**settings), count=6, columns=3, seed=1, engine=two_workers,
                     progress=lambda done, total: progress.append((done, total)))  # fmt: skip
    assert one.values.tobytes() == two.values.tobytes() and one.latents.tobytes() == two.latents.tobytes()
    assert one.netlists == two.netlists
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert list(one.netlists) == [f"sample_column{j:02d}_{k:02d}.cir" for j in range(3) for k in range(2)]


def test_the_first_samples_and_columns_do_not_depend_on_how_many_follow(engine):
    short, long = draw(engine, 4, 2, rows=4), draw(engine, 9, 3, rows=4)
    assert np.abs((long.values[:4, :2] - short.values) / np.sqrt(short.moments.variance)).max() < 1e-6
    assert (draw(engine, 4, 2, rows=4, seed=2).values != short.values).all()


def test_the_waveform_is_column_0s_first_transient(run, engine):
    assert set(run.waveform.vectors) == {"v(out0)", "i(vsense0)"}
    time, out = run.waveform.time, run.waveform.vectors["v(out0)"]
    assert (np.diff(time) > 0).all() and time[-1] == pytest.approx(64 * run.digitiser.period)
    values = run.digitiser.values(time, out[:, np.newaxis], [0], 64)
    assert (values[:, 0] == run.values[:64, 0]).all()
    assert np.abs(out).max() < 0.6  # 0.4 V is the ADC's range


@pytest.mark.parametrize("name", ["count", "columns"])
@pytest.mark.parametrize("value", [0, -3])
def test_a_bad_number_is_one_sentence(name, value, engine):
    with pytest.raises(SettingsError) as caught:
        sample(CARD, SampleSettings(), **{"count": 2, "columns": 2, name: value}, seed=0, engine=engine)
    assert str(caught.value) == f"{name} must be at least 1, got {value}"


@pytest.mark.parametrize("digitiser", ["integrator", "comparator"])
def test_a_card_without_noise_is_one_sentence(digitiser, engine):
    silent = CARD.model_copy(update={"rtn_amplitude_off": 0.0, "rtn_amplitude_on": 0.0})
    frozen = CARD.model_copy(update={"capture_slope": 70.0, "emission_slope": 0.0, "trap_voltage": 0.9})
    for card, reason in ((silent, "amplitude 0, trap filled for 0.5"), (frozen, "amplitude 0.1, trap filled for 1")):
        with pytest.raises(SettingsError) as caught:
            sample(card, SampleSettings(digitiser=digitiser), count=2, columns=2, seed=0, engine=engine)
        sentence = f"the sampling array of card 'hzo_mfis_nominal' has no noise at 1.5 V: {reason} of the time"
        assert str(caught.value) == sentence
