"""Bodies that flow: memory, back-pressure, promptness, and what happens when an end breaks off."""
import json
import re
import threading

import pytest
from support import BUILD, Ended, Origin, render, serve, until
from support.origin import read_head, read_request, reset, send

pytestmark = pytest.mark.threads

SHORT, LONG = 256 << 20, 5 << 30
SIZES = [SHORT, pytest.param(LONG, marks=pytest.mark.long)]
PIECE = bytes(1 << 20)
#: What a daemon may take for any number of bytes: some buffers, and noise.
SPARE_KB = 4096
OK = render(200, b"ok")


def is_sanitized():
    options = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
    return next(o["value"] for o in options if o["name"] == "b_sanitize") != "none"


def peak_kb(site):
    """The most memory that the daemon has had so far. Sanitizers keep what is freed: there the plain build's bounds
    mean nothing, and it is 0."""
    if is_sanitized():
        return 0
    with open(f"/proc/{site.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1])


def send_zeros(sock, size):
    """Sends so many bytes, without having them."""
    sock.settimeout(600)
    while size > 0:
        size -= sock.send(PIECE[:size])


def count_bytes(sock, unread, size):
    """Receives so many bytes, of which some are there, and keeps none."""
    got, room = len(unread), bytearray(1 << 20)
    sock.settimeout(600)
    while got < size and (n := sock.recv_into(room, min(len(room), size - got))):
        got += n
    return got


def upload_and_download():
    """A service that gives as many bytes as it got."""
    def script(c):
        request = c.read_head()
        length = int(request.get("Content-Length") or request.get("X-Size"))
        if request.method == "PUT":
            got = count_bytes(c.sock, c.input.take(len(c.input.unread)), length)
            c.answer(200, b"%d" % got, "Connection: close")
        else:
            c.send(render(200, b"", f"Content-Length: {length}", "Connection: close"))
            send_zeros(c.sock, length)
    return script


def put(c, size):
    c.request("PUT", "/a/x", f"Content-Length: {size}")
    send_zeros(c.sock, size)
    assert c.read_answer().body == b"%d" % size


def get(c, size):
    c.request("GET", "/a/x", f"X-Size: {size}")
    assert int(c.read_head().get("Content-Length")) == size
    assert count_bytes(c.sock, c.input.take(len(c.input.unread)), size) == size


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("transfer", [put, get])
def test_a_large_body_takes_no_more_memory_than_a_small_one(make_site, transfer, size):
    site = make_site(upload_and_download())
    with site.client() as c:
        transfer(c, 5 << 10)
        before = peak_kb(site)
        transfer(c, size)
        assert peak_kb(site) - before < SPARE_KB
    line = site.logged(2)[1]
    assert line["bytes_in" if transfer is put else "bytes_out"] >= size


@pytest.mark.parametrize("size", SIZES)
def test_nor_does_it_between_sites(make_sites, size):
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Origin(upload_and_download())})
    with nantes.client() as c:
        for n in (5 << 10, size):
            before = peak_kb(nantes) + peak_kb(paris)
            c.request("PUT", "/a/things/1", "Scope: {a: Paris}", f"Content-Length: {n}")
            send_zeros(c.sock, n)
            assert c.read_answer().body == b"%d" % n
        assert peak_kb(nantes) + peak_kb(paris) - before < 2 * SPARE_KB


# -- back-pressure

def is_stalled(count):
    """Gives a condition: the count has not changed for a while that grows with each look."""
    seen = [None, 0]

    def condition():
        now = count()
        seen[1] = seen[1] + 1 if now == seen[0] else 0
        seen[0] = now
        return seen[1] > 50
    return condition


BIG = 64 << 20


def test_a_slow_client_stops_the_service(make_site):
    sent = []

    def script(c):
        c.read_request()
        c.send(render(200, b"", f"Content-Length: {BIG}"))
        for at in range(0, BIG, 1 << 16):
            c.send(PIECE[:1 << 16])
            sent.append(at)
    site = make_site(script)
    with site.client() as c:
        before = peak_kb(site)
        c.request()
        assert c.read_head().status == 200
        until(is_stalled(lambda: len(sent)), "the service to be stopped")
        assert len(sent) << 16 < BIG / 2 and peak_kb(site) - before < SPARE_KB
        assert count_bytes(c.sock, c.input.take(len(c.input.unread)), BIG) == BIG


