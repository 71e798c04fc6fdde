"""What each parameter of tsfresh's calculators may be: a table, and the kinds of value it is made of.

Allowed is what tsfresh computes a number for on some window. Refused is what gives NaN on every window or an error, and
what gives a number only by the company of other features. Whether a window is long enough is not a matter of the
parameters. Upper limits keep absurd numbers from taking all memory.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: No window has more samples.
_LONGEST = 10_000_000
_MANY = 1_000_000
#: Reductions of numpy to one number, by function (for an array) and by method (of a chunk).
_REDUCING_METHODS = ("mean", "var", "std", "max", "min", "sum", "prod", "argmax", "argmin", "all", "any")
_REDUCTIONS = (
    *_REDUCING_METHODS,
    *("median", "ptp", "average", "amax", "amin", "count_nonzero", "size", "trapezoid", "nanmean", "nanmedian"),
    *("nanvar", "nanstd", "nanmax", "nanmin", "nansum", "nanprod", "nanargmax", "nanargmin"),
)
#: numpy's ways of choosing the number of bins.
_BIN_ESTIMATORS = ("auto", "fd", "doane", "scott", "stone", "rice", "sturges", "sqrt")
_LINE = ("slope", "intercept", "rvalue", "stderr", "pvalue", "intercept_stderr")


@dataclass(frozen=True)
class Rule:
    """What one parameter may be."""

    accepts: Callable[[object], bool]
    allowed: str  # in words, for a message
    words: tuple[str, ...] = ()  # to suggest the one meant
    optional: bool = False


@dataclass(frozen=True)
class JointRule:
    """What the parameters of one calculator must be together."""

    accepts: Callable[[Mapping[str, float]], bool]
    allowed: str


def is_whole(value: object, lowest: int, highest: int = _LONGEST, *, truth: bool = True, decimal: bool = False) -> bool:
    """Whether a value is an integer in a range; with `truth` also True and False, with `decimal` also 2.0."""
    if isinstance(value, bool) and not truth:
        return False
    if isinstance(value, float):
        return decimal and value.is_integer() and lowest <= value <= highest
    return isinstance(value, int) and lowest <= value <= highest


def is_real(value: object, lowest: float = -math.inf, highest: float = math.inf, *, nan: bool = False) -> bool:
    """Whether a value is a number in a range that fits a float; with `nan` also NaN."""
    if not isinstance(value, int | float):
        return False
    try:
        number = float(value)
    except OverflowError:
        return False
    return nan if math.isnan(number) else lowest <= number <= highest


def _whole(
    lowest: int, highest: int = _LONGEST, *, usual: int | None = None, truth: bool = True, decimal: bool = False
) -> Rule:
    least = lowest if usual is None else usual
    allowed = f"a whole number from {least}" + ("" if highest == _LONGEST else f" to {highest}")
    return Rule(lambda value: is_whole(value, lowest, highest, truth=truth, decimal=decimal), allowed)


def _word(*words: str) -> Rule:
    return Rule(lambda value: isinstance(value, str) and value in words, _listed(words), words)


def _listed(words: tuple[str, ...]) -> str:
    return "one of " + ", ".join(f'"{word}"' for word in words)


def _is_switch(value: object) -> bool:
    # A word would count as true, "False" included.
    return value is None or isinstance(value, bool | int | float)


def _is_bins(value: object) -> bool:
    """Whether numpy makes a histogram of it: a number, the name of an estimator, or ascending edges."""
    if isinstance(value, list | tuple):
        edges = list(value)
        return len(edges) > 1 and all(map(is_real, edges)) and edges == sorted(edges)
    return is_whole(value, 1, _MANY) or (isinstance(value, str) and value in _BIN_ESTIMATORS)


def _is_query(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) >= 3 and all(_is_finite(each) for each in value)


def _is_finite(value: object) -> bool:
    return is_real(value) and math.isfinite(float(value))  # type: ignore[arg-type]


def _are_widths(value: object) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(_is_finite(each) and each > 0 for each in value)


_LAG = _whole(-_LONGEST, usual=0)
_NUMBER = Rule(lambda value: is_real(value, nan=True), "a number")
_SWITCH = Rule(_is_switch, "True or False")
_BINS = Rule(_is_bins, f"a whole number from 1 to {_MANY}", _BIN_ESTIMATORS)
_REDUCTION = _word(*_REDUCTIONS)
_SEGMENTS = _whole(1, _MANY)
_QUANTILES = _whole(1, _MANY, truth=False)
_AUTOLAG = ("AIC", "BIC", "t-stat")

#: The parameters of every calculator of tsfresh that has some.
PARAMETER_RULES: Mapping[str, Mapping[str, Rule]] = {
    "agg_autocorrelation": {"f_agg": _REDUCTION, "maxlag": _whole(1, truth=False, decimal=True)},
    "agg_linear_trend": {"attr": _word(*_LINE), "chunk_len": _whole(1), "f_agg": _word(*_REDUCING_METHODS)},
    "approximate_entropy": {
        "m": _whole(1),
        "r": Rule(lambda value: is_real(value, 0.0), "a number from 0"),
    },
    "ar_coefficient": {
        "coeff": _whole(-_LONGEST, usual=0, truth=False),
        "k": _whole(0, _MANY, truth=False, decimal=True),
    },
    "augmented_dickey_fuller": {
        "attr": _word("teststat", "pvalue", "usedlag"),
        "autolag": Rule(
            lambda value: value is None or (isinstance(value, str) and value.lower() in ("aic", "bic", "t-stat")),
            f"{_listed(_AUTOLAG)}, or None",
            _AUTOLAG,
            optional=True,
        ),
    },
    "autocorrelation": {"lag": _whole(-1, usual=0)},
    "binned_entropy": {"max_bins": _BINS},
    "c3": {"lag": _LAG},
    "change_quantiles": {"f_agg": _REDUCTION, "isabs": _SWITCH, "qh": _NUMBER, "ql": _NUMBER},
    "cid_ce": {"normalize": _SWITCH},
    "count_above": {"t": _NUMBER},
    "count_below": {"t": _NUMBER},
    "cwt_coefficients": {
        "coeff": _whole(-_LONGEST, usual=0, truth=False),
        "w": Rule(is_real, "one of the widths"),
        "widths": Rule(_are_widths, "positive numbers in brackets, such as (2, 5, 10, 20)"),
    },
    "energy_ratio_by_chunks": {"num_segments": _SEGMENTS, "segment_focus": _whole(-_MANY, _MANY, usual=0)},
    "fft_aggregated": {"aggtype": _word("centroid", "variance", "skew", "kurtosis")},
    "fft_coefficient": {"attr": _word("real", "imag", "abs", "angle"), "coeff": _whole(0, truth=False)},
    "fourier_entropy": {"bins": _BINS},
    "friedrich_coefficients": {
        "coeff": _whole(0, truth=False),
        "m": Rule(lambda value: is_real(value, 0.0, 1000.0) and value != 0, "a whole number from 1 to 1000"),
        "r": _QUANTILES,
    },
    "index_mass_quantile": {"q": _NUMBER},
    "large_standard_deviation": {"r": _NUMBER},
    "lempel_ziv_complexity": {"bins": _whole(-1, _MANY, usual=1)},
    "linear_trend": {"attr": _word(*_LINE)},
    "linear_trend_timewise": {"attr": _word(*_LINE)},
    "max_langevin_fixed_point": {
        "m": Rule(lambda value: is_real(value, 1.0, 1000.0), "a whole number from 1 to 1000"),
        "r": _QUANTILES,
    },
    "mean_n_absolute_max": {"number_of_maxima": _whole(1)},
    "number_crossing_m": {"m": _NUMBER},
    "number_cwt_peaks": {"n": _whole(1, 10_000)},
    "number_peaks": {"n": _whole(1, _MANY)},
    "partial_autocorrelation": {"lag": _whole(0, _MANY, truth=False)},
    "permutation_entropy": {"dimension": _whole(2), "tau": _whole(1)},
    "quantile": {"q": Rule(lambda value: is_real(value, 0.0, 1.0), "a number from 0 to 1")},
    "query_similarity_count": {
        "normalize": Rule(_SWITCH.accepts, _SWITCH.allowed, optional=True),
        "query": Rule(_is_query, "a list of at least three finite numbers, such as [0.1, 0.5, 0.2]"),
        "threshold": Rule(_NUMBER.accepts, _NUMBER.allowed, optional=True),
    },
    "range_count": {"max": _NUMBER, "min": _NUMBER},
    "ratio_beyond_r_sigma": {"r": _NUMBER},
    # Welch's spectrum of segments of up to 256 samples.
    "spkt_welch_density": {"coeff": _whole(-129, 128, usual=0, truth=False)},
    "symmetry_looking": {"r": _NUMBER},
    "time_reversal_asymmetry_statistic": {"lag": _LAG},
    "value_count": {"value": _NUMBER},
}

JOINT_RULES: Mapping[str, JointRule] = {
    "ar_coefficient": JointRule(lambda p: p["coeff"] <= p["k"], "coeff up to k"),
    "cwt_coefficients": JointRule(lambda p: p["w"] in p["widths"], "w among the widths"),  # type: ignore[operator]
    "energy_ratio_by_chunks": JointRule(
        lambda p: -p["num_segments"] <= p["segment_focus"] < p["num_segments"],
        "segment_focus below num_segments, as the first segment is 0",
    ),
    "friedrich_coefficients": JointRule(lambda p: p["coeff"] <= int(p["m"]), "coeff up to m"),
}
