#!/usr/bin/env python3
"""Runs a command on a terminal of its own and draws what it shows, in time, as an SVG that moves.

usage: terminal.py FILE.svg COLUMNS ROWS TEXT COMMAND...

It ends with the screen that shows TEXT. Time goes eight times as fast as it did. Needs the package pyte, which keeps the screen
that the command's output leads to.
"""

import fcntl
import html
import os
import pty
import select
import struct
import sys
import termios
import time

import pyte

SPEED = 8.0
# The screen is looked at so often, in seconds.
STEP = 1.0
# How long the last still stays.
LAST = 8.0
CELL = (8.4, 18)
COLOURS = {
    "default": "#d8dee9", "black": "#4c566a", "red": "#e06c75", "green": "#98c379", "brown": "#e5c07b",
    "blue": "#61afef", "magenta": "#c678dd", "cyan": "#56b6c2", "white": "#ffffff",
}


def record(columns, rows, text, command):
    """The stills up to the one with the text, each with the time since the start, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", COLUMNS=str(columns), LINES=str(rows))
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    began, looked, stills, is_over = time.monotonic(), 0.0, [], False
    while True:
        ready, _, _ = select.select([terminal], [], [], STEP)
        try:
            output = os.read(terminal, 4096) if ready else b""
        except OSError:
            break
        # Line by line: what follows the text may come with it, and would scroll it away.
        for line in output.splitlines(keepends=True):
            if not is_over:
                stream.feed(line)
                is_over = text in " ".join(own.strip() for own in screen.display)
        now = time.monotonic() - began
        if (now - looked >= STEP or is_over) and (not stills or drawn(screen) != stills[-1][1]):
            stills.append((now, drawn(screen)))
            looked = now
    if not is_over:
        sys.exit(f"{command[0]} never showed {text!r}")
    return stills, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def drawn(screen):
    """The screen's lines as SVG."""
    lines = []
    for row in range(screen.lines):
        cells, spans = screen.buffer[row], []
        for column in range(screen.columns):
            cell = cells[column]
            style = (cell.fg, cell.bold)
            if not spans or spans[-1][0] != style:
                spans.append((style, column, ""))
            style, start, text = spans[-1]
            spans[-1] = (style, start, text + cell.data)
        lines += [span(row, *own) for own in spans if own[2].strip()]
    return "".join(lines)


def span(row, style, column, text):
    colour, bold = style
    colour = COLOURS.get(colour, f"#{colour}" if len(colour) == 6 else COLOURS["default"])
    start = column + len(text) - len(text.lstrip())
    text = text.strip()
    x, y = 14 + start * CELL[0], 52 + row * CELL[1]
    weight = ' font-weight="bold"' if bold else ""
    length = f'{len(text) * CELL[0]:.1f}'
    text = text.replace(" ", "\u00a0")
    return f'<text x="{x:.1f}" y="{y}" fill="{colour}" textLength="{length}"{weight}>{html.escape(text)}</text>'


def svg(stills, columns, rows, title):
    stills = [((began - stills[0][0]) / SPEED, still) for began, still in stills]
    total = stills[-1][0] + LAST
    width, height = columns * CELL[0] + 28, rows * CELL[1] + 56
    parts = []
    for index, (began, still) in enumerate(stills):
        ended = stills[index + 1][0] if index + 1 < len(stills) else total
        on, off = 100 * began / total, 100 * ended / total
        frames = f"0%,{on:.3f}%{{opacity:0}}{on:.3f}%,{off:.3f}%{{opacity:1}}{off:.3f}%,100%{{opacity:0}}"
        if index == 0:
            frames = f"0%,{off:.3f}%{{opacity:1}}{off:.3f}%,100%{{opacity:0}}"
        parts.append((f"@keyframes f{index}{{{frames}}}#f{index}{{animation:f{index} {total:.2f}s step-end infinite}}",
                      f'<g id="f{index}">{still}</g>'))
    # Where nothing moves, the last still is what is seen.
    calm = f"@media (prefers-reduced-motion:reduce){{g{{animation:none!important;opacity:0}}#f{len(stills) - 1}{{opacity:1}}}}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
        f'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14">'
        f"<title>{html.escape(title)}</title><style>{''.join(css for css, _ in parts)}{calm}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#20242c"/>'
        f'<circle cx="20" cy="18" r="6" fill="#e06c75"/><circle cx="40" cy="18" r="6" fill="#e5c07b"/>'
        f'<circle cx="60" cy="18" r="6" fill="#98c379"/>{"".join(g for _, g in parts)}</svg>\n'
    )


def main(path, columns, rows, text, *command):
    columns, rows = int(columns), int(rows)
    stills, code = record(columns, rows, text, command)
    if code:
        sys.exit(f"{command[0]} ended with {code}")
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(svg(stills, columns, rows, " ".join(command)))
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main(*sys.argv[1:])