def test_a_slow_service_stops_the_client(make_site):
    go_on, taken, sent = threading.Event(), [], []

    def script(c):
        c.read_head()
        assert go_on.wait(20)
        taken.append(count_bytes(c.sock, c.input.take(len(c.input.unread)), BIG))
        c.answer(200, b"ok")
    site = make_site(script)
    with site.client() as c:
        before = peak_kb(site)
        c.request("PUT", "/a/x", f"Content-Length: {BIG}")

        def send_all():
            for at in range(0, BIG, 1 << 16):
                c.sock.sendall(PIECE[:1 << 16])
                sent.append(at)
        sender = threading.Thread(target=send_all, daemon=True)
        c.sock.settimeout(60)
        sender.start()
        until(is_stalled(lambda: len(sent)), "the client to be stopped")
        assert len(sent) << 16 < BIG / 2 and peak_kb(site) - before < SPARE_KB
        go_on.set()
        sender.join(60)
        assert c.read_answer().status == 200 and taken == [BIG]


# -- promptness

def test_the_head_and_each_chunk_go_out_as_they_come(make_site):
    """The service goes on only when the client has what came before."""
    had = threading.Semaphore(0)

    def script(c):
        c.read_request()
        c.send(render(200, b"", "Transfer-Encoding: chunked"))
        for i in range(5):
            assert had.acquire(timeout=20)
            c.send(b"1\r\n%d\r\n" % i)
        assert had.acquire(timeout=20)
        c.send(b"0\r\n\r\n")
    site = make_site(script)
    with site.client() as c:
        c.request("GET", "/a/things?watch=1")
        assert c.read_head().status == 200
        for i in range(5):
            had.release()
            assert c.read_chunk() == b"%d" % i
        had.release()
        assert c.read_chunk() == b""


def test_each_piece_of_a_request_goes_out_as_it_comes(make_site):
    site = make_site(serve(lambda r: render(200, r.body)))
    with site.client() as c:
        c.request("PUT", "/a/x", "Transfer-Encoding: chunked")
        site.service.request()
        for i in range(5):
            c.send(b"1\r\n%d\r\n" % i)
            until(lambda i=i: site.service.connection().raw.endswith(b"%d\r\n" % i), f"piece {i} to arrive")
        c.send(b"0\r\n\r\n")
        assert c.read_answer().body == b"01234"


def test_an_answer_may_begin_before_the_request_ends(make_site):
    site = make_site([read_head, send(render(200, b"3\r\nabc\r\n", "Transfer-Encoding: chunked")),
                      lambda c: c.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(c.read_body()), c.requests[0].body))])
    with site.client() as c:
        c.request("PUT", "/a/x", "Content-Length: 6")
        assert c.read_head().status == 200 and c.read_chunk() == b"abc"
        c.send(b"sixsix")
        assert c.read_chunk() == b"sixsix" and c.read_chunk() == b""


def test_many_watches_and_nobody_waits_for_a_buffer(make_site):
    """While 200 streams are open, another answer and each stream's next event come at once."""
    event = b"2\r\n{}\r\n"

    def script(c):
        while (request := c.read_request()) is not None:
            if "watch" in request.target:
                c.send(render(200, event, "Transfer-Encoding: chunked"))
                c.hang()
            else:
                c.send(OK)
    site = make_site(script, config={"workers": 1, "limits": {"service_connections": 300}})
    clients = [site.client() for _ in range(200)]
    try:
        for c in clients:
            c.request("GET", "/a/things?watch=1")
        for c in clients:
            assert c.read_head().status == 200 and c.read_chunk() == b"{}"
        with site.client() as other:
            assert other.ask().status == 200
        for connection in site.service.connections[:200]:
            connection.sock.sendall(event)
        for c in clients:
            assert c.read_chunk() == b"{}"
    finally:
        for c in clients:
            c.close()


# -- ends that break off

