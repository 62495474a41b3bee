#!/usr/bin/env python3
"""Writes statistics_fixtures.json: generated samples, with the figures of SciPy for them.

`load-client/tests/library/fixtures.rs` reads the file and compares to 1e-9. To write it again:

    python3 -m venv venv && venv/bin/pip install scipy numpy
    venv/bin/python load-client/tests/data/make_statistics_fixtures.py

The samples come from a seeded generator, so only another version of SciPy changes the file.
Where SciPy has no function, this program computes the formula by brute force.
"""

import itertools
import json
import math
import pathlib

import numpy as np
import scipy
from scipy import special, stats

QUANTILES = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]


def number(value):
    """Returns a JSON number, null where SciPy has none."""
    value = float(value)
    return value if math.isfinite(value) else None


def autoregressive(random, correlation, count):
    values = np.empty(count)
    state = random.standard_normal() / math.sqrt(1 - correlation**2)
    for index in range(count):
        state = correlation * state + random.standard_normal()
        values[index] = state
    return values


def sample_pairs():
    random = np.random.default_rng(20240501)
    body = lambda count, scale: np.round(np.exp(random.normal(1.8, 0.4, count)) * scale, 3)
    return {
        "normal, equal sizes": (random.normal(5, 1, 60).round(6), random.normal(5.3, 1.5, 60).round(6)),
        "lognormal, unequal sizes": (body(150, 1), body(35, 0.8)),
        "heavily tied": (random.integers(4, 9, 120), random.integers(4, 8, 90)),
        "tied with a stall": (np.r_[random.integers(4, 9, 40), 30000], random.integers(4, 9, 25)),
        "few against many": (random.normal(0, 1, 3).round(6), random.normal(1, 1, 70).round(6)),
        "small": (random.normal(0, 1, 6).round(6), random.normal(1, 1, 8).round(6)),
        "two and two": (np.array([1.5, 2.5]), np.array([2.0, 4.0])),
        "one against some": (np.array([3.25]), np.array([1.0, 2.0, 2.5, 4.0, 5.0])),
        "far apart": (random.normal(0, 1, 80).round(6), random.normal(50, 1, 70).round(6)),
        "constant against spread": (np.full(12, 4.0), random.normal(4.5, 1, 30).round(6)),
        "two constants": (np.full(5, 4.0), np.full(7, 4.0)),
        "large values": (random.normal(5e12, 1e9, 40).round(0), random.normal(5.001e12, 2e9, 50).round(0)),
        "tiny values": (random.lognormal(0, 0.3, 40) * 1e-12, random.lognormal(0.1, 0.3, 30) * 1e-12),
        "correlated": (autoregressive(random, 0.9, 200).round(6), autoregressive(random, 0.9, 180).round(6)),
    }


def welch(x, y):
    if len(x) < 2 or len(y) < 2 or np.ptp(x) + np.ptp(y) == 0:
        return None
    test = stats.ttest_ind(x, y, equal_var=False)
    return {"t": test.statistic, "df": test.df, "p": test.pvalue}


