//! HTTP and sockets, and the clients of model providers that are built on them.

use super::{Entry, PYTHON};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "requests",
        calls: &[
            "requests.get",
            "requests.post",
            "requests.put",
            "requests.patch",
            "requests.delete",
            "requests.head",
            "requests.options",
            "requests.request",
        ],
        frames: &[("requests/", &[])],
        replacement: Some("await client.get(...)  # client = httpx.AsyncClient()"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`, with a \
             `timeout`",
            "fix: one `httpx.AsyncClient()` or `aiohttp.ClientSession()` for the service, and await its calls",
        ],
        rule: Some("ASYNC210"),
        ..PYTHON
    },
    Entry {
        name: "urllib.request.urlopen",
        calls: &["urllib.request.urlopen", "urlopen", "request.urlopen"],
        frames: &[("urllib/request.py", &[])],
        replacement: Some("await client.get(...)  # client = httpx.AsyncClient()"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`, with a \
             `timeout`",
            "fix: one `httpx.AsyncClient()` or `aiohttp.ClientSession()` for the service, and await its calls",
        ],
        rule: Some("ASYNC210"),
        ..PYTHON
    },
    Entry {
        name: "httpx.get",
        calls: &[
            "httpx.get",
            "httpx.post",
            "httpx.put",
            "httpx.patch",
            "httpx.delete",
            "httpx.head",
            "httpx.options",
            "httpx.request",
        ],
        frames: &[("httpx/_api.py", &[]), ("httpx2/_api.py", &[])],
        replacement: Some("await client.get(...)  # client = httpx.AsyncClient()"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: one `httpx.AsyncClient()` for the service, and await its calls",
        ],
        rule: Some("ASYNC210"),
        ..PYTHON
    },
    Entry {
        name: "httpx.Client",
        calls: &["httpx.Client"],
        frames: &[
            (
                "httpx/_client.py",
                &[
                    "request", "send", "stream", "get", "post", "put", "patch", "delete",
                ],
            ),
            (
                "httpx2/_client.py",
                &[
                    "request", "send", "stream", "get", "post", "put", "patch", "delete",
                ],
            ),
            ("httpcore/_sync/", &[]),
            ("httpcore2/_sync/", &[]),
        ],
        replacement: Some("await client.get(...)  # client = httpx.AsyncClient()"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: replace `httpx.Client` with `httpx.AsyncClient`; the methods are the same, to be awaited",
        ],
        rule: Some("ASYNC212"),
        ..PYTHON
    },
    Entry {
        name: "openai",
        calls: &[
            "client.chat.completions.create",
            "client.responses.create",
            "openai.OpenAI",
        ],
        frames: &[("openai/", &[])],
        replacement: Some(
            "await client.chat.completions.create(...)  # client = openai.AsyncOpenAI()",
        ),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: replace `OpenAI` with `AsyncOpenAI`; the methods are the same, to be awaited",
        ],
        ..PYTHON
    },
    Entry {
        name: "anthropic",
        calls: &["anthropic.Anthropic"],
        frames: &[("anthropic/", &[])],
        replacement: Some(
            "await client.messages.create(...)  # client = anthropic.AsyncAnthropic()",
        ),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: replace `Anthropic` with `AsyncAnthropic`; the methods are the same, to be awaited",
        ],
        ..PYTHON
    },
    Entry {
        name: "agent.run",
        calls: &[
            "agent.run",
            "team.run",
            "agent.print_response",
            "team.print_response",
        ],
        frames: &[("agno/", &[])],
        replacement: Some("await agent.arun(...)"),
        steps: &[
            "fix: `await agent.arun(...)` (and `team.arun`, `agent.aprint_response`); Agno's `run` holds the \
             loop until the model has answered",
            "give it tools that are coroutines too: a synchronous tool blocks the loop again",
        ],
        ..PYTHON
    },
    Entry {
        name: "langchain invoke",
        calls: &[".invoke"],
        frames: &[
            ("langchain_core/", &[]),
            ("langchain/", &[]),
            ("langgraph/", &[]),
        ],
        replacement: Some("await chain.ainvoke(...)"),
        steps: &[
            "fix: `await chain.ainvoke(...)`, and `astream` for `stream`, `abatch` for `batch`",
        ],
        ..PYTHON
    },
    Entry {
        name: "boto3",
        calls: &["boto3.client", "boto3.resource"],
        frames: &[("boto3/", &[]), ("botocore/", &[]), ("s3transfer/", &[])],
        replacement: Some("await client.get_object(...)  # client of aioboto3"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: `async with aioboto3.Session().client(...) as client`, and await its calls",
        ],
        ..PYTHON
    },
    Entry {
        name: "google cloud client",
        frames: &[("google/api_core/", &[]), ("google/cloud/", &[])],
        replacement: Some("await client.method(...)  # the service's AsyncClient"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: most of these services have an `…AsyncClient` beside their `…Client`",
        ],
        ..PYTHON
    },
    Entry {
        name: "grpc",
        calls: &["grpc.insecure_channel", "grpc.secure_channel"],
        frames: &[("grpc/_channel.py", &[])],
        replacement: Some("await stub.Method(...)  # over grpc.aio.insecure_channel(...)"),
        steps: &["fix: open the channel with `grpc.aio`, and await the stub's calls"],
        ..PYTHON
    },
    Entry {
        name: "urllib3",
        calls: &["urllib3.request", "urllib3.PoolManager"],
        frames: &[("urllib3/", &[])],
        replacement: Some("await client.get(...)  # client = httpx.AsyncClient()"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: one `httpx.AsyncClient()` or `aiohttp.ClientSession()` for the service, and await its calls",
        ],
        rule: Some("ASYNC210"),
        ..PYTHON
    },
    Entry {
        name: "http.client",
        calls: &[
            ".getresponse",
            "http.client.HTTPConnection",
            "http.client.HTTPSConnection",
        ],
        frames: &[("http/client.py", &[])],
        replacement: Some("await client.get(...)  # client = httpx.AsyncClient()"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: one `httpx.AsyncClient()` or `aiohttp.ClientSession()` for the service, and await its calls",
        ],
        ..PYTHON
    },
    Entry {
        name: "socket.getaddrinfo",
        calls: &[
            "socket.getaddrinfo",
            "socket.gethostbyname",
            "socket.gethostbyaddr",
            "socket.getfqdn",
        ],
        frames: &[("socket.py", &["getaddrinfo", "getfqdn"])],
        replacement: Some("await loop.getaddrinfo(...)"),
        steps: &["fix: `await asyncio.get_running_loop().getaddrinfo(...)` resolves in a thread"],
        ..PYTHON
    },
    Entry {
        name: "making an SSL context",
        calls: &[
            "ssl.create_default_context",
            ".load_default_certs",
            ".load_verify_locations",
        ],
        frames: &[(
            "ssl.py",
            &[
                "create_default_context",
                "load_default_certs",
                "_create_unverified_context",
            ],
        )],
        steps: &[
            "fix: a context reads every certificate authority that the host trusts, some 20 to 300 ms: make it, or \
             the client that makes it, once, before the loop serves anybody, and share it: \
             `httpx.AsyncClient(verify=CONTEXT)`",
            "where each object of a library makes its own: make those objects in a thread, \
             `await asyncio.to_thread({call}, ...)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "ssl",
        calls: &[".do_handshake", ".wrap_socket"],
        frames: &[("ssl.py", &[])],
        replacement: Some("await asyncio.open_connection(host, port, ssl=context)"),
        steps: &[
            "stop the bleeding: run the call in a thread, `await asyncio.to_thread({call}, ...)`",
            "fix: `reader, writer = await asyncio.open_connection(host, port, ssl=context)`",
        ],
        ..PYTHON
    },
    Entry {
        name: "socket",
        calls: &[
            ".recv",
            ".recv_into",
            ".recvfrom",
            ".recvmsg",
            ".sendall",
            ".send",
            ".sendto",
            ".accept",
            ".connect",
            "socket.create_connection",
        ],
        frames: &[(
            "socket.py",
            &["create_connection", "readinto", "accept", "sendfile"],
        )],
        replacement: Some(
            "await reader.read(...)  # reader, writer = await asyncio.open_connection(...)",
        ),
        steps: &[
            "stop the bleeding: a short `sock.settimeout(...)`",
            "fix: `reader, writer = await asyncio.open_connection(host, port)`, or on a socket with \
             `setblocking(False)`: `await loop.sock_recv(sock, n)`",
        ],
        ..PYTHON
    },
];