@pytest.mark.parametrize("end", ["reset", "close", "half_close"])
def test_a_client_that_leaves_cancels_its_leg(make_site, end):
    site = make_site([read_request, lambda c: c.hang()], serve(OK))
    with site.client() as c:
        c.request()
        site.service.request()
        getattr(c, end)()
        assert site.service.connection().ended.wait(20)
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (499, "client-gone")
    assert [(leg["site"], leg["error"]) for leg in line["legs"]] == [("Nantes", "client-gone")]
    assert not site.transactions()
    with site.client() as c:
        assert c.ask().status == 200
    assert len(site.service.connections) == 2  # the cancelled leg's was not used again


def test_a_client_that_leaves_while_nobody_takes_its_body(make_site):
    """It is noticed, although back-pressure has stopped reading."""
    site = make_site([read_head, lambda c: c.ended.wait(60)])
    with site.client() as c:
        c.request("PUT", "/a/x", f"Content-Length: {BIG}")
        site.service.request()
        c.sock.setblocking(False)
        until(lambda: would_block(c.sock), "the connection to be full")
        c.reset()
        assert site.logged()[0]["error"] == "client-gone"
    site.service.connection().ended.set()


def would_block(sock):
    try:
        sock.send(PIECE)
        return False
    except BlockingIOError:
        return True


def test_a_client_that_leaves_in_the_middle_of_its_body(make_site):
    """The service sees the end of the connection, never a shorter body that looks whole."""
    site = make_site(serve(OK))
    with site.client() as c:
        c.request("PUT", "/a/x", "Transfer-Encoding: chunked", body=b"5\r\n12345\r\n")
        site.service.request()
        c.close()
        assert site.service.connection().ended.wait(20)
    assert isinstance(site.service.connection().failure, Ended)
    assert site.logged()[0]["error"] == "client-gone"


def test_a_client_that_leaves_in_the_middle_of_its_answer(make_site):
    def script(c):
        c.read_request()
        c.send(render(200, b"", f"Content-Length: {BIG}"))
        send_zeros(c.sock, BIG)
    site = make_site(script)
    with site.client() as c:
        c.request()
        assert c.read_head().status == 200
        c.reset()
    assert site.service.connection().ended.wait(20) and site.service.connection().failure
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (200, "client-gone") and line["bytes_out"] < BIG


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("end", [reset, lambda c: c.close(), lambda c: c.half_close() or c.hang()])
def test_a_service_that_breaks_off_is_seen_by_the_client(make_site, framing, end):
    """What came is passed on; the connection ends before the message does."""
    seen = threading.Event()
    site = make_site([read_request, send(render(200, b"5\r\n12345\r\n", framing)), lambda _: seen.wait(20), end])
    with site.client() as c:
        c.request()
        head = c.read_head()
        assert head.status == 200 and c.input.until(b"12345\r\n", "what came")
        seen.set()
        assert c.read_until_close() == b""
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (200, "service-broken")


def test_a_body_cut_short_is_never_whole_for_an_older_client(make_site):
    """HTTP/1.0 has no chunks: the end of the connection ends the body, so a cut is a reset."""
    seen = threading.Event()
    site = make_site([read_request, send(render(200, b"5\r\n12345\r\n", "Transfer-Encoding: chunked")),
                      lambda _: seen.wait(20), lambda c: c.close()],
                     [read_request, send(render(200, b"5\r\n12345\r\n0\r\n\r\n", "Transfer-Encoding: chunked"))])
    with site.client() as c:
        c.send(b"GET /a/x HTTP/1.0\r\nHost: h\r\n\r\n")
        assert c.read_head().status == 200 and c.input.until(b"12345", "what came")
        seen.set()
        with pytest.raises(ConnectionResetError):
            c.read_until_close()
    with site.client() as c:
        c.send(b"GET /a/x HTTP/1.0\r\nHost: h\r\n\r\n")
        assert c.read_answer().body == b"12345"


@pytest.mark.parametrize("attempt", range(5))
def test_an_answer_of_a_service_that_takes_no_more_is_read(make_site, attempt):
    """It refuses a large body, answers, and closes: what it said is the answer, although writing fails."""
    site = make_site([read_head, send(render(413, b"no", "Connection: close"))])
    with site.client() as c:
        c.request("PUT", "/a/x", f"Content-Length: {BIG}")
        sender = threading.Thread(target=send_what_is_taken, args=(c,), daemon=True)
        sender.start()
        answer = c.read_answer()
        assert (answer.status, answer.body, answer.get("Cheops-Error")) == (413, b"no", None)
        c.sock.shutdown(2)
        sender.join(20)