def pair(name, x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    differences = np.subtract.outer(x, y).ravel()
    # The effect size by brute force, over all pairs.
    delta = np.sign(differences).mean()
    result = {
        "name": name,
        "x": x.tolist(),
        "y": y.tolist(),
        "mean": [x.mean(), y.mean()],
        "variance": [number(np.var(v, ddof=1)) if len(v) > 1 else None for v in (x, y)],
        "type7": np.quantile(x, QUANTILES).tolist(),
        "harrell_davis": np.asarray(stats.mstats.hdquantiles(x, QUANTILES)).tolist() if len(x) > 1 else None,
        "welch": welch(x, y),
        "ks_d": stats.ks_2samp(x, y).statistic,
        "median_difference": np.median(differences),
        "cliffs_delta": delta,
    }
    if min(x.min(), y.min()) > 0:
        result["median_ratio"] = math.exp(np.median(np.subtract.outer(np.log(x), np.log(y))))
    return result


def tails():
    grid_t = [(t, df) for t in (-3.0, 0.0, 0.5, 2.1, 9.0, 60.0) for df in (1.0, 3.7, 12.0, 250.0, 1.5e5)]
    return {
        "student": [[t, df, stats.t.sf(t, df)] for t, df in grid_t],
        "student_critical": [[a, df, stats.t.isf(a / 2, df)] for a in (0.001, 0.05, 0.1, 0.5) for df in (1.0, 5.0, 9.5, 3000.0)],
    }


def paired():
    random = np.random.default_rng(77)
    cases = []
    for count in (2, 5, 9):
        old = random.lognormal(1.8, 0.1, count).round(6)
        new = (old * random.normal(0.97, 0.03, count)).round(6)
        logs = np.log(new / old)
        test = stats.ttest_rel(np.log(new), np.log(old))
        error = logs.std(ddof=1) / math.sqrt(count)
        half = stats.t.isf(0.025, count - 1) * error
        sums = [abs(np.dot(signs, logs)) for signs in itertools.product((1, -1), repeat=count)]
        flips = sum(total >= abs(logs.sum()) * (1 - 1e-12) for total in sums) / 2**count
        cases.append({"old": old.tolist(), "new": new.tolist(), "t": test.statistic, "p": test.pvalue,
                      "change": [math.expm1(logs.mean()), math.expm1(logs.mean() - half), math.expm1(logs.mean() + half)],
                      "sign_flip": flips})
    return cases


def holm(p_values):
    """By definition: the largest (k - j) p(j) up to each place, at most 1."""
    order = np.argsort(p_values)
    adjusted, largest = np.empty(len(p_values)), 0.0
    for place, index in enumerate(order):
        largest = max(largest, (len(p_values) - place) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted.tolist()


def block_length(x):
    """Politis & White 2004 with the correction of 2009, written out for short series."""
    n = len(x)
    e = x - x.mean()
    gamma = [float(e[k:] @ e[: n - k]) / n for k in range(n)]
    bound = 2 * math.sqrt(math.log10(n) / n) * gamma[0]
    longest = math.ceil(math.sqrt(n)) + 5
    last = next((m for m in range(longest - 4) if all(abs(gamma[m + k]) < bound for k in range(1, 6))), None)
    width = longest if last is None else min(2 * max(last, 1), longest)
    window = lambda s: 1.0 if s <= 0.5 else 2 * (1 - s)
    g = sum(2 * window(k / width) * k * gamma[k] for k in range(1, width + 1))
    spectrum = gamma[0] + sum(2 * window(k / width) * gamma[k] for k in range(1, width + 1))
    length = (2 * g * g / (4 / 3 * spectrum**2) * n) ** (1 / 3)
    return min(length, math.ceil(min(3 * math.sqrt(n), n / 3)))


def series():
    random = np.random.default_rng(79)
    cases = []
    for correlation, count in ((0.0, 200), (0.6, 300), (0.9, 400)):
        x = autoregressive(random, correlation, count).round(4)
        e = x - x.mean()
        lags = [float(e[k:] @ e[: count - k]) / float(e @ e) for k in (1, 2, 10)]
        cases.append({"x": x.tolist(), "autocorrelation": lags, "block_length": max(1, round(block_length(x)))})
    return cases


def main():
    p_values = [0.012, 0.4, 1e-30, 0.012, 0.07, 0.9]
    fixtures = {
        "made_with": f"scipy {scipy.__version__}, numpy {np.__version__}",
        "quantiles": QUANTILES,
        "pairs": [pair(name, x, y) for name, (x, y) in sample_pairs().items()],
        "tails": tails(),
        "paired": paired(),
        "holm": {"p": p_values, "adjusted": holm(p_values)},
        "series": series(),
    }
    path = pathlib.Path(__file__).with_name("statistics_fixtures.json")
    path.write_text(json.dumps(fixtures, indent=1, default=float, allow_nan=False).replace("\n    ", " ") + "\n")


if __name__ == "__main__":
    main()
