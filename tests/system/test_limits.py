"""Every row of limits.def: what is within it passes, what is not gets an answer that names it."""
import contextlib
import json
import resource
import threading
import time

import pytest
from support import DEADLINE_S, Origin, refusal, render, serve, until
from support.origin import read_body, read_head, read_request, send, wait
from support.peer import Caller, leg
from support.tables import Covered
from test_metrics import metrics
from test_stream import is_sanitized

pytestmark = pytest.mark.threads

bounds = Covered("limits.def")
OK = render(200, b"ok")


def limit(**limits):
    """A configuration with one worker, because counts are of one loop."""
    return {"workers": 1, "limits": limits}


bounds.by("list_item")(None)  # test_lists.py::test_a_part_that_is_no_list, where there are lists of several sites


def test_every_row_has_a_test():
    bounds.check()


# -- what a client sends

def head_of(size):
    """A request whose head has exactly so many bytes."""
    begin, end = b"GET /a/x HTTP/1.1\r\nHost: h\r\nX-Pad: ", b"\r\n\r\n"
    return begin + b"p" * (size - len(begin + end)) + end


@bounds.by("head")
def test_head(make_site):
    site = make_site(serve(OK), config=limit(head=1024))
    with site.client() as c:
        c.send(head_of(1024))
        assert c.read_answer().status == 200
        c.send(head_of(1025))
        refusal(c.read_answer(), 431, "head-too-large", "limits.head (1024 bytes)")
        c.expect_close()
    assert len(site.service.requests) == 1 and site.logged(2)[1]["error"] == "head-too-large"


def test_head_of_an_answer(make_site):
    def pad(size):
        return render(200, b"ok", "X-Pad: " + "p" * (size - len(render(200, b"ok", "X-Pad: ")) + 2))
    site = make_site(serve(lambda r: pad(int(r.get("X-Size")))), config=limit(head=1024))
    with site.client() as c:
        assert c.ask("GET", "/a/x", "X-Size: 1024").status == 200
        refusal(c.ask("GET", "/a/x", "X-Size: 1025"), 502, "service-broken", "service a", "limits.head")
        assert c.ask("GET", "/a/x", "X-Size: 1024").status == 200


@bounds.by("target")
def test_target(make_site):
    site = make_site(serve(OK), config=limit(target=256))
    with site.client() as c:
        assert c.ask("GET", "/a/" + "x" * 253).status == 200
        refusal(c.ask("GET", "/a/" + "x" * 254), 414, "uri-too-long", "limits.target (256 bytes)")
        c.expect_close()
    assert len(site.service.requests) == 1


@bounds.by("fields")
def test_fields(make_site):
    site = make_site(serve(OK), config=limit(fields=10))
    fields = [f"X-{i}: 1" for i in range(10)]
    with site.client() as c:
        assert c.ask("GET", "/a/x", *fields[:9]).status == 200  # and Host
        refusal(c.ask("GET", "/a/x", *fields), 431, "head-too-large", "limits.fields (10)")
        c.expect_close()


def test_fields_of_an_answer(make_site):
    site = make_site(serve(lambda r: render(200, b"", *(f"X-{i}: 1" for i in range(int(r.get("X-N")))))),
                     config=limit(fields=10))
    with site.client() as c:
        assert c.ask("GET", "/a/x", "X-N: 9").status == 200  # and Content-Length
        refusal(c.ask("GET", "/a/x", "X-N: 10"), 502, "service-broken", "service a", "fields")


def chunked(trailers):
    return b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n"


def trailers_of(size):
    return b"X: " + b"t" * (size - 5) + b"\r\n"


@bounds.by("trailers")
def test_trailers(make_site):
    site = make_site(serve(OK), config=limit(trailers=256))
    with site.client() as c:
        c.request("PUT", "/a/x", "Transfer-Encoding: chunked", body=chunked(trailers_of(250)))
        assert c.read_answer().status == 200
        c.request("PUT", "/a/x", "Transfer-Encoding: chunked", body=chunked(trailers_of(300)))
        refusal(c.read_answer(), 431, "head-too-large", "trailers", "limits.trailers")
        c.expect_close()
    assert site.service.requests[0].trailers