def send_what_is_taken(c):
    try:
        for _ in range(0, BIG, len(PIECE)):
            c.sock.sendall(PIECE)
    except OSError:
        pass


def test_a_service_that_ends_its_sending_has_answered(make_site):
    """Without a length the end of its sending ends the body, and the client may go on."""
    site = make_site([read_request, send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), lambda c: c.half_close()],
                     serve(OK))
    with site.client() as c:
        assert c.ask().body == b"until the end"
        assert c.ask().body == b"ok"


# -- connections that are kept

def test_keep_alive_safe(make_site):
    """The default: an unsafe method has a connection that has not idled."""
    site = make_site(serve(OK))
    with site.client() as c:
        for method in ("GET", "GET", "POST", "GET", "PUT", "DELETE", "PATCH"):
            assert c.ask(method).status == 200
    assert [[r.method for r in k.requests] for k in site.service.connections] == [
        ["GET", "GET"], ["POST", "GET"], ["PUT"], ["DELETE"], ["PATCH"]]


def test_keep_alive_always(make_site):
    site = make_site(serve(OK), config={"services": {"a": {"keep_alive": "always"}}})
    with site.client() as c:
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert c.ask(method).status == 200
    assert len(site.service.connections) == 1


def test_keep_alive_never(make_site):
    site = make_site(serve(OK), config={"services": {"a": {"keep_alive": "never"}}})
    with site.client() as c:
        for method in ("GET", "GET", "POST"):
            assert c.ask(method).status == 200
    assert [len(k.requests) for k in site.service.connections] == [1, 1, 1]
    assert all(r.get("Connection") == "close" for r in site.service.requests)


def close_on_next(c):
    """Answers one request and closes when the next one comes, without a word."""
    c.read_request()
    c.send(OK)
    c.read_request()
    c.close()


def test_a_safe_method_is_tried_again_once(make_site):
    """The service closed the idle connection just when the request came."""
    site = make_site(close_on_next, serve(OK))
    with site.client() as c:
        assert c.ask().status == 200
        assert c.ask("GET", "/a/y").status == 200
    assert [r.target for r in site.service.requests] == ["/a/x", "/a/y", "/a/y"]


def test_a_fresh_connection_that_breaks_is_not_tried_again(make_site):
    site = make_site(close_on_next, [read_request], serve(OK))
    with site.client() as c:
        assert c.ask().status == 200
        answer = c.ask("GET", "/a/y")
        assert (answer.status, answer.get("Cheops-Error")) == (502, "service-broken")
    assert len(site.service.requests) == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("body", [b"", b"abc"])
def test_an_unsafe_method_is_never_sent_twice(make_site, method, body):
    site = make_site(close_on_next, serve(OK), config={"services": {"a": {"keep_alive": "always"}}})
    with site.client() as c:
        assert c.ask().status == 200
        answer = c.ask(method, "/a/y", body=body)
        assert (answer.status, answer.get("Cheops-Error")) == (502, "service-broken")
    assert [r.method for r in site.service.requests] == ["GET", method]


def test_a_connection_that_was_closed_while_it_idled_is_not_used(make_site):
    """Closed in order, or reset: any method goes on a fresh one."""
    site = make_site([read_request, send(OK)], [read_request, send(OK), reset], serve(OK),
                     config={"services": {"a": {"keep_alive": "always"}}})
    with site.client() as c:
        for _ in range(2):
            assert c.ask().status == 200
            assert site.service.connections[-1].ended.wait(20)
        assert c.ask("POST").status == 200
    assert [r.method for r in site.service.requests] == ["GET", "GET", "POST"]


def test_a_connection_with_bytes_nobody_asked_for_is_not_used(make_site):
    site = make_site([read_request, send(OK + b"HTTP/1.1 200 OK\r\n\r\nsmuggled"), lambda c: c.hang()], serve(OK))
    with site.client() as c:
        assert c.ask().body == b"ok"
        assert c.ask().body == b"ok"
    assert len(site.service.connections) == 2

