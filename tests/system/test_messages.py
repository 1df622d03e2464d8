"""HTTP/1.1 as an intermediary speaks it (RFC 9110, RFC 9112): what is relayed, what is changed, and when."""
import re
import threading

import pytest
from support import Authority, Client, Ended, Origin, exchange, render
from support.origin import (close, half_close, hang, note, read_body, read_head, read_request, reset, send, serve,
                            wait)

WELL = render(200, b"well")


def echo(request):
    """An answer that says which request it is for."""
    return render(200, request.target.encode() + b" " + request.body)


# ---- keep-alive and pipelining

def test_a_connection_is_kept_for_the_next_request(make_site):
    site = make_site(serve(echo), config={"workers": 1})
    with site.client() as c:
        for i in range(5):
            answer = c.ask(target=f"/a/{i}")
            assert answer.body == b"/a/%d " % i and not answer.has("Connection")
    assert len(site.service.connections) == 1


def test_twenty_requests_in_one_write_are_answered_in_order(make_site):
    site = make_site(serve(echo))
    with site.client() as c:
        c.send(b"".join(b"POST /a/%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (i, i, b"x" * i)
                        for i in range(20)))
        for i in range(20):
            assert c.read_answer().body == b"/a/%d " % i + b"x" * i
        assert c.ask(target="/a/end").body == b"/a/end "


def test_a_pipelined_request_waits_for_the_one_before_it(make_site):
    go = threading.Event()
    site = make_site([read_request, wait(go), send(WELL), close], serve(echo))
    with site.client() as c:
        c.request(target="/a/first")
        c.request(target="/a/second")
        site.service.request(0)
        assert len(site.transactions()) == 1
        go.set()
        assert c.read_answer().body == b"well"
        assert c.read_answer().body == b"/a/second "