def test_trailers_of_an_answer(make_site):
    """The answer has begun: it is cut short, so that nobody takes it for whole."""
    site = make_site([read_request, send(render(200, chunked(trailers_of(300)), "Transfer-Encoding: chunked"))],
                     config=limit(trailers=256))
    with site.client() as c:
        c.request()
        assert c.read_head().status == 200
        assert not c.read_until_close().endswith(b"0\r\n\r\n")
    assert site.logged()[0]["error"] == "service-broken"


@bounds.by("body")
def test_body(make_site):
    site = make_site(serve(OK), config=limit(body=1000))
    with site.client() as c:
        assert c.ask("PUT", "/a/x", body=b"x" * 1000).status == 200
        c.request("PUT", "/a/x", "Content-Length: 1001", "Expect: 100-continue")
        refusal(c.read_answer(), 413, "body-too-large", "1000 bytes", "limits.body")
    with site.client() as c:
        c.request("PUT", "/a/x", "Transfer-Encoding: chunked", body=b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
        refusal(c.read_answer(), 413, "body-too-large", "1000 bytes", "limits.body")
        c.expect_close()
    assert len([r for r in site.service.requests if r.body == b"x" * 1000]) == 1


def test_a_body_of_any_size_passes_without_a_limit(make_site):
    site = make_site(serve(lambda r: render(200, b"%d" % len(r.body))))
    with site.client() as c:
        assert c.ask("PUT", "/a/x", body=b"x" * 3000000).body == b"3000000"


# -- what is read ahead

@bounds.by("peek")
def test_peek(make_sites):
    """A scope in a body is found within it; what lies behind is the service's."""
    nantes, paris = make_sites("Nantes", "Paris", services=lambda n: {"b": Origin(serve(render(201, n.encode())))},
                               config=limit(peek=1024))

    def note(pad):
        return json.dumps({"pad": "p" * pad, "scope": "{b: Paris}"}).encode()
    with nantes.client() as c:
        assert c.ask("POST", "/b/notes", "Content-Type: application/json", body=note(900)).body == b"Paris"
        assert c.ask("POST", "/b/notes", "Content-Type: application/json", body=note(1100)).body == b"Nantes"
    assert paris.service.requests[0].body == note(900)
    assert nantes.service.requests[0].body == note(1100)


@bounds.by("replay")
def test_replay(make_sites):
    """What was kept can be sent to the next alternative; more cannot, once a service has taken it."""
    nantes, paris = make_sites("Nantes", "Paris", config=limit(replay=1000),
                               services=lambda n: {"a": Origin(serve(render(500 if n == "Nantes" else 200, b"")))})
    with nantes.client() as c:
        answer = c.ask("PUT", "/a/things/1", "Scope: {a: Nantes ; Paris}", body=b"x" * 999)
        assert (answer.status, answer.get("Cheops-Tried")) == (200, "Nantes=500, Paris=200")
        assert paris.service.requests[0].body == b"x" * 999
        answer = c.ask("PUT", "/a/things/1", "Scope: {a: Nantes ; Paris}", body=b"x" * 2000)
        assert (answer.status, answer.get("Cheops-Tried")) == (500, "Nantes=500")
    assert len(paris.service.requests) == 1 and nantes.service.requests[1].body == b"x" * 2000


@bounds.by("request_memory")
def test_request_memory(make_sites):
    nantes, _ = make_sites("Nantes", "Paris", config=limit(request_memory=65536, replay=1048576))
    with nantes.client() as c:
        assert c.ask("PUT", "/a/things/1", "Scope: {a: Nantes ; Paris}", body=b"x" * 10000).status == 200
        answer = c.ask("PUT", "/a/things/1", "Scope: {a: Nantes ; Paris}", body=b"x" * 200000)
        refusal(answer, 503, "no-memory", "65536 bytes", "limits.request_memory")
        assert answer.get("Retry-After") == "1"
    with nantes.client() as c:
        assert c.ask().status == 200


# -- connections

@bounds.by("connections")
def test_connections(make_site):
    site = make_site(serve(OK), config=limit(connections=10))
    clients = [site.client() for _ in range(10)]
    try:
        for c in clients:
            assert c.ask().status == 200
        with site.client() as over:
            answer = over.ask()
            refusal(answer, 503, "overloaded", "connections", "limits.connections (10")
            assert answer.get("Retry-After") == "1"
            over.expect_close()
        assert clients[0].ask().status == 200
        clients[0].close()
        until(lambda: answers(site), "a place to be free")
    finally:
        for c in clients:
            c.close()


def answers(site):
    with site.client() as c:
        return c.ask().status == 200


@bounds.by("client_connections")
def test_client_connections(make_site):
    """Also over several loops. Who has too many is told so, and what is far too many is closed at once."""
    site = make_site(serve(OK), config={"workers": 2, "limits": {"client_connections": 10}})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(10)]
        assert [c.ask().status for c in clients] == [200] * 10
        with site.client() as over:
            answer = over.ask()
            refusal(answer, 429, "too-many", "limits.client_connections (10)")
            assert answer.get("Retry-After") == "1"
            over.expect_close()
        elsewhere = stack.enter_context(site.client(source="127.0.0.2"))
        assert elsewhere.ask().status == 200
        clients[0].close()
        until(lambda: answers(site), "a place to be free")
    until(lambda: metrics(site).of("cheops_client_connections") == 0, "all to be gone")
    assert metrics(site).of("cheops_client_connections_refused_total") >= 1


