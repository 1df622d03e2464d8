"""Memory that runs out: requests are answered, refused or cut, and the daemon goes on when there is some again."""
import contextlib
import resource
import threading

import pytest
from support import render, until
from support.origin import read_request, send, wait
from test_metrics import metrics
from test_stream import is_sanitized

pytestmark = pytest.mark.skipif(is_sanitized(), reason="a sanitizer ends a program that has no memory")

CLIENTS = 300


def data_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmData:")).split()[1]) * 1024


@contextlib.contextmanager
def little_memory(pid, more):
    """The process can have only so many bytes more than it has."""
    before = resource.prlimit(pid, resource.RLIMIT_DATA)
    resource.prlimit(pid, resource.RLIMIT_DATA, (data_bytes(pid) + more, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_DATA, before)


def outcome(client):
    """The status that a client got; 0: its connection was cut."""
    try:
        return client.read_answer().status
    except (ConnectionError, EOFError):
        return 0


def test_the_daemon_outlives_it(make_site):
    go = threading.Event()
    site = make_site([read_request, wait(go), send(render(200, b"ok"))], config={"workers": 2})
    with contextlib.ExitStack() as stack:
        with little_memory(site.process.pid, 2_500_000):
            clients = [stack.enter_context(site.client()) for _ in range(CLIENTS)]
            for c in clients:
                with contextlib.suppress(ConnectionError):
                    c.request("GET", "/a/x", "X-Pad: " + "p" * 12000)
            until(lambda: len(site.service.requests) + sum(c.input.has_more() for c in clients) >= CLIENTS,
                  "each to be at the service, or refused, or cut")
            go.set()
            got = [outcome(c) for c in clients]
        assert set(got) <= {200, 503, 0}
        assert got.count(200) < CLIENTS
    with site.client() as c:
        assert c.ask().status == 200
    until(lambda: metrics(site).of("cheops_transactions") == 0, "nothing to be under way")
    until(lambda: metrics(site).of("cheops_client_connections") == 0, "no connection to be left")
