"""The bot factory before and after, under the same traffic: ``python examples/bot-factory/show.py``.

Starts the stage, runs each version under ``loopscope run`` with people chatting, and prints side by side how long
they waited and what Loopscope found. ``--json`` prints all of it, with both reports.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Dict, List

HERE = Path(__file__).parent
VERSIONS = ("before", "after")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def watched(loopscope: str, version: str, environment: Dict[str, str], traffic: List[str]) -> Dict[str, Any]:
    """Runs one version under traffic. What the people saw, and the report at its end."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bot-factory-") as transcripts:
        environment = {**environment, "PORT": str(free_port()), "TRANSCRIPTS": transcripts}
        environment["LOOPSCOPE_POSTGRES"] = environment["DATABASE_URL"]
        command = [loopscope, "run", "--listen", f"127.0.0.1:{port}", "--"]
        command += [sys.executable, str(HERE / version / "main.py")]
        factory = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            people = subprocess.run(
                [sys.executable, str(HERE / "traffic.py"), *traffic],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health?format=full", timeout=10) as answer:
                report = json.load(answer)
        except urllib.error.HTTPError as error:
            # 503 is what a balancer is to see of a critical service; the report comes with it.
            report = json.load(error)
        finally:
            factory.send_signal(signal.SIGTERM)
            said = factory.communicate(timeout=60)[1]
    return {"version": version, "people": json.loads(people.stdout), "report": report, "said": said.splitlines()}


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
    for one in seen:
        print(f"\nloopscope on {one['version']}:")
        for issue in one["report"]["issues"] or ["(nothing)"]:
            print(f"  {issue}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loopscope", default="loopscope", help="the program (default: the one on the PATH)")
    parser.add_argument("--people", type=int, default=20, help="who chat at once (default 20)")
    parser.add_argument("--seconds", type=float, default=20, help="for how long (default 20)")
    parser.add_argument("--only", choices=VERSIONS, help="one version")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    given = parser.parse_args()
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
            seen.append(watched(given.loopscope, version, environment, traffic))
        finally:
            stage.terminate()
            stage.wait(60)
    if given.json:
        print(json.dumps(seen, indent=2))
    else:
        show(seen)


if __name__ == "__main__":
    main()