def test_client_connections_far_over_the_limit_are_closed(make_site):
    site = make_site(serve(OK), config={"workers": 1, "limits": {"client_connections": 10}})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(10)]
        assert [c.ask().status for c in clients] == [200] * 10
        told = [stack.enter_context(site.client()) for _ in range(16)]
        with site.client() as far_over, pytest.raises(ConnectionError):
            far_over.request()
            far_over.read_answer()
        assert told[-1].ask().status == 429 and clients[0].ask().status == 200


def test_requests_of_a_client_behind_a_proxy_are_counted(make_site):
    """The proxy itself may have as many connections as it likes."""
    go = threading.Event()
    site = make_site([read_request, wait(go), send(OK)], config=lambda site: {
        "workers": 1, "limits": {"client_connections": 2},
        "listeners": [{"address": f"127.0.0.1:{site.port}", "trusted_proxies": ["127.0.0.1"]}]})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(5)]
        for c in clients[:2]:
            c.request("GET", "/a/x", "X-Forwarded-For: 198.51.100.7")
        until(lambda: len(site.service.requests) == 2, "two requests")
        refusal(clients[2].ask("GET", "/a/x", "X-Forwarded-For: 198.51.100.7"), 429, "too-many", "198.51.100.7 has 2")
        for c in clients[2:]:
            c.request("GET", "/a/x", f"X-Forwarded-For: 198.51.100.{clients.index(c) + 10}")
        until(lambda: len(site.service.requests) == 5, "others' requests")
        go.set()
        assert [c.read_answer().status for c in clients] == [200] * 5
        assert clients[2].ask("GET", "/a/x", "X-Forwarded-For: 198.51.100.7").status == 200


@bounds.by("body_rate")
def test_body_rate(make_site):
    """A byte now and then keeps client_body content, but not this."""
    site = make_site(serve(OK), config={"workers": 1, "limits": {"body_rate": 1000000},
                                        "timeouts": {"body_window": "1s"}})
    with site.client() as c:
        c.request("PUT", "/a/things/1", "Content-Length: 100000")
        end = time.monotonic() + DEADLINE_S
        while not c.input.has_more() and time.monotonic() < end:
            c.send_apart(b"y")
        refusal(c.read_answer(), 408, "request-timeout", "1000000 bytes a second", "limits.body_rate")


