"""Min-entropy of noise sources that are not IID, and restart tests, after NIST SP 800-90B (January 2018).

One module per estimator of section 6.3. Where the publication and the current version of NIST's reference tool
(github.com/usnistgov/SP800-90B_EntropyAssessment) differ, the docstring of the function says which it follows.
"""

from ftj_spice.randomness.sp800_90b.assessment import (
    BITS_ONLY,
    ESTIMATORS,
    EntropyResult,
    estimate_entropy,
    estimates_of,
)
from ftj_spice.randomness.sp800_90b.estimate import Estimate
from ftj_spice.randomness.sp800_90b.restart import RestartResult, restart_cutoff, restart_test

__all__ = [
    "BITS_ONLY",
    "ESTIMATORS",
    "EntropyResult",
    "Estimate",
    "RestartResult",
    "estimate_entropy",
    "estimates_of",
    "restart_cutoff",
    "restart_test",
]
