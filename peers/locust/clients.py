"""Measures the same services with the article's Locust file and with this project's load client, in turns.

It starts broker and store, then one service after the other. In each round, each client measures the service once. At
the end it pauses a service during a run of each client, to show how the client reports requests without a reply. One of
these clients is a Locust user that only publishes.
"""

import argparse
import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "target" / "release"
PEERS = ROOT / "target" / "peers"
PUBLISH, ROUND_TRIP, OURS = "Locust, publish", "Locust, round trip", "load-client"
CLIENTS = [ROUND_TRIP, OURS]
USERS = 10
START_LIMIT = 60
# Seconds until a Python client sends its first request, roughly.
START_OF_CLIENT = 1


@contextlib.contextmanager
def process(command: list, log: Path, **more):
    """Runs a command. At the end, stops it and all processes that it started."""
    with open(log, "w") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **more)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGCONT)
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def until(what: str, log: Path, child: subprocess.Popen, done) -> None:
    """Waits until `done`. Exits with the log if the child ends or the time is over."""
    end = time.monotonic() + START_LIMIT
    while not done():
        if child.poll() is not None or time.monotonic() > end:
            sys.exit(f"error: {what} did not start; its log ends:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def stack(kind: str, folder: Path, within: contextlib.ExitStack) -> dict:
    log = folder / "stack.log"
    child = within.enter_context(process([PROGRAMS / "harness", "up", "--stack", kind], log))
    until("the stack", log, child, lambda: "up until Ctrl-C" in log.read_text())
    lines = (line.split("=", 1) for line in log.read_text().splitlines() if "_URL=" in line and line[0] != "#")
    return {name: value for name, value in lines}


def python(mode: str, urls: dict, folder: Path, within: contextlib.ExitStack) -> subprocess.Popen:
    brokers = urls["KAFKA_URL"].removeprefix("kafka://")
    own = {"KAFKA": brokers, "TOPIC": "createOrder", "STORE": urls["STORE_URL"], "ORDERS_STORE": "1"}
    command = [PEERS / "python" / "bin" / "python", ROOT / "peers" / "asgi" / "server.py", mode]
    log = folder / f"python-{mode}.log"
    child = within.enter_context(process(command, log, env={**os.environ, **own}))
    until("the Python service", log, child, lambda: "ready" in log.read_text().splitlines())
    return child


def rust(mode: str, urls: dict, folder: Path, within: contextlib.ExitStack) -> subprocess.Popen:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        admin = f"127.0.0.1:{probe.getsockname()[1]}"
    flags = ["--kafka", urls["KAFKA_URL"], "--store", urls["STORE_URL"], "--dispatch", mode, "--admin", admin]
    log = folder / f"rust-{mode}.log"
    child = within.enter_context(process([PROGRAMS / "order-service", *flags], log))

    def is_ready() -> bool:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://{admin}/readyz", timeout=5).status == 200
        return False

    until("order-service", log, child, is_ready)
    return child


def locust(user: str, urls: dict, folder: Path, seconds: int) -> dict:
    stem = folder / "locust"
    stats = Path(f"{stem}_stats.csv")
    stats.unlink(missing_ok=True)
    command = [PEERS / "locust" / "bin" / "locust", "-f", ROOT / "peers" / "locust" / "locustfile.py", user, "--headless"]
    flags = ["-u", str(USERS), "-r", str(USERS), "-t", f"{seconds}s", "--csv", stem, "--host", urls["KAFKA_URL"]]
    ended = subprocess.run([*command, *flags], check=False, capture_output=True, text=True)
    if not stats.exists():
        sys.exit(f"error: Locust failed:\n{ended.stderr[-2000:]}")
    with open(stats) as file:
        total = list(csv.DictReader(file))[-1]

    def figure(column: str) -> float | None:
        # Locust writes N/A if no request ended.
        return None if total[column] == "N/A" else float(total[column])

    return {
        "requests": int(total["Request Count"]),
        "failed": int(total["Failure Count"]),
        "rate": float(total["Requests/s"]),
        "p50": figure("50%"),
        "p99": figure("99%"),
        "most": figure("Max Response Time"),
    }


def ours(urls: dict, folder: Path, seconds: int) -> dict:
    file = folder / "summary.json"
    file.unlink(missing_ok=True)
    flags = ["-u", str(USERS), "-r", str(USERS), "-t", f"{seconds}s", "--json", file, "--host", urls["KAFKA_URL"]]
    ended = subprocess.run([PROGRAMS / "load-client", "run", "--headless", *flags], check=False, capture_output=True, text=True)
    if not file.exists():
        sys.exit(f"error: load-client failed:\n{ended.stderr}")
    summary = json.loads(file.read_text())
    kind = summary["summary"]["kinds"][0]
    # If all requests failed, there is no response time.
    response = kind["response"] or {"median_ms": None, "max_ms": None, "percentiles": []}
    quantiles = {one["quantile"]: one["ms"] for one in response["percentiles"]}
    return {
        "requests": kind["requests"],
        "failed": kind["failures"],
        "rate": (kind["requests"] - kind["failures"]) / summary["duration_seconds"],
        "p50": response["median_ms"],
        "p99": quantiles.get(0.99),
        "most": response["max_ms"],
    }


def ask(client: str, urls: dict, folder: Path, seconds: int) -> dict:
    if client == OURS:
        return ours(urls, folder, seconds)
    return locust("PublishUser" if client == PUBLISH else "RoundTripUser", urls, folder, seconds)


def row(cells: list) -> str:
    def shown(cell) -> str:
        return f"{cell:,.2f}" if isinstance(cell, float) else "-" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell

    return "| " + " | ".join(shown(cell) for cell in cells) + " |\n"


COLUMNS = ["requests", "failed", "rate", "p50", "p99", "most"]
HEAD = "requests | failed | requests/s | p50, ms | p99, ms | longest, ms |\n"


def by_turns(urls: dict, folder: Path, given: argparse.Namespace) -> str:
    """Measures each service in rounds. Returns a table of the medians."""
    text = f"| service | client | {HEAD}|---|---|--:|--:|--:|--:|--:|--:|\n"
    # Rust comes first: its consumer group would also answer requests that were sent before its start.
    for start, mode in [(rust, "serial"), (rust, "tasks"), (python, "serial"), (python, "tasks")]:
        service = f"{start.__name__}-{mode}"
        said: dict = {client: [] for client in CLIENTS}
        with contextlib.ExitStack() as within:
            start(mode, urls, folder, within)
            for round_ in range(given.rounds):
                for client in CLIENTS:
                    said[client].append(ask(client, urls, folder, given.seconds))
                    print(f"{service}, round {round_ + 1}, {client}: {said[client][-1]}", file=sys.stderr)
        for client in CLIENTS:
            told = ([one[column] for one in said[client] if one[column] is not None] for column in COLUMNS)
            text += row([service, client, *(median(figures) if figures else None for figures in told)])
    return text


def without_replies(urls: dict, folder: Path) -> str:
    """Measures a service that answers for five of 40 seconds and is paused then."""
    text = f"| client | {HEAD}|---|--:|--:|--:|--:|--:|--:|\n"
    # PUBLISH comes last: it leaves more requests than a service can answer soon.
    for client in [*CLIENTS, PUBLISH]:
        with contextlib.ExitStack() as within:
            child = python("tasks", urls, folder, within)
            timer = threading.Timer(5 + START_OF_CLIENT, lambda: os.killpg(child.pid, signal.SIGSTOP))
            timer.start()
            try:
                said = ask(client, urls, folder, 40)
            finally:
                timer.cancel()
        text += row([client, *(said[column] for column in COLUMNS)])
    return text


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stack", default="native")
    arguments.add_argument("--out", type=Path, required=True, help="where to write the tables, as Markdown")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--seconds", type=int, default=40, help="length of each run; above 30, or a request without a reply is not seen")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as within:
        folder = Path(name)
        urls = stack(given.stack, folder, within)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        text = by_turns(urls, folder, given)
        # Keep the first table, which takes minutes, even if the second part fails.
        given.out.write_text(text)
        given.out.write_text(text + "\n" + without_replies(urls, folder))
    print(given.out.read_text())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("error: ended by SIGTERM"))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