def test_body_rate_is_not_the_services(make_site):
    """The service takes nothing for longer than the window, and then all of it."""
    go, size = threading.Event(), 30_000_000
    site = make_site([read_head, wait(go), read_body, send(OK)], config={
        "workers": 1, "limits": {"body_rate": 1000}, "timeouts": {"body_window": "1s"}})
    with site.client() as c:
        sender = threading.Thread(target=c.request, args=("PUT", "/a/things/1"), kwargs={"body": b"y" * size})
        sender.start()
        site.service.request()
        passed = time.monotonic() + 2.5
        until(lambda: time.monotonic() > passed, "some windows to pass")
        assert site.transactions()[0]["state"] == "relay"
        go.set()
        sender.join(DEADLINE_S)
        assert c.read_answer().status == 200
    assert len(site.service.requests[0].body) == size


# -- heads that do not end

def trickle(make_site, n):
    """So many connections that send a head byte by byte: what each holds while it is not whole."""
    site = make_site(serve(OK), config={"workers": 2, "limits": {"connections": n + 100, "client_connections": 0},
                                        "timeouts": {"client_head": "10m"}})
    head = b"GET /a/x HTTP/1.1\r\nX: "
    before = metrics(site).of("process_resident_memory_bytes")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(n)]
        for at in range(len(head)):
            for c in clients:
                c.send(head[at:at + 1])
        clients[-1].wait_until_read()
        until(lambda: metrics(site).of("cheops_client_connections") == n, "all connections")
        each = (metrics(site).of("process_resident_memory_bytes") - before) / n
        with site.client() as c:
            assert c.ask().status == 200
        for c in clients[::50]:
            c.send(b"\r\nHost: h\r\n\r\n")
            assert c.read_answer().status == 200
    until(lambda: metrics(site).of("cheops_client_connections") == 0, "all to be gone")
    return each


def test_a_thousand_heads_that_come_byte_by_byte(make_site):
    """None holds a buffer of 32 KiB."""
    each = trickle(make_site, 1000)
    assert each < 4096 or is_sanitized()


@pytest.mark.long
def test_ten_thousand_heads_that_come_byte_by_byte(make_site):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        each = trickle(make_site, min(10000, hard - 1000))
        print(f"{each:.0f} bytes of each")
        assert each < 4096 or is_sanitized()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- more connections

def test_connections_far_over_the_limit_are_closed(make_site):
    site = make_site(serve(OK), config=limit(connections=10))
    clients = [site.client() for _ in range(10 + 64)]
    try:
        with site.client() as far_over:
            with pytest.raises(ConnectionError):
                far_over.request()
                far_over.read_answer()
        assert clients[0].ask().status == 200
        assert clients[-1].ask().status == 503
    finally:
        for c in clients:
            c.close()


@bounds.by("service_connections", "service_queue")
def test_service_connections(make_site):
    """One more waits; what comes on top is refused at once, and the answers come when there is room."""
    site = make_site([read_request, lambda c: c.ended.wait(60)], serve(OK),
                     config={**limit(service_connections=1, service_queue=1), "timeouts": {"service_queue": "60s"}})
    with site.client() as first, site.client() as second, site.client() as third:
        first.request()
        site.service.request()
        second.request()
        until(lambda: waiting(site) == 1, "the second to wait")
        answer = third.ask()
        refusal(answer, 503, "overloaded", "1 requests wait", f"127.0.0.1:{site.service.port}", "limits.service_queue")
        assert answer.get("Retry-After") == "1"
        assert not second.input.has_more() and len(site.service.connections) == 1
        site.service.connection().ended.set()
        assert first.read_answer().status == 502  # its connection was closed without an answer
        assert second.read_answer().status == 200


@bounds.by("site_connections", "site_legs")
def test_what_another_site_may_have(make_site):
    """The first connection and leg of a site over its bounds is refused; test_peers.py has the rest."""
    site = make_site([read_request, lambda c: c.ended.wait(60)], config={
        **limit(site_connections=4, site_legs=1), "peers": {"sites": {"Paris": {"address": "127.0.0.1:1"}}}})
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(site)) for _ in range(5)]
        assert [c.greet("Paris").status for c in callers] == [200, 200, 200, 200, 503]
        callers[0].request("GET", "/a/things", f"Cheops-Leg: {leg()}")
        site.service.request()
        refusal(callers[1].ask_leg(), 503, "overloaded", "1 legs", "site_legs")
        site.service.connection().ended.set()


