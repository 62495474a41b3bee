#!/usr/bin/env python3
"""Draws the round trips of both variants of an experiment as two densities, for light and for dark pages.

usage: answer.py RESULTS FILE-light.svg FILE-dark.svg

RESULTS is a folder that `make experiment` wrote. Each sample is a round trip after the warm-up; the axis is logarithmic.
"""

import csv
import glob
import gzip
import json
import math
import os
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 20, 20, 64, 44
BINS = 110
THEMES = {
    "light": {"back": "#ffffff", "ink": "#1f2328", "faint": "#59636e", "grid": "#d1d9e0"},
    "dark": {"back": "#0d1117", "ink": "#e6edf3", "faint": "#9198a1", "grid": "#3d444d"},
}
# Colours that colour-blind readers tell apart (Okabe and Ito, 2008).
HUES = ("#d55e00", "#0072b2"), ("#f0883e", "#58a6ff")


def times(folder, variant):
    """Milliseconds of the replies of all runs of a variant."""
    found = []
    for path in sorted(glob.glob(f"{folder}/block-*-{variant}/*.csv*")):
        opened = gzip.open if path.endswith(".gz") else open
        with opened(path, "rt", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["response_time"] and row["warm_up"] != "true":
                    found.append(float(row["response_time"]))
    if not found:
        sys.exit(f"{folder}: no requests of {variant}")
    return found


def density(sample, low, high):
    """Share of the sample for each bin of equal width on the logarithmic axis."""
    counts = [0] * BINS
    for value in sample:
        place = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        if 0 <= place < 1:
            counts[int(place * BINS)] += 1
    return [count / len(sample) for count in counts]


def quantile(sample, share):
    ordered = sorted(sample)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ticks(low, high):
    steps = [base * 10**power for power in range(-2, 5) for base in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


def text(x, y, anchor, fill, words, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" {more}>{words}</text>'


def chart(samples, names, caption, theme, hues):
    colours = THEMES[theme]
    both = samples[0] + samples[1]
    low, high = quantile(both, 0.001) * 0.9, quantile(both, 0.998) * 1.1
    scale = (WIDTH - LEFT - RIGHT) / (math.log(high) - math.log(low))
    at = lambda value: LEFT + (math.log(value) - math.log(low)) * scale
    curves = [density(sample, low, high) for sample in samples]
    peak, base = max(map(max, curves)), HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="100%" height="100%" fill="{colours["back"]}"/>',
        text(LEFT, 24, "start", colours["ink"], "Round trips of one order", 'font-weight="bold" font-size="15"'),
        text(LEFT, 44, "start", colours["faint"], caption, 'font-size="12"'),
    ]
    for tick in ticks(low, high):
        parts.append(f'<line x1="{at(tick):.1f}" y1="{TOP}" x2="{at(tick):.1f}" y2="{base}" stroke="{colours["grid"]}"/>')
        parts.append(text(at(tick), base + 18, "middle", colours["faint"], f"{tick:g} ms"))
    lower = min(quantile(sample, 0.5) for sample in samples)
    for sample, curve, name, hue in zip(samples, curves, names, hues):
        step = (WIDTH - LEFT - RIGHT) / BINS
        points = [f"{LEFT + (index + 0.5) * step:.1f},{base - share / peak * (base - TOP - 44):.1f}" for index, share in enumerate(curve)]
        parts.append(f'<polygon points="{LEFT},{base} {" ".join(points)} {WIDTH - RIGHT},{base}" fill="{hue}" fill-opacity="0.25"/>')
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{hue}" stroke-width="2"/>')
        median = quantile(sample, 0.5)
        parts.append(f'<line x1="{at(median):.1f}" y1="{TOP + 2}" x2="{at(median):.1f}" y2="{base}" stroke="{hue}" stroke-width="2" stroke-dasharray="4 3"/>')
        # Beside the line, away from that of the other variant where there is room, and in a row of its own.
        label = f"{name}: median {median:.2f} ms"
        is_left = median == lower and at(median) - 8 * len(label) > LEFT
        anchor, x = ("end", at(median) - 6) if is_left else ("start", at(median) + 6)
        parts.append(text(x, TOP + (14 if median == lower else 32), anchor, hue, label, 'font-weight="bold"'))
    parts.append(text(WIDTH / 2, HEIGHT - 6, "middle", colours["faint"], "time from sending an order to its reply, logarithmic"))
    return "\n".join(parts) + "\n</svg>\n"


def main(folder, *paths):
    comparison = json.load(open(f"{folder}/comparison.json", encoding="utf-8"))
    names = comparison["baseline"]["name"], comparison["changed"]["name"]
    samples = [times(folder, name) for name in names]
    one = json.load(open(sorted(glob.glob(f"{folder}/block-1-*/environment.json"))[0], encoding="utf-8"))
    caption = f"{one['broker']}, {one['users']} users in a closed loop; commit {one['commit']['id'][:7]}, {one['date'][:10]}"
    labels = ("one at a time", "a task each") if names == ("serial", "tasks") else names
    for path, theme, hues in zip(paths, THEMES, HUES):
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(chart(samples, labels, caption, theme, hues))
        os.replace(path + ".new", path)


if __name__ == "__main__":
    main(*sys.argv[1:])