def test_a_request_behind_a_body_in_chunks_is_found(make_site):
    site = make_site(serve(echo))
    with site.client() as c:
        c.send(b"POST /a/1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n"
               b"GET /a/2 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert c.read_answer().body == b"/a/1 abc"
        assert c.read_answer().body == b"/a/2 "


def test_a_request_that_says_close_is_the_last(make_site):
    site = make_site(serve(echo))
    with site.client() as c:
        c.request("GET", "/a/1", "Connection: close")
        c.request("GET", "/a/2")
        answer = c.read_answer()
        assert answer.get("Connection") == "close"
        c.expect_close()
    assert [r.target for r in site.service.requests] == ["/a/1"]


@pytest.mark.parametrize("fields, kept", [([], False), (["Connection: keep-alive"], True),
                                          (["Connection: Keep-Alive, x"], True), (["Connection: close"], False)])
def test_an_older_client_is_kept_when_it_asks_for_it(make_site, fields, kept):
    site = make_site(serve(echo))
    lines = "".join(f + "\r\n" for f in fields)
    with site.client() as c:
        for i in range(2):
            c.send(f"GET /a/{i} HTTP/1.0\r\n{lines}\r\n".encode())
            answer = c.read_answer()
            assert answer.get("Connection") == ("keep-alive" if kept else "close")
            if not kept:
                c.expect_close()
                return


@pytest.mark.parametrize("answer", [
    render(200, b"well", "Connection: close"),
    render(200, b"well", "Connection: x, Close"),
    render(200, b"well").replace(b"HTTP/1.1", b"HTTP/1.0"),
    b"HTTP/1.1 204 No\r\nConnection: close\r\n\r\n",
])
def test_a_service_that_announces_a_close_gets_no_other_request(make_site, answer):
    """It may keep the connection open for a while: a request sent there would be lost."""
    site = make_site([read_request, send(answer), hang], serve(WELL), config={"workers": 1})
    with site.client() as c:
        first = c.ask()
        assert first.status in (200, 204) and not first.has("Connection")
        assert c.ask().body == b"well"
    assert [len(c.requests) for c in site.service.connections] == [1, 1]


def test_an_older_service_that_keeps_gets_the_next_request(make_site):
    answer = render(200, b"well", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
    site = make_site(serve(answer), config={"workers": 1})
    with site.client() as c:
        assert c.ask().body == c.ask().body == b"well"
    assert len(site.service.connections) == 1


def test_a_safe_request_is_repeated_when_a_kept_connection_breaks(make_site):
    site = make_site([read_request, send(WELL), read_request, reset], serve(echo), config={"workers": 1})
    with site.client() as c:
        assert c.ask().body == b"well"
        assert c.ask(target="/a/again").body == b"/a/again "
    assert [len(c.requests) for c in site.service.connections] == [2, 1]


@pytest.mark.parametrize("end", [close, reset], ids=["close", "reset"])
def test_a_service_that_ends_without_an_answer_is_broken(make_site, end):
    site = make_site([read_request, end], serve(WELL), config={"workers": 1})
    with site.client() as c:
        answer = c.ask()
        assert (answer.status, answer.get("Cheops-Error")) == (502, "service-broken")
        assert c.ask().body == b"well", "the client's connection goes on"
    assert len(site.service.requests) == 2


# ---- answers that come before the request's body is whole

EARLY = {
    "refused by the service": (401, lambda c: (c.read_head(), c.answer(401, b"no"), c.hang())),
    "refused by the service, which closes": (413, lambda c: (c.read_head(), c.answer(413, b"no"))),
}


@pytest.mark.parametrize("name", EARLY)
def test_an_early_answer_says_that_the_connection_closes(make_site, name):
    """Nobody knows whether the rest of the body still comes: the next request would be lost in it."""
    status, script = EARLY[name]
    site = make_site(script, config={"workers": 1})
    with site.client() as c:
        c.send(b"POST /a/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
        answer = c.read_answer()
        assert (answer.status, answer.get("Connection")) == (status, "close")
        c.send(b"x" * 97 + b"GET /a/smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
        c.expect_close()
    assert [r.target for r in site.service.requests] == ["/a/x"]


@pytest.mark.parametrize("target, code", [("/elsewhere", "unknown-service"), ("/a/x", "service-unreachable")])
def test_a_refusal_before_the_body_says_that_the_connection_closes(make_site, target, code):
    site = make_site()
    site.service.stop_listening()
    with site.client() as c:
        c.send(f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc".encode())
        answer = c.read_answer()
        assert (answer.get("Cheops-Error"), answer.get("Connection")) == (code, "close")
        c.expect_close()


def test_a_refusal_after_a_whole_body_keeps_the_connection(make_site):
    site = make_site(serve(WELL))
    with site.client() as c:
        answer = c.ask("POST", "/elsewhere", body=b"x" * 5000)
        assert answer.status == 404 and not answer.has("Connection")
        assert c.ask().body == b"well"


def test_a_client_reads_an_early_answer_while_it_still_sends(make_site):
    """It is not reset, though far more is under way than any buffer on the way holds."""
    site = make_site(lambda c: (c.read_head(), c.answer(413, b"no")))
    with site.client() as c:
        c.send(b"POST /a/x HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n")
        left = 30_000_000
        while left and not c.input.has_more():
            c.send(b"x" * 50_000)
            left -= 50_000
        c.send(b"x" * min(left, 3_000_000))
        assert c.read_answer().status == 413
        c.expect_close()


def test_a_client_reads_why_its_head_was_refused_while_it_still_sends(make_site):
    site = make_site()
    with site.client() as c:
        c.send(b"GET /a HTTP/1.1\nHost: h\n\n" + b"x" * 3_000_000)
        assert c.read_answer().status == 400
        c.expect_close()


# ---- bodies and their framing

@pytest.mark.parametrize("method, answer, status, body, length", [
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n", 200, b"", "77"),
    ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, b"", None),
    ("HEAD", b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n", 404, b"", "5"),
    ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", 200, b"", None),
    ("GET", b"HTTP/1.1 204 No\r\n\r\n", 204, b"", None),
    ("GET", b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", 204, b"", None),
    ("GET", b"HTTP/1.1 304 No\r\nContent-Length: 77\r\nETag: \"1\"\r\n\r\n", 304, b"", "77"),
    ("GET", b"HTTP/1.1 304 No\r\n\r\n", 304, b"", None),
    ("GET", b"HTTP/1.1 205 No\r\nContent-Length: 0\r\n\r\n", 205, b"", "0"),
    ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", "0"),
    ("DELETE", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell", 200, b"well", "4"),
    ("BREW", b"HTTP/1.1 418 Teapot\r\nContent-Length: 4\r\n\r\nwell", 418, b"well", "4"),
])
def test_the_end_of_an_answer_is_known(make_site, method, answer, status, body, length):
    site = make_site(serve(lambda r: WELL if r.target == "/a/next" else answer), config={"workers": 1})
    with site.client() as c:
        got = c.ask(method)
        assert (got.status, got.body, got.get("Content-Length")) == (status, body, length)
        assert c.ask(target="/a/next").body == b"well"
    assert len(site.service.connections) == 1


def test_a_reason_passes_as_it_came(make_site):
    site = make_site(serve(b"HTTP/1.1 299 Quite \xe9 reason\r\nContent-Length: 0\r\n\r\n"))
    with site.client() as c:
        assert (c.ask().status, c.ask().reason) == (299, "Quite \xe9 reason")


def test_chunks_pass_both_ways_with_trailers_and_without_extensions(make_site):
    site = make_site(lambda c: (
        c.read_request(),
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
               b"4;a=\"b\"\r\nabcd\r\n00A;x\r\n0123456789\r\n0;last\r\nX-Sum: 7\r\nContent-Length: 9\r\n\r\n"),
        c.hang()))
    with site.client() as c:
        c.send(b"POST /a/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nTrailer: X-End\r\n\r\n"
               b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n000\r\nX-End: 1\r\nTransfer-Encoding: x\r\nX-More: \xe9\r\n\r\n")
        answer = c.read_answer()
    got = site.service.requests[0]
    assert (got.framing, got.body, got.get("Trailer")) == ("chunked", b"abc0123456789", "X-End")
    assert got.trailers == [("X-End", "1"), ("X-More", "\xe9")]
    assert (answer.framing, answer.body, answer.get("Trailer")) == ("chunked", b"abcd0123456789", "X-Sum")
    assert answer.trailers == [("X-Sum", "7")]
    assert b";" not in site.service.connections[0].raw.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("size", [1, 7, 4095, 4096, 4097, 16384, 32768, 100_000])
def test_chunks_of_every_size_pass(make_site, size):
    site = make_site(serve(lambda r: render(200, b"", "Transfer-Encoding: chunked")
                           + b"%x\r\n%s\r\n0\r\n\r\n" % (len(r.body), r.body)))
    body = bytes(i % 251 for i in range(size))
    with site.client() as c:
        c.send(b"PUT /a/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, size, 50_000):
            piece = body[at:at + 50_000]
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        c.send(b"0\r\n\r\n")
        assert c.read_answer().body == body
    assert site.service.requests[0].body == body


def test_a_chunked_body_in_pieces_passes(make_site):
    """Every byte is seen on its own: the framing is cut at each place."""
    site = make_site(serve(echo))
    data = b"2;x=y\r\nab\r\n00c\r\n0123456789cd\r\n0\r\nX-Sum: 7\r\n\r\n"
    with site.client() as c:
        c.send(b"PUT /a/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        c.send_apart(*(data[i:i + 1] for i in range(len(data))))
        assert c.read_answer().body == b"/a/x ab0123456789cd"
    assert site.service.requests[0].trailers == [("X-Sum", "7")]


def test_a_post_without_a_body_goes_on_without_one(make_site):
    site = make_site(serve(WELL))
    with site.client() as c:
        c.ask("POST", "/a/none")
        c.ask("POST", "/a/empty", "Content-Length: 0")
    assert [r.get("Content-Length") for r in site.service.requests] == [None, "0"]


def test_an_answer_that_a_close_ends_goes_on_in_chunks(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 200 OK\r\n\r\nsome"), send(b"thing"), close], serve(WELL))
    with site.client() as c:
        answer = c.ask()
        assert (answer.framing, answer.body) == ("chunked", b"something")
        assert c.ask().body == b"well", "the client's connection goes on"


def test_an_answer_that_a_reset_ends_is_broken_off(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 200 OK\r\n\r\nsomething"), reset])
    with site.client() as c:
        c.request()
        head = c.read_head()
        with pytest.raises(Ended):
            c.read_body(head)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n0\r\nX: 1\r\n\r\n",
                                    b"HTTP/1.0 200 OK\r\n\r\nwell"])
def test_an_older_client_gets_an_answer_that_a_close_ends(make_site, answer):
    site = make_site([read_request, send(answer), close])
    with site.client() as c:
        c.send(b"GET /a/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        got = c.read_answer()
        assert (got.framing, got.body, got.get("Connection")) == ("close", b"well", "close")
        assert got.start.startswith(b"HTTP/1.1 ")


def test_what_an_older_client_sends_goes_on_as_http_1_1(make_site):
    site = make_site(serve(echo))
    with site.client() as c:
        c.send(b"POST /a/x HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
        assert c.read_answer().body == b"/a/x abc"
    got = site.service.requests[0]
    assert got.minor == 1 and got.has("Host") and not got.has("Expect")
    assert got.get("Via") == "1.0 cheops-Nantes"


# ---- what goes out as it comes

def test_a_head_and_each_chunk_go_out_as_they_come(make_site):
    steps = [threading.Event() for _ in range(4)]
    site = make_site([read_request, send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), wait(steps[0]),
                      send(b"1\r\na\r\n"), wait(steps[1]), send(b"2\r\nb"), wait(steps[2]), send(b"c\r\n"),
                      wait(steps[3]), send(b"0\r\n\r\n")])
    with site.client() as c:
        c.request()
        assert c.read_head().status == 200
        for step, piece in zip(steps, [b"a", b"b", b"c", b""]):
            step.set()
            assert c.read_chunk() == piece  # a chunk may be cut, but nothing of it waits
        c.read_trailers()


@pytest.mark.parametrize("head, piece", [(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"a"),
                                         (b"HTTP/1.1 200 OK\r\n\r\n", b"1\r\na\r\n")])
def test_a_head_goes_out_while_the_body_hangs(make_site, head, piece):
    more = threading.Event()
    site = make_site([read_request, send(head), wait(more), send(b"a"), hang])
    with site.client() as c:
        c.request()
        assert c.read_head().status == 200
        more.set()
        assert c.input.exactly(len(piece), "the first byte") == piece


def test_a_body_goes_to_the_service_as_it_comes(make_site):
    saw = [threading.Event() for _ in range(3)]
    site = make_site(lambda c: (c.read_head(), saw[0].set(), c.input.exactly(2, "the first part"), saw[1].set(),
                                c.input.exactly(2, "the second"), saw[2].set(), c.send(WELL), c.hang()))
    with site.client() as c:
        c.send(b"PUT /a/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n")
        for event, piece in zip(saw, [b"ab", b"cd", b""]):
            assert event.wait(20)
            c.send(piece)
        assert c.read_answer().body == b"well"


def test_both_bodies_flow_at_once(make_site):
    """A service may answer each part of a request as it comes."""
    def script(c):
        c.read_head()
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (chunk := c.read_chunk()) != b"":
            c.send(b"%x\r\n%s\r\n" % (len(chunk), chunk.upper()))
        c.send(b"0\r\n\r\n")
        c.hang()
    site = make_site(script)
    with site.client() as c:
        c.send(b"POST /a/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert c.read_head().get("Connection") == "close", "the body's end is not known yet"
        for word in (b"one", b"two", b"three"):
            c.send(b"%x\r\n%s\r\n" % (len(word), word))
            assert c.read_chunk() == word.upper()
        c.send(b"0\r\n\r\n")
        assert c.read_chunk() == b""
        c.read_trailers()
        c.expect_close()


# ---- 1xx

def test_an_expectation_is_relayed(make_site):
    go = threading.Event()
    site = make_site([read_head, wait(go), send(b"HTTP/1.1 100 Continue\r\nX-Odd: 1\r\n\r\n"), read_body, send(WELL),
                      hang])
    with site.client() as c:
        c.send(b"PUT /a/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert site.service.request().get("Expect") == "100-continue"
        assert not c.input.has_more(), "Cheops answers in the service's place"
        go.set()
        interim = c.read_head()
        assert (interim.status, interim.get("X-Odd")) == (100, "1")
        c.send(b"body")
        assert c.read_answer().body == b"well"
    assert site.service.requests[0].body == b"body"


@pytest.mark.parametrize("status", [200, 401, 417])
def test_an_expectation_that_the_service_refuses_ends_the_connection(make_site, status):
    site = make_site([read_head, send(render(status, b"no")), hang])
    with site.client() as c:
        c.send(b"PUT /a/x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        answer = c.read_answer()
        assert (answer.status, answer.get("Connection"), answer.interim) == (status, "close", [])
        c.expect_close()


def test_a_client_that_does_not_wait_gets_its_100_all_the_same(make_site):
    site = make_site([read_head, send(b"HTTP/1.1 100 Continue\r\n\r\n"), read_body, send(WELL), hang])
    with site.client() as c:
        c.request("PUT", "/a/x", "Expect: 100-continue", body=b"body")
        answer = c.read_answer()
        assert answer.body == b"well" and [i.status for i in answer.interim] == [100]


def test_100_is_dropped_when_nobody_asked_for_it(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 100 Continue\r\n\r\n" + WELL), hang])
    with site.client() as c:
        answer = c.ask()
        assert (answer.body, answer.interim) == (b"well", [])


def test_interim_answers_are_relayed_as_they_come(make_site):
    go = threading.Event()
    site = make_site([read_request, send(b"HTTP/1.1 103 Early Hints\r\nLink: </s>; rel=preload\r\n"
                                         b"Connection: X-Mine\r\nX-Mine: 1\r\nContent-Length: 0\r\n\r\n"), wait(go),
                      send(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Odd\r\n\r\n" + WELL), hang])
    with site.client() as c:
        c.request()
        hints = c.read_head()
        assert (hints.status, hints.reason, hints.fields) == (103, "Early Hints", [("Link", "</s>; rel=preload")])
        go.set()
        answer = c.read_answer()
        assert [i.status for i in answer.interim] == [102, 199] and answer.body == b"well"


def test_an_older_client_gets_no_interim_answers(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + WELL), hang])
    got = exchange(site.port, b"GET /a/x HTTP/1.0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ") and b"103" not in got.partition(b"\r\n\r\n")[0]


def test_many_interim_answers_at_once_pass(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 102 P\r\n\r\n" * 900 + WELL), hang])
    with site.client() as c:
        answer = c.ask()
        assert len(answer.interim) == 900 and answer.body == b"well"


def test_a_flood_of_interim_answers_ends(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 102 P\r\n\r\n" * 1001 + WELL)], serve(WELL))
    with site.client() as c:
        answer = c.ask()
        assert (answer.status, answer.get("Cheops-Error")) == (502, "service-broken")
        assert c.ask().body == b"well"


def test_interim_answers_are_counted_for_each_leg(make_sites):
    """Each site may send as many as one alone; the client gets them all."""
    hints = b"HTTP/1.1 102 P\r\n\r\n" * 600
    scripts = {"Nantes": [read_request, send(hints + render(404, b"no")), hang],
               "Paris": [read_request, send(hints + WELL), hang]}
    nantes, _ = make_sites("Nantes", "Paris", services=lambda n: {"a": Origin(scripts[n])})
    with nantes.client() as c:
        answer = c.ask("GET", "/a/things/1", "Scope: {a: Nantes ; Paris}")
    assert (answer.status, answer.body, len(answer.interim)) == (200, b"well", 1200)


def test_a_client_that_does_not_read_holds_interim_answers_back(make_site):
    """They wait at the service, however large they are; nothing is lost when the client reads on."""
    head = b"HTTP/1.1 103 H\r\nX: " + b"x" * 15000 + b"\r\n\r\n"
    done = threading.Event()
    site = make_site([read_request, send(head * 800), note(done), send(WELL), hang])
    with site.client() as c:
        c.request()
        c.input.begins()
        assert not done.is_set()
        answer = c.read_answer()
        assert len(answer.interim) == 800 and answer.body == b"well"


# ---- fields

def fields_of(site, *lines, method="GET", target="/a/x", host="h"):
    """What the service sees of a request with these lines."""
    with site.client() as c:
        c.ask(method, target, *lines, host=host)
    return site.service.requests[-1]


def test_fields_pass_in_order_and_as_they_came(make_site):
    site = make_site(serve(render(200, b"", "X-b: 1", "x-A:2", "X-b:  3 ", "Set-Cookie: a", "Set-Cookie: b")))
    lines = ["X-b: 1", "x-A:2", "X-b:  3 ", "Cookie: a=b; c", "Accept:*/*", "Authorization: Basic x"]
    got = fields_of(site, *lines)
    assert "\r\n".join(lines).encode() in got.raw_head
    with site.client() as c:
        assert b"\r\nX-b: 1\r\nx-A:2\r\nX-b:  3 \r\nSet-Cookie: a\r\nSet-Cookie: b\r\n" in c.ask().raw_head


HOP_BY_HOP = ["Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers, gzip;q=0.5", "Upgrade: x",
              "X-Mine: 1", "X-Other: 2"]


@pytest.mark.parametrize("connection", [["Connection: X-Mine, te, x-OTHER , Keep-Alive"],
                                        ["Connection: X-Mine", "Connection: ,X-Other,,"]])
def test_fields_of_a_connection_stay_on_it(make_site, connection):
    answer = render(200, b"well", *HOP_BY_HOP, *connection, "X-Kept: 1")
    site = make_site(serve(answer))
    got = fields_of(site, *HOP_BY_HOP, *connection, "X-Kept: 1")
    for line in [*HOP_BY_HOP, "Connection:"]:
        assert not got.has(line.partition(":")[0]), line
    assert got.get("X-Kept") == "1"
    with site.client() as c:
        got = c.ask()
    for line in [*HOP_BY_HOP, "Connection:"]:
        assert not got.has(line.partition(":")[0]), line
    assert got.get("X-Kept") == "1"


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Via", "X-Forwarded-For", "Forwarded", "traceparent"])
def test_connection_takes_no_field_away_that_cheops_relies_on(make_site, name):
    site = make_site(serve(WELL))
    with site.client() as c:
        c.ask("POST", "/a/x", f"Connection: {name}", body=b"abc")
    assert site.service.requests[-1].has(name) and site.service.requests[-1].body == b"abc"


def test_h2c_is_not_taken_up(make_site):
    """A tunnel of it would carry requests past Cheops."""
    site = make_site(serve(WELL))
    got = fields_of(site, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert not got.has("Upgrade") and not got.has("Connection") and not got.has("HTTP2-Settings")


def test_via_is_extended_both_ways(make_site):
    site = make_site(serve(render(200, b"", "Via: 1.0 inner, 1.1 outer (x)")))
    got = fields_of(site, "Via: 1.0 a", "Via: 1.1 b")
    assert got.all("Via") == ["1.0 a", "1.1 b", "1.1 cheops-Nantes"]
    with site.client() as c:
        assert c.ask().all("Via") == ["1.0 inner, 1.1 outer (x)", "1.1 cheops-Nantes"]
        assert c.ask("GET", "/elsewhere").all("Via") == ["1.1 cheops-Nantes"]


def test_the_version_of_an_older_service_is_in_via(make_site):
    site = make_site(serve(render(200, b"", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")))
    with site.client() as c:
        assert c.ask().get("Via") == "1.0 cheops-Nantes"


def test_a_service_learns_who_asks_and_by_which_door(make_site):
    site = make_site(serve(WELL))
    got = fields_of(site, host="nantes.example:8080")
    assert got.get("X-Forwarded-For") == "127.0.0.1" and got.get("X-Forwarded-Proto") == "http"
    assert got.get("X-Forwarded-Host") == "nantes.example:8080" and not got.has("X-Forwarded-Prefix")
    assert got.get("Forwarded") == 'for=127.0.0.1;proto=http;host="nantes.example:8080"'
    assert got.get("Host") == "nantes.example:8080"


@pytest.mark.parametrize("target, host, seen", [
    ("http://other/a/x?y", "other", "/a/x?y"),
    ("HTTP://other:81/a/x", "other:81", "/a/x"),
    ("https://other/a", "other", "/a"),
    ("http://[::1]:81/a/x", "[::1]:81", "/a/x"),
])
def test_the_authority_of_an_absolute_target_replaces_host(make_site, target, host, seen):
    site = make_site(serve(WELL))
    got = fields_of(site, target=target, host="ignored")
    assert (got.get("Host"), got.target, got.get("X-Forwarded-Host")) == (host, seen, host)


@pytest.mark.parametrize("method, target, seen", [("GET", "http://other?x=1", "/?x=1"), ("GET", "http://other", "/"),
                                                  ("OPTIONS", "http://other?x", "/?x")])
def test_an_empty_path_of_an_absolute_target_is_the_root(make_site, method, target, seen):
    site = make_site(serve(WELL),
                     config=lambda s: {"listeners": [{"address": f"127.0.0.1:{s.port}", "service": "a"}]})
    assert fields_of(site, method=method, target=target).target == seen


@pytest.mark.parametrize("target, host", [("*", "h"), ("http://other", "other")])
def test_options_of_the_service_itself(make_site, target, host):
    site = make_site(serve(render(200, b"", "Allow: GET")),
                     config=lambda s: {"listeners": [{"address": f"127.0.0.1:{s.port}", "service": "a"}]})
    with site.client() as c:
        assert c.ask("OPTIONS", target).get("Allow") == "GET"
    got = site.service.requests[0]
    assert (got.method, got.target, got.get("Host")) == ("OPTIONS", "*", host)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_max_forwards_is_counted_down(make_site, method):
    site = make_site(serve(WELL))
    assert fields_of(site, "Max-Forwards: 10", method=method).get("Max-Forwards") == "9"
    assert fields_of(site, "Max-Forwards: 1", method=method).get("Max-Forwards") == "0"
    assert fields_of(site, "Max-Forwards: x", method=method).get("Max-Forwards") == "x"
    assert not fields_of(site, method=method).has("Max-Forwards")


def test_max_forwards_is_for_options_and_trace_alone(make_site):
    site = make_site(serve(WELL))
    assert fields_of(site, "Max-Forwards: 0").get("Max-Forwards") == "0"


def test_max_forwards_ends_here(make_site):
    site = make_site(serve(WELL))
    with site.client() as c:
        answer = c.ask("OPTIONS", "/a/x", "Max-Forwards: 0", body=b"abc")
        assert (answer.status, answer.body, answer.get("Via")) == (200, b"", "1.1 cheops-Nantes")
        answer = c.ask("TRACE", "/a/x", "Max-Forwards: 0", "Cookie: secret")
        assert (answer.status, answer.get("Cheops-Error")) == (501, "method-unsupported")
        assert b"secret" not in answer.body
        assert not site.service.requests
        assert c.ask().body == b"well"


def test_an_answer_has_a_date(make_site):
    imf = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
    own = "Date: Sun, 06 Nov 1994 08:49:37 GMT"
    site = make_site(serve(lambda r: render(200, b"", own) if r.target == "/a/own" else WELL))
    with site.client() as c:
        assert imf.fullmatch(c.ask().get("Date"))
        assert c.ask(target="/a/own").get("Date") == own.partition(": ")[2]
        assert imf.fullmatch(c.ask(target="/elsewhere").get("Date"))


# ---- ends

def test_a_client_that_goes_ends_its_request(make_site):
    site = make_site([read_request, hang])
    with site.client() as c:
        c.request()
        site.service.request()
        c.reset()
    connection = site.service.connection()
    assert connection.ended.wait(20), "the service is not told"
    assert site.logged()[0]["error"] == "client-gone"


def test_a_request_that_breaks_off_is_not_taken_for_whole(make_site):
    site = make_site([read_request, send(WELL)])
    with site.client() as c:
        c.send(b"PUT /a/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        site.service.request()
        c.reset()
    connection = site.service.connection()
    assert connection.ended.wait(20)
    assert isinstance(connection.failure, (Ended, ConnectionResetError))


def test_a_service_that_half_closes_is_heard_out(make_site):
    site = make_site([read_request, send(WELL[:20]), half_close, hang], serve(WELL))
    with site.client() as c:
        assert (c.ask().status, c.ask().body) == (502, b"well")


def test_tls_services_are_spoken_to_alike(make_sites, tmp_path):
    """Chunks both ways over TLS records, with a body larger than any buffer on the way."""
    authority = Authority(tmp_path / "ca")
    body = bytes(i % 251 for i in range(300_000))

    def script(request):
        return render(200, b"", "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\nX: 1\r\n\r\n" % (
            len(request.body), request.body)
    site = make_sites("Nantes", services=lambda _: {"a": Origin(serve(script), tls=authority.server_context("a"))},
                      config={"services": {"a": {"tls": {"ca": str(authority.ca)}}}})[0]
    with Client(site.port) as c:
        answer = c.ask("PUT", "/a/x", body=body)
    assert answer.body == body and answer.trailers == [("X", "1")]