def waiting(site):
    return len([t for t in site.transactions() if t["state"] == "connect"])


def test_the_queue_is_that_of_all_loops(make_site):
    """Whichever loops have the clients: so many at the service, so many that wait; and all of those are served."""
    go = threading.Event()
    site = make_site([wait(go), read_request, send(OK)], serve(OK), config={
        "workers": 2, "limits": {"service_connections": 1, "service_queue": 10}, "timeouts": {"service_queue": "60s"}})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(site.client()) for _ in range(30)]
        for c in clients:
            c.request()
        until(lambda: refused(site) == 19, "those over the bound to be refused")
        assert metrics(site).of("cheops_pool_waiting_requests", kind="service", name="a") == 10
        assert metrics(site).of("cheops_pool_connections", kind="service", name="a", state="busy") == 1
        go.set()
        answers = [c.read_answer() for c in clients]
    assert sorted(a.status for a in answers) == [200] * 11 + [503] * 19
    assert {a.get("Retry-After") for a in answers if a.status == 503} == {"1"}
    until(lambda: metrics(site).of("cheops_pool_waiting_requests", kind="service", name="a") == 0, "nobody to wait")
    assert len(site.service.requests) == 11


def refused(site):
    return metrics(site).of("cheops_pool_refused_requests_total", kind="service", name="a")


def test_a_waiting_client_that_goes_does_not_keep_the_place(make_site):
    """The connection that becomes free is the next one's in the queue."""
    site = make_site([read_request, lambda c: c.ended.wait(60)], serve(OK),
                     config={**limit(service_connections=1), "timeouts": {"service_queue": "60s"}})
    with site.client() as first, site.client() as second, site.client() as third:
        first.request()
        site.service.request()
        second.request()
        until(lambda: waiting(site) == 1, "the second to wait")
        third.request()
        until(lambda: waiting(site) == 2, "the third to wait")
        second.reset()
        until(lambda: waiting(site) == 1, "the second to be gone")
        site.service.connection().ended.set()
        assert third.read_answer().status == 200


@bounds.by("service_idle")
def test_service_idle(make_site):
    site = make_site(serve(OK), config=limit(service_idle=1))
    clients = [site.client() for _ in range(3)]
    try:
        for c in clients:
            c.request("GET", "/a/x")
        for c in clients:
            assert c.read_answer().status == 200
        until(lambda: open_connections(site) <= 1, "all but one connection to be closed")
        assert clients[0].ask().status == 200
    finally:
        for c in clients:
            c.close()


def open_connections(site):
    return len([c for c in site.service.connections if not c.ended.is_set()])


@bounds.by("requests_per_connection")
def test_requests_per_connection(make_site):
    site = make_site(serve(OK), config=limit(requests_per_connection=2))
    with site.client() as c:
        assert c.ask().get("Connection") is None
        assert c.ask().get("Connection") == "close"
        c.expect_close()


# -- memory of scopes

@bounds.by("correlation_ids")
def test_correlation_ids(make_site):
    """The oldest identifiers are forgotten, the newest are not."""
    site = make_site(serve(OK), config=limit(correlation_ids=512))
    with site.client() as c:
        for _ in range(100):
            for _ in range(30):
                c.request("GET", "/a/things", "Scope: {a: Nantes}")
            for _ in range(30):
                assert c.read_answer().get("Cheops-Site") == "Nantes"
        first, last = (site.service.requests[i].get("X-Request-ID") for i in (0, -1))
        assert c.ask("GET", "/a/things", f"X-Request-ID: {last}").get("Cheops-Site") == "Nantes"
        assert c.ask("GET", "/a/things", f"X-Request-ID: {first}").get("Cheops-Site") is None
