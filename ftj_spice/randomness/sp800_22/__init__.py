"""The fifteen statistical tests of NIST SP 800-22 rev. 1a (2010) and its criteria over many streams.

What the tests can show: that a stream departs from fair, independent bits in one of fifteen ways. What they can't: that
a source holds entropy. A counter under a cipher passes all of them. `sp800_90b` asks the other question.

Deviations from the publication's printed numbers, each with its cause, are data in `known_examples`.
"""

from ftj_spice.randomness.sp800_22.assessment import Assessment, AssessmentRow, FamilyRow, assess
from ftj_spice.randomness.sp800_22.battery import TESTS, StatisticalTest, run_tests
from ftj_spice.randomness.sp800_22.result import Parameters, TestResult

__all__ = [
    "TESTS",
    "Assessment",
    "AssessmentRow",
    "FamilyRow",
    "Parameters",
    "StatisticalTest",
    "TestResult",
    "assess",
    "run_tests",
]
