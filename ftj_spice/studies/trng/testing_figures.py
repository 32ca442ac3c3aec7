"""The plots of a test of random bits, and the closed forms that they are held against."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.randomness.diagnostics import chain_min_entropy
from ftj_spice.randomness.sp800_22 import TESTS
from ftj_spice.results.plots.randomness import (
    bit_autocorrelation,
    entropy_bars,
    p_value_histograms,
    pass_shares,
    run_lengths,
)
from ftj_spice.studies.trng.testing_streams import LAGS

if TYPE_CHECKING:
    from ftj_spice.studies.trng.testing import TrngTestResult


def figures_of(result: "TrngTestResult") -> dict[str, Figure]:
    """Returns the plots by name."""
    figures = {}
    a, d = result.assessment, result.diagnostics
    if a is not None and a.rows:
        families = {row.test: row for row in a.by_test()}
        names = [test for test in TESTS if test in families or test in a.inapplicable]
        values = {
            test: np.concatenate([r.p_values for one in result.answers for r in one.tests if r.test == test])
            for test in names
        }
        figures["p_values"] = p_value_histograms(values, [name for name, row in families.items() if not row.passes])
        shares = {test: np.array([row.proportion for row in a.rows if row.test == test]) for test in names}
        limits = {row.test: row.limits for row in a.rows}
        if a.streams > 1:
            figures["pass_shares"] = pass_shares(shares, limits)
    if result.entropy is not None and any(e.applicable for e in result.entropy.estimates):
        lines = {} if d is None or np.isnan(d.rho) else {"Markov chain fitted": chain_min_entropy(*d.leave)}
        if (known := expected_of(result).get("min_entropy_per_bit")) is not None:
            lines["closed form of the source"] = float(known)
        figures["entropy"] = entropy_bars(
            {e.estimator: e.entropy if e.applicable else None for e in result.entropy.estimates}, lines
        )
    if d is not None and not np.isnan(d.correlation).any():
        figures["autocorrelation"] = bit_autocorrelation(
            d.correlation, d.correlation_limit, expected_of(result).get("correlation")
        )
        names = ("zeros", "ones")
        figures["run_lengths"] = run_lengths(
            dict(zip(names, d.run_counts.astype(float), strict=True)), dict(zip(names, d.run_law, strict=True)),
            d.run_p_value,
        )  # fmt: skip
    return figures


def expected_of(result: "TrngTestResult") -> dict[str, Any]:
    """Returns the closed forms that the file beside the bits tells; what does not make sense is left out."""
    given = result.streams.origin.get("expected")
    found: dict[str, Any] = {}
    for name, count in (("ones", 1), ("min_entropy_per_bit", 1), ("correlation", LAGS)):
        entry = given.get(name) if isinstance(given, dict) else None
        values = entry if isinstance(entry, list) else [entry]
        if len(values) == count and all(isinstance(v, int | float) and abs(v) <= 1.0 for v in values):
            found[name] = np.array(values, float) if count > 1 else abs(float(values[0]))
    return found
