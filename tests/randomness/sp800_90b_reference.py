"""Outputs of NIST's own tool, ea_non_iid and ea_restart, for inputs that Python's generator gives anew.

The tool is github.com/usnistgov/SP800-90B_EntropyAssessment (commit 87c104d); its verbose outputs for these inputs are
published in github.com/systemslibrarian/SP800-90B_EntropyAssessment, folder audits/2026-09-30/novel-findings/logs
(restart/data/uni1_r.txt, altcol1_r.txt, shift1_r.txt and iid/f02/noniid_c.txt). Each input is a restart matrix of
1000 by 1000 bits; SHA-256 of its bytes, one a bit, as the tool printed it.

The tool's P_local stands only where it can matter; r is its longest run + 1.
"""

import hashlib
import random

import numpy as np


def uniform():
    """Independent fair bits."""
    draw = random.Random(2)
    return _checked([draw.randrange(2) for _ in range(10**6)], "f21780ffbf55b67e55247c6a1bd4302abad375b0bd8a884aab6c")


def shifted():
    """Restarts that are windows of one sequence, each one sample further on: rows and columns are the same."""
    draw = random.Random(6)
    sequence = np.array([draw.randrange(2) for _ in range(2000)])
    place = np.arange(1000)
    return _checked(sequence[place[:, None] + place], "59a6d0ec80fed915a379575b7ff9e97a50ecce79a10ed2540bd75ad7")


def _checked(bits, digest):
    values = np.asarray(bits, np.uint8).reshape(1000, 1000)
    assert hashlib.sha256(values.tobytes()).hexdigest().startswith(digest)
    return values


UNIFORM_ROWS = {
    "most_common_value": {"count": 500054, "p_u": 0.50134191528822114, "entropy": 0.99613323748661553},
    "collision": {
        "v": 399912,
        "mean": 2.5005476204765049,
        "deviation": 0.50000032525005134,
        "mean_bound": 2.4985110232480721,
        "p": 0.52728531429109748,
        "entropy": 0.92334427889111925,
    },
    "markov": {
        "p_0": 0.499946,
        "p_00": 0.49992399179111346,
        "p_01": 0.50007600820888654,
        "p_10": 0.49996700349762924,
        "p_11": 0.50003299650237076,
        "p_max": 2.9637884873079204e-39,
        "entropy": 0.99990432193874335,
    },
    "compression": {
        "mean": 5.220235669537983,
        "deviation": 1.0118238914230808,
        "mean_bound": 5.2138323479097641,
        "p": 0.025841672358102974,
        "entropy": 0.87902612531918101,
    },
    "t_tuple": {"t": 16, "p_max": 0.5266288655261094952, "p_u": 0.5279149530124247283, "entropy": 0.92162256445118362},
    "longest_repeated_substring": {
        "u": 17,
        "v": 39,
        "p_max": 0.5066278361478213543,
        "p_u": 0.5079156382869503237,
        "entropy": 0.97733920090566495,
    },
    "multi_mcw": {
        "correct": 499673,
        "r": 18,
        "trials": 999937,
        "p_global": 0.50099243702439111,
        "entropy": 0.99713927020891768,
    },
    "lag": {
        "correct": 500347,
        "r": 20,
        "trials": 999999,
        "p_global": 0.50163541597614292,
        "entropy": 0.9952888873984338,
    },
    "multi_mmc": {
        "correct": 500649,
        "r": 21,
        "trials": 999998,
        "p_global": 0.50193791679535904,
        "entropy": 0.99441916232560867,
    },
    "lz78y": {
        "correct": 499670,
        "r": 18,
        "trials": 999983,
        "p_global": 0.5009664205113149,
        "entropy": 0.99721419123810451,
    },
}

UNIFORM_COLUMNS = {
    "most_common_value": {"count": 500054, "entropy": 0.99613323748661553},
    "collision": {"v": 400032, "p": 0.53343857651974758, "entropy": 0.90660593527538191},
    "markov": {"p_max": 3.0524623649212792e-39, "entropy": 0.9995720483818149},
    "compression": {"mean": 5.2172347495890214, "p": 0.029649461348826289, "entropy": 0.84597504911067001},
    "t_tuple": {"t": 16, "entropy": 0.92162256445118362},
    "longest_repeated_substring": {"u": 17, "v": 38, "p_max": 0.5009881690864050563, "entropy": 0.9934475186504671},
    "multi_mcw": {"correct": 499975, "r": 19, "entropy": 0.99626981517906155},
    "lag": {"correct": 499652, "r": 20, "entropy": 0.99728908366377822},
    "multi_mmc": {"correct": 499651, "r": 19, "entropy": 0.9972905228028347},
    "lz78y": {"correct": 499497, "r": 22, "entropy": 0.9977124963264461},
}

SHIFTED = {
    "most_common_value": {"count": 528179, "entropy": 0.91739313491708363},
    "collision": {"v": 394776, "mean_bound": 2.5310342057920749, "p": 0.5, "entropy": 1.0},
    "markov": {"p_max": 1.4992394155811029e-37, "entropy": 0.95568053690012766},
    "compression": {"mean_bound": 5.2079598862578704, "p": 0.032625510317313866, "entropy": 0.82297595362711673},
    "t_tuple": {"t": 978, "p_max": 0.989967521654405773, "entropy": 0.014172850531664177},
    "longest_repeated_substring": {
        "u": 979,
        "v": 8999,
        "p_max": 0.9976499476729401123,
        "entropy": 0.0032140496497887121,
    },
    "multi_mcw": {"correct": 527649, "r": 13, "entropy": 0.91874703395517632},
    "lag": {"correct": 534415, "r": 14, "entropy": 0.90050173278420031},
    "multi_mmc": {"correct": 985449, "r": 741, "p_global": 0.98575939780145894, "entropy": 0.020692535461517791},
    "lz78y": {"correct": 528136, "r": 13, "entropy": 0.91748579710824196},
}
