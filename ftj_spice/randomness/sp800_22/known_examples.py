"""What SP 800-22 rev. 1a prints for its worked examples and in Appendix B, digit for digit.

An example whose printed numbers are wrong says why. Where the publication's way to them was found, `known_causes` takes
it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ftj_spice.randomness.sp800_22 import known_causes as causes
from ftj_spice.randomness.sp800_22.complexity import linear_complexity
from ftj_spice.randomness.sp800_22.frequency import block_frequency, frequency
from ftj_spice.randomness.sp800_22.patterns import approximate_entropy, serial
from ftj_spice.randomness.sp800_22.rank import rank
from ftj_spice.randomness.sp800_22.result import TestResult
from ftj_spice.randomness.sp800_22.runs import longest_run, runs
from ftj_spice.randomness.sp800_22.spectral import spectral
from ftj_spice.randomness.sp800_22.templates import non_overlapping_template, overlapping_template
from ftj_spice.randomness.sp800_22.universal import universal
from ftj_spice.randomness.sp800_22.walk import cumulative_sums, random_excursions, random_excursions_variant

Redone = Callable[[TestResult], NDArray[np.float64]]


@dataclass(frozen=True)
class Example:
    """One worked example.

    Attributes:
        section: Where it stands.
        bits: The stream as text, or a constant's name and how many of its digits.
        run: The test with the example's parameters.
        printed: P-values as printed, by label.
        statistics: Other printed numbers, by their name in `TestResult.statistics`.
        cause: Why computed and printed values differ; `""` where they agree.
        redone: The printed p-values' own way; none where it is not known.
        slips: Why a printed statistic differs, by its name.
    """

    section: str
    bits: str | tuple[str, int]
    run: Callable[[NDArray[np.uint8]], TestResult]
    printed: Mapping[str, str]
    statistics: Mapping[str, str] = field(default_factory=dict)
    cause: str = ""
    redone: Redone | None = None
    slips: Mapping[str, str] = field(default_factory=dict)


_PI_100 = ("pi", 100)
_E = ("e", 1_000_000)
_RUNS_128 = (
    "11001100000101010110110001001100111000000000001001001101010100010001001111010110"
    "100000001101011111001100111001101101100010110010"
)
_OVERLAPPING_50 = "10111011110010110100011100101110111110000101101001"
_FORMER_LAW = "printed with the approximate law of matches that rev. 1a replaces in section 2.8.4"
_FORMER_SLIP = "printed with 0.01047 in the place of 1/96 = 0.010417, a slip of NIST's program"
_PEAKS = "the printed count of peaks is wrong (no threshold or range of frequencies tried gives both examples')"
_NORMAL = "last digit; likely an earlier routine for the normal law (none tried gives all of these digits)"


def _states(values: str, states: tuple[int, ...]) -> dict[str, str]:
    return {f"state {x:+d}": value for x, value in zip(states, values.split(), strict=True)}


EXAMPLES = (
    Example("2.1.4", "1011010101", frequency, {"": "0.527089"}, {"sum": "2", "s_obs": "0.632455532"}),
    Example("2.1.8", _PI_100, frequency, {"": "0.109599"}, {"sum": "-16", "s_obs": "1.6"}),
    Example("2.2.4", "0110011010", partial(block_frequency, length=3), {"": "0.801252"}, {"chi2": "1"}),
    Example("2.2.8", _PI_100, partial(block_frequency, length=10), {"": "0.706438"}, {"chi2": "7.2"}),
    Example("2.3.4", "1001101011", runs, {"": "0.147232"}, {"runs": "7", "pi": "0.6"}),
    Example("2.3.8", _PI_100, runs, {"": "0.500798"}, {"runs": "52", "pi": "0.42"}),
    Example(
        "2.4.8",
        _RUNS_128,
        longest_run,
        {"": "0.180609"},
        {"chi2": "4.882457", "nu_0": "4", "nu_1": "9", "nu_2": "3", "nu_3": "0"},
    ),
    Example(
        "2.5.4",
        "01011001001010101101",
        partial(rank, size=3),
        {"": "0.741948"},
        {"full": "1", "one_less": "1", "lower": "0"},
        "printed with the probabilities of large matrices, which 3 x 3 ones do not have",
        causes.large_matrices,
    ),
    Example(
        "2.5.8",
        ("e", 100_000),
        rank,
        {"": "0.532069"},
        {"chi2": "1.2619656", "matrices": "97", "full": "23", "one_less": "60", "lower": "14"},
    ),
    Example(
        "2.6.4",
        "1001010011",
        spectral,
        {"": "0.029523"},
        {"n_0": "4.75", "n_1": "4"},
        _PEAKS,
        lambda r: causes.printed_peaks(4, 10),
        {"n_1": _PEAKS},
    ),
    Example(
        "2.6.8",
        _PI_100,
        spectral,
        {"": "0.168669"},
        {"n_0": "47.5", "n_1": "46"},
        _PEAKS,
        lambda r: causes.printed_peaks(46, 100),
        {"n_1": _PEAKS},
    ),
    Example(
        "2.7.4",
        "10100100101110010110",
        partial(non_overlapping_template, length=3, blocks=2, templates=(1,)),
        {"template 001": "0.344154"},
        {"mean": "1", "variance": "0.46875", "chi2 template 001": "2.133333"},
    ),
    Example(
        "2.7.8*",
        ("e", 2**20),
        causes.printed_matches,
        {"template 000000001": "0.647302"},
        {"mean": "255.984375", "variance": "247.499999", "chi2 template 000000001": "5.999377"},
        slips={"variance": "last digit; it is 247.5 exactly"},
    ),
    Example(
        "2.8.4",
        _OVERLAPPING_50,
        partial(overlapping_template, length=2, size=10),
        {"": "0.274932"},
        {"nu_0": "0", "nu_1": "1", "nu_2": "1", "nu_3": "1", "nu_4": "1", "nu_5": "1"},
        "two classes miscounted (1 and 1 for 2 and 0), the former law of matches, and chi2 not halved",
        causes.small_overlapping,
        {"nu_1": "miscounted: two blocks have one match", "nu_2": "miscounted: no block has two matches"},
    ),
    Example(
        "2.8.8",
        _E,
        overlapping_template,
        {"": "0.110434"},
        {"nu_0": "329", "nu_1": "164", "nu_2": "150", "nu_3": "111", "nu_4": "78", "nu_5": "136"},
        _FORMER_LAW,
        causes.former_overlapping,
    ),
    Example(
        "2.9.4",
        "01011010011101010111",
        partial(universal, length=2, initial=4),
        {"": "0.767189"},
        {"tested": "6", "sum": "7.169925002", "f_n": "1.1949875"},
        "the example leaves c and K out of sigma",
        causes.plain_deviation,
        {"sum": "last digit; likely added up from rounded terms"},
    ),
    Example(
        "2.9.8*",
        ("e", 2**20),
        causes.printed_sum,
        {"": "0.427733"},
        {"length": "7", "initial": "1280", "tested": "148516", "f_n": "6.194107", "c": "0.591311", "sigma": "0.002703"},
        slips={"c": "the printed c does not lead to the printed sigma; the computed one does"},
    ),
    Example("2.10.4", "1101011110001", partial(linear_complexity, length=13), {}, {"mean": "6.777222", "nu_6": "1"}),
    Example(
        "2.10.8",
        _E,
        partial(linear_complexity, length=1000),
        {"": "0.845406"},
        {"nu_0": "11", "nu_1": "31", "nu_2": "116", "nu_3": "501", "nu_4": "258", "nu_5": "57", "nu_6": "26"},
        _FORMER_SLIP,
        causes.former_complexity,
    ),
    Example(
        "2.11.4",
        "0011011101",
        partial(serial, length=3),
        {"first difference": "0.9057", "second difference": "0.8805"},
        cause="wrong values of the incomplete gamma function; section 2.11.6 prints the right ones",
    ),
    Example(
        "2.11.6",
        "0011011101",
        partial(serial, length=3),
        {"first difference": "0.808792", "second difference": "0.670320"},
        {"psi2_m": "2.8", "psi2_m-1": "1.2", "psi2_m-2": "0.4", "del": "1.6", "del2": "0.8"},
    ),
    Example(
        "2.11.8",
        _E,
        partial(serial, length=2),
        {"first difference": "0.843764", "second difference": "0.561915"},
        {"psi2_m": "0.343128", "psi2_m-1": "0.003364", "psi2_m-2": "0.000000", "del": "0.339764", "del2": "0.336400"},
    ),
    Example(
        "2.12.4",
        "0100110101",
        partial(approximate_entropy, length=3),
        {"": "0.261961"},
        {"phi_m": "-1.64341772", "chi2": "0.502193"},
        slips={"chi2": "printed without its factor 2 n = 20; the printed p-value has it"},
    ),
    Example("2.12.8", _PI_100, partial(approximate_entropy, length=2), {"": "0.235301"}, {"chi2": "5.550792"}),
    Example("2.13.4", "1011010111", cumulative_sums, {"forward": "0.4116588"}, {"z forward": "4"}, _NORMAL),
    Example(
        "2.13.8",
        _PI_100,
        cumulative_sums,
        {"forward": "0.219194", "backward": "0.114866"},
        {"z forward": "16", "z backward": "19"},
    ),
    Example(
        "2.14.4",
        "0110110101",
        partial(random_excursions, fewest=0),
        {"state +1": "0.502529"},
        {"cycles": "3"},
        "printed with probabilities cut off after four digits",
        causes.rounded_visits,
    ),
    Example(
        "2.14.8",
        _E,
        random_excursions,
        _states(
            "0.573306 0.197996 0.164011 0.007779 0.778616 0.365752 0.790853 0.792378", (-4, -3, -2, -1, 1, 2, 3, 4)
        ),
        {"cycles": "1490", "chi2 state -4": "3.835698", "chi2 state -3": "7.318707", "chi2 state -2": "7.861927"},
        "the last cycle, which visits positive states, is printed as if it visited none; Appendix B has it right",
        causes.open_cycle,
    ),
    Example(
        "2.15.4",
        "0110110101",
        partial(random_excursions_variant, fewest=0),
        {"state +1": "0.683091"},
        {"cycles": "3", "visits state +1": "4"},
    ),
    Example(
        "2.15.8",
        _E,
        random_excursions_variant,
        _states(
            "0.858946 0.794755 0.576249 0.493417 0.633873 0.917283 0.934708 0.816012 0.826009 "
            "0.137861 0.200642 0.441254 0.939291 0.505683 0.445935 0.512207 0.538635 0.593930",
            tuple(x for x in range(-9, 10) if x),
        ),
        {"visits state -9": "1450", "visits state -1": "1502", "visits state +1": "1409", "visits state +9": "1610"},
    ),
)
"""Sections 2.x.4, 2.x.6 and 2.x.8. The streams of those with an asterisk are not public: they are computed from the
counts that are printed."""


@dataclass(frozen=True)
class AppendixRow:
    """One line of the tables in Appendix B.

    Attributes:
        test: Name of the test.
        label: Which of its p-values.
        printed: By constant.
        cause: Why computed and printed values may differ.
        redone: The printed values' own way.
    """

    test: str
    label: str
    printed: Mapping[str, str]
    cause: str = ""
    redone: Redone | None = None


def _line(test: str, label: str, values: str, cause: str = "", redone: Redone | None = None) -> AppendixRow:
    return AppendixRow(
        test, label, dict(zip(("pi", "e", "sqrt2", "sqrt3"), values.split(), strict=True)), cause, redone
    )


APPENDIX_B = (
    _line("frequency", "", "0.578211 0.953749 0.811881 0.610051"),
    _line("block_frequency", "", "0.380615 0.211072 0.833222 0.473961"),
    _line("cumulative_sums", "forward", "0.628308 0.669887 0.879009 0.917121", _NORMAL),
    _line("cumulative_sums", "backward", "0.663369 0.724266 0.957206 0.689519", _NORMAL),
    _line("runs", "", "0.419268 0.561917 0.313427 0.261123"),
    _line("longest_run", "", "0.024390 0.718945 0.012117 0.446726"),
    _line("rank", "", "0.083553 0.306156 0.823810 0.314498"),
    _line("spectral", "", "0.010186 0.847187 0.581909 0.776046"),
    _line("non_overlapping_template", "template 000000001", "0.165757 0.078790 0.569461 0.532235"),
    _line(
        "overlapping_template",
        "",
        "0.296897 0.110434 0.791982 0.082716",
        _FORMER_LAW,
        causes.former_overlapping,
    ),
    _line("universal", "", "0.669012 0.282568 0.130805 0.165981"),
    _line("approximate_entropy", "", "0.361595 0.700073 0.884740 0.180481"),
    _line("random_excursions", "state +1", "0.844143 0.786868 0.216235 0.783283"),
    _line("random_excursions_variant", "state -1", "0.760966 0.826009 0.566118 0.155066"),
    _line("linear_complexity", "", "0.255475 0.826335 0.317127 0.346469", _FORMER_SLIP, causes.former_complexity),
    _line("serial", "first difference", "0.143005 0.766182 0.861925 0.157500"),
)
"""P-values of the first 1,000,000 digits of four constants, in the order printed. The fifth column, G-SHA-1, is left
out: its key is not published (none of those in NIST's program gives its digits)."""
