#!/usr/bin/env python3
"""Draws the loss curve of a run as an SVG. Needs nothing but Python.

usage: plot_loss.py RUN_DIRECTORY OUT.svg
"""

import json
import sys

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 30, 50


def main():
    run, out = sys.argv[1], sys.argv[2]
    with open(f"{run}/metrics.jsonl") as file:
        records = [json.loads(line) for line in file]
    train = [(r["step"], r["loss"]) for r in records if "loss" in r]
    valid = [(r["step"], r["valid_loss"]) for r in records if "valid_loss" in r]
    steps = train[-1][0]
    low = int(min(loss for _, loss in train + valid))
    high = int(max(loss for _, loss in train + valid)) + 1

    def x(step):
        return LEFT + (WIDTH - LEFT - RIGHT) * step / steps

    def y(loss):
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - loss) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for loss in range(low, high + 1):
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}"'
            ' stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss}</text>'
        )
    for tick in range(0, steps + 1, max(1, steps // 6)):
        parts.append(
            f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{tick}</text>'
        )
    points = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in train)
    parts.append(f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.6"/>')
    for step, loss in valid:
        parts.append(f'<circle cx="{x(step):.1f}" cy="{y(loss):.1f}" r="4" fill="#c0392b"/>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">step</text>'
        f'<text x="{LEFT}" y="{TOP - 12}">loss, nats per byte: '
        '<tspan fill="#1f5fa8">training</tspan>, <tspan fill="#c0392b">validation</tspan></text>'
    )
    parts.append("</svg>\n")
    with open(out, "w") as file:
        file.write("\n".join(parts))


if __name__ == "__main__":
    main()
