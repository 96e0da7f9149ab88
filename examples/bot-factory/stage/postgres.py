"""A PostgreSQL cluster in a temporary folder, on a free port of 127.0.0.1, gone when it is stopped."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

MAX_CONNECTIONS = 60


class Cluster:
    """A server that runs."""

    def __init__(self) -> None:
        programs = _programs()
        user = _user()
        self._folder = Path(tempfile.mkdtemp(prefix="bot-factory-"))
        if user is not None:
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        data = self._folder / "data"
        as_user: Dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        init = [programs / "initdb", "-U", "factory", "-A", "trust", "-N", "-E", "UTF8", "--no-locale", "-D", data]
        subprocess.run(_texts(init), check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **as_user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command: List[Any] = [programs / "postgres", "-D", data]
        for setting in (
            "listen_addresses=127.0.0.1",
            f"port={port}",
            f"unix_socket_directories={self._folder}",
            "fsync=off",
            "shared_buffers=16MB",
            f"max_connections={MAX_CONNECTIONS}",
            "logging_collector=off",
            "log_min_messages=fatal",
        ):
            command += ["-c", setting]
        self._log = open(self._folder / "log", "w")
        self._server = subprocess.Popen(
            _texts(command), cwd=self._folder, stdout=self._log, stderr=self._log, start_new_session=True, **as_user
        )
        self.url = f"postgresql+psycopg://factory@127.0.0.1:{port}/postgres"
        self._wait(port)

    def stop(self) -> None:
        """Ends it, whoever is connected, and removes its folder."""
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(30)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    sys.exit("PostgreSQL does not start:\n" + (self._folder / "log").read_text())
                time.sleep(0.05)


def _programs() -> Path:
    """The newest version's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        sys.exit("there is no PostgreSQL here\nhint: apt-get install postgresql")
    return Path(on_path).parent


def _user() -> "Optional[pwd.struct_passwd]":
    """PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    sys.exit("PostgreSQL refuses root, and there is neither a user postgres nor nobody")


def _texts(words: List[Any]) -> List[str]:
    return [str(word) for word in words]
