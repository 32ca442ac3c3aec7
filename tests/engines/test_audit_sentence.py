"""What an audit says of itself."""

import math

import pytest

from ftj_spice.engines.audit import Audit


def test_sentence_of_reads():
    audit = Audit(8, 4.8e-11, 1.1e-11, 1e-6, "ngspice-39")
    assert audit.sentence == (
        "largest deviation 4.8e-11, rms 1.1e-11, in parts of the largest column current of the tile's reads (allowed "
        "1e-06); 8 reads against ngspice-39"
    )
    assert audit.passes


def test_sentence_of_samples_counts_transitions():
    audit = Audit(6, 2e-3, 1e-3, 1e-3, "ngspice-39", scale="full scale of the converter", transitions=50, differing=1,
                  things="samples")  # fmt: skip
    assert audit.sentence == (
        "largest deviation 2.0e-03, rms 1.0e-03, in parts of the full scale of the converter (allowed 0.001); 6 "
        "samples against ngspice-39; 1 of 50 trap transitions differ"
    )
    assert not audit.passes


@pytest.mark.parametrize(("largest", "passes"), [(0.0, True), (0.01, True), (0.02, False), (math.nan, False)])
def test_shares_and_what_is_no_number(largest, passes):
    audit = Audit(20, largest, largest, 0.01, "ngspice-39", share=True, things="samples")
    assert audit.passes is passes
    assert "of them differ (allowed 1%); 20 samples against ngspice-39" in audit.sentence
