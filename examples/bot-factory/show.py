"""The bot factory before and after, under the same traffic: ``python examples/bot-factory/show.py``.

Starts the stage, runs each version under ``loopscope run`` with people chatting, and prints side by side how long
they waited and what Loopscope found. ``--rust FOLDER`` runs those of ``examples/bot-service``, which were built
into that folder, instead. ``--stress`` has ``loopscope stress`` load the dashboard meanwhile, and say
whether the service holds. ``--json`` prints all of it, with both reports.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, List

HERE = Path(__file__).parent
VERSIONS = ("before", "after")

# How many of the bots that `traffic.py` makes come to work.
BOTS = 2


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for_bots(port: str) -> None:
    """Returns when the bots that people chat with are made."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/bots", timeout=10) as answer:
                if len(json.load(answer)["bots"]) >= BOTS:
                    return
        except urllib.error.URLError:
            pass
        time.sleep(0.1)
    sys.exit("the bots are not made")


def stressed(loopscope: str, health: str, environment: Dict[str, str]) -> Dict[str, Any]:
    """Loads the dashboard while people chat. The exit code and the results."""
    wait_for_bots(environment["PORT"])
    with tempfile.TemporaryDirectory(prefix="bot-factory-") as folder:
        results = Path(folder) / "results.json"
        command = [loopscope, "stress", health, "--base", f"http://127.0.0.1:{environment['PORT']}"]
        command += ["--endpoint", "GET", "/bots", "--concurrency", "4", "--rate", "20", "--rounds", "1"]
        command += ["--duration", "3", "--settle", "1", "--output", str(results)]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if not results.exists():
            sys.exit(f"loopscope stress: {ended.stderr}")
        return {"exit_code": ended.returncode, "results": json.loads(results.read_text())}


def watched(
    loopscope: str,
    program: List[str],
    version: str,
    environment: Dict[str, str],
    traffic: List[str],
    port: int,
    with_stress: bool,
) -> Dict[str, Any]:
    """Runs one version under traffic, with its report at a port. What the people saw, and the report at its end."""
    with tempfile.TemporaryDirectory(prefix="bot-factory-") as transcripts:
        environment = {**environment, "PORT": str(free_port()), "TRANSCRIPTS": transcripts}
        environment["LOOPSCOPE_POSTGRES"] = environment["DATABASE_URL"]
        command = [loopscope, "run", "--listen", f"127.0.0.1:{port}", "--"]
        factory = subprocess.Popen(command + program, env=environment, stderr=subprocess.PIPE, text=True)
        people = subprocess.Popen(
            [sys.executable, str(HERE / "traffic.py"), *traffic],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            stress = stressed(loopscope, f"http://127.0.0.1:{port}/health", environment) if with_stress else None
            seen = people.communicate()[0]
            if people.returncode:
                sys.exit("the traffic failed")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health?format=full", timeout=10) as answer:
                report = json.load(answer)
        except urllib.error.HTTPError as error:
            # 503 is what a balancer is to see of a critical service; the report comes with it.
            report = json.load(error)
        finally:
            people.kill()
            factory.send_signal(signal.SIGTERM)
            said = factory.communicate(timeout=60)[1]
    return {
        "version": version,
        "people": json.loads(seen),
        "stress": stress,
        "report": report,
        "said": said.splitlines(),
    }


def row(name: str, *columns: Any) -> None:
    print(f"{name:36}" + "".join(f"{column!s:>12}" for column in columns))


def show(seen: List[Dict[str, Any]]) -> None:
    row("", *(one["version"] for one in seen))
    people = [one["people"] for one in seen]
    row("messages", *(one["messages"] for one in people))
    row("answers", *(one["answers"] for one in people))
    for figure in ("p50", "p95", "max"):
        row(f"seconds until an answer, {figure}", *(one["answer_seconds"][figure] for one in people))
    for figure in ("p50", "p95", "max"):
        row(f"seconds of GET /bots, {figure}", *(one["dashboard_seconds"][figure] for one in people))
    servers = [one["report"]["detailed_health"].get("database_servers", []) for one in seen]
    counts = [
        f"{of[0]['connections']} of {of[0]['max_connections'] - of[0]['reserved_connections']}" if of else "?"
        for of in servers
    ]
    row("connections at the server", *counts)
    row("status", *(one["report"]["status"] for one in seen))
    row("incidents", *(len(one["report"]["incidents"]) for one in seen))
    if all(one["stress"] for one in seen):
        tests = [one["stress"]["results"]["tests"] for one in seen]
        row("loopscope stress", *(test["verdict"] for of in tests for test in of if test["name"] == "health"))
    for one in seen:
        print(f"\nloopscope on {one['version']}:")
        for issue in one["report"]["issues"] or ["(nothing)"]:
            print(f"  {issue}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loopscope", default="loopscope", help="the program (default: the one on the PATH)")
    parser.add_argument("--rust", type=Path, metavar="FOLDER", help="run the versions in Rust that are in this folder")
    parser.add_argument("--people", type=int, default=20, help="who chat at once (default 20)")
    parser.add_argument("--seconds", type=float, default=20, help="for how long (default 20)")
    parser.add_argument("--only", choices=VERSIONS, help="one version")
    parser.add_argument("--port", type=int, help="where the report is served meanwhile (default: one that is free)")
    parser.add_argument("--stress", action="store_true", help="run loopscope stress meanwhile")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    given = parser.parse_args()
    # What was started is ended by those who started it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    traffic = ["--people", str(given.people), "--seconds", str(given.seconds)]
    seen = []
    for version in [given.only] if given.only else VERSIONS:
        # A fresh world for each: what one leaves behind is nothing to the other.
        stage = subprocess.Popen([sys.executable, str(HERE / "stage")], stdout=subprocess.PIPE, text=True)
        try:
            assert stage.stdout is not None
            line = stage.stdout.readline()
            if not line:
                sys.exit("the stage does not start")
            environment = {**os.environ, **json.loads(line)}
            program = [sys.executable, str(HERE / version / "main.py")]
            if given.rust:
                program = [str(given.rust / f"bot-service-{version}")]
            port = given.port or free_port()
            seen.append(watched(given.loopscope, program, version, environment, traffic, port, given.stress))
        finally:
            stage.terminate()
            stage.wait(60)
    if given.json:
        print(json.dumps(seen, indent=2))
    else:
        show(seen)


if __name__ == "__main__":
    main()
