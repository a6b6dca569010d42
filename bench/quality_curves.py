# SPDX-License-Identifier: Apache-2.0
"""Draws validation bits per byte over minutes, one curve for each run of bench/quality.sh, as SVG.

    bench/quality_curves.py 10=OUT/runs/NAME.10m.1 30=OUT/runs/torch.30m.1 … >curves.svg

Each argument is the minutes the run took and its directory. wetmill's metrics hold no time (they are
the same on any machine): its steps take equal parts of it.
"""
import json
import os
import sys

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 400, 56, 24, 24, 48
STEP = 0.1  # bits per byte between lines
COLOURS = ("#0b6e4f", "#c8553d", "#3a6ea5", "#91a83e", "#7d5ba6", "#588b8b")


def points(minutes, directory):
    for name in ("model/metrics.jsonl", "metrics.jsonl"):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            break
    with open(path) as f:
        lines = [json.loads(line) for line in f]
    last = lines[-1]["step"]
    for line in lines:
        bits = line.get("validation_bits_per_byte")
        if bits:
            yield minutes * line["step"] / last, bits


def main():
    curves = []
    for argument in sys.argv[1:]:
        minutes, directory = argument.split("=", 1)
        curves.append((os.path.basename(directory.rstrip("/")), list(points(float(minutes), directory))))
    right = max(x for _, c in curves for x, _ in c)
    # the first steps say little and would flatten the rest
    low = min(y for _, c in curves for _, y in c)
    high = low + 0.9
    low -= low % STEP

    def at(x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * x / right,
                TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low))

    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
          'font-family="sans-serif" font-size="12">')
    print(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for i in range(int((high - low) / STEP) + 1):
        x, y = at(0, low + i * STEP)
        print(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
              f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{low + i * STEP:.1f}</text>')
    for minute in range(0, int(right) + 1, 5):
        x, y = at(minute, low)
        print(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{minute}</text>')
    print(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">minutes</text>')
    print(f'<text x="{LEFT}" y="{TOP - 8}">validation, bits per byte</text>')
    for i, (name, curve) in enumerate(curves):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*p) for p in curve if p[1] <= high))
        print(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        print(f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 18 * (i + 1)}" text-anchor="end" '
              f'fill="{colour}">{name}: {curve[-1][1]:.3f}</text>')
    print("</svg>")


if __name__ == "__main__":
    main()
