"""A server on this host: plain pages, and as much of the OpenAI protocol as the clients need."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "input_tokens": 1, "output_tokens": 1}


def chunk(content, reason=None):
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def completion():
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}


def embeddings():
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    return {"object": "list", "model": "m", "data": data, "usage": USAGE}


def response():
    return {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": [],
            "parallel_tool_calls": False, "tool_choice": "auto", "tools": [], "error": None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, kind="application/json", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/redirect":
            return self.answer(302, b"", headers=[("Location", "/ok")])
        if path == "/slow":
            time.sleep(0.3)
        status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 200
        return self.answer(status, b"{}")

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        asked = json.loads(body or b"{}") if path.startswith("/v1/") else {}
        model = asked.get("model", "ok")
        time.sleep({"slow": 0.3, "slower": 2}.get(model, 0))
        if model in ("limited", "broken"):
            status = 429 if model == "limited" else 500
            error = {"error": {"message": "no more, key sk-secret-1234 at /v1/x?key=1", "type": model}}
            return self.answer(status, json.dumps(error).encode())
        if asked.get("stream"):
            return self.stream()
        known = {"/v1/chat/completions": completion, "/v1/embeddings": embeddings, "/v1/responses": response}
        return self.answer(200, json.dumps(known.get(path, dict)()).encode())

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for content, reason in (("hel", None), ("lo", None), ("", "stop")):
            self.wfile.write(b"data: " + json.dumps(chunk(content, reason)).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *arguments):
        # Clients that go away in the middle are some of the tests.
        pass


def start():
    """The server's address."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"
