"""The access log: one line a request, with all that happened to it and nothing that is secret."""
import json
import os
import re
import signal
import threading

import pytest
from support import TOP, Origin, render, serve, until
from support.origin import read_request

pytestmark = pytest.mark.threads

OK = render(200, b"ok")
ID = "req-12345678-1234-4123-8123-123456789abc"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_line_says_what_happened(make_sites):
    nantes, paris = make_sites("Nantes", "Paris", services=lambda n: {"a": Origin(serve(
        render(500 if n == "Nantes" else 201, b"twelve bytes")))})
    with nantes.client() as c:
        answer = c.ask("PUT", "/a/things/1?name=x", "Scope: {a: Nantes ; Paris}", f"X-Request-ID: {ID}",
                       body=b"abcde")
        assert answer.status == 201
    line = nantes.logged()[0]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    assert re.fullmatch("[0-9a-f]{16}", line["transaction"]) and re.fullmatch("[0-9a-f]{32}", line["trace"])
    expected = {"client": "127.0.0.1", "method": "PUT", "path": "/a/things/1", "service": "a", "type": "thing",
                "kind": "update", "scope": "{a: Nantes ; Paris}", "correlation": ID, "plan": "otherwise",
                "status": 201, "bytes_in": 5, "bytes_out": 12}
    assert {k: line.get(k) for k in expected} == expected and "error" not in line
    legs = line["legs"]
    assert [(leg["site"], leg["status"]) for leg in legs] == [("Nantes", 500), ("Paris", 201)]
    assert all(0 < leg["us"] <= line["us"] for leg in legs)
    other = paris.logged()[0]
    assert other["transaction"] == line["transaction"] and other["trace"] == line["trace"]
    assert (other["from"], other["scope"], other["status"]) == ("Nantes", line["scope"], 201)
    assert [(leg["site"], leg["status"]) for leg in other["legs"]] == [("Paris", 201)]


def test_every_member_is_described(make_sites):
    """docs/access-log.md has a row for each that any of these lines has."""
    nantes, paris = make_sites("Nantes", "Paris")
    with nantes.client() as c:
        c.ask("GET", "/a/things/1", "Scope: {a: Nantes ; Paris}", f"X-Request-ID: {ID}")
        c.ask("GET", "/a/things/1", "Scope: {a: Paris}")
        c.ask("GET", "/elsewhere")
    nantes.service.stop_listening()
    with nantes.client() as c:
        c.ask("POST", "/a/things")
    lines = nantes.logged(4) + paris.logged()
    rows = [row for row in (TOP / "docs/access-log.md").read_text().splitlines() if row.startswith("| `")]
    described = set(re.findall("`([a-z_]+)`", " ".join(row.split("|")[1] for row in rows)))
    members = {member for line in lines for member in line}
    assert members > {"from", "correlation", "error", "why", "scope"} and members <= described


def test_a_request_without_a_scope(make_site):
    site = make_site(serve(OK))
    with site.client() as c:
        c.ask("GET", "/a/things")
    line = site.logged()[0]
    assert line["plan"] == "local" and "scope" not in line and "from" not in line
    assert [(leg["site"], leg["status"]) for leg in line["legs"]] == [("Nantes", 200)]


@pytest.mark.parametrize("target, lines, body, status, error", [
    ("/a/things", ("Scope: {a: Nantes",), b"", 400, "scope-syntax"),
    ("/elsewhere", (), b"", 404, "unknown-service"),
    ("/a/things", ("X: y", "Bad Name: x"), b"", 400, "bad-request"),
])
def test_what_cheops_refuses_is_logged(make_site, target, lines, body, status, error):
    site = make_site(serve(OK))
    with site.client() as c:
        assert c.ask("GET", target, *lines, body=body).status == status
    line = site.logged()[0]
    assert (line["status"], line["error"], line["legs"]) == (status, error, [])


# -- secrets

SECRET = "s3cr3t"


def test_no_secret_is_ever_shown(make_sites):
    """Credentials, bodies, queries: not in the log, not in the admin API while the request lives."""
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {
        "a": Origin([read_request, lambda c: c.hang()], then=serve(lambda r: render(200, SECRET.encode())))})
    fields = (f"Authorization: Bearer {SECRET}", f"Cookie: session={SECRET}", f"X-Auth-Token: {SECRET}",
              f"Proxy-Authorization: Basic {SECRET}", f"X-Subject-Token: {SECRET}")
    targets = [f"/a/things?token={SECRET}", f"/a/x?{SECRET}", f"http://user:{SECRET}@h/a/x?q={SECRET}"]
    shown = []
    for scope in ((), ("Scope: {a: Paris}",)):
        with nantes.client() as c:
            c.request("POST", "/a/things?password=" + SECRET, *fields, *scope, body=SECRET.encode())
            site = paris if scope else nantes
            site.service.request()
            until(lambda site=site: site.transactions(), "the request to be shown")
            shown.append(nantes.transactions() + paris.transactions())
    with nantes.client() as c:
        for target in targets[:2]:
            c.ask("GET", target, *fields)
            c.ask("POST", target, *fields, body=SECRET.encode())
    with nantes.client() as c:
        c.ask("GET", targets[2], *fields)
    with nantes.client() as c:  # what is refused, too
        c.ask("GET", f"/a/x?{SECRET}", f"Authorization: {SECRET}", "Bad Name: x")
    with nantes.client() as c:
        c.ask("GET", f"/elsewhere?{SECRET}", *fields)
    nantes.logged(7)
    paris.logged(1)
    text = json.dumps([shown, nantes.log(), paris.log()])
    assert "things" in text and SECRET not in text


# -- lines that are long

def test_a_long_path_does_not_keep_a_request_out(make_site):
    site = make_site(serve(OK))
    with site.client() as c:
        assert c.ask("GET", "/a/" + "x" * 7000).status == 200
    assert site.logged()[0]["path"] == "/a/" + "x" * 1021


def test_a_long_method_does_not_keep_a_request_out(make_site):
    site = make_site(serve(OK))
    with site.client() as c:
        c.request("M" * 5000, "/a/x")
        answer = c.read_answer()
    line = site.logged()[0]
    assert line["status"] == answer.status and len(line.get("method", "")) <= 32


def test_a_plan_too_long_for_a_line_is_left_out_of_it(make_site):
    """64 sites with long names, none of which is there: their legs do not fit."""
    names = [f"{i:02d}-" + "n" * 60 for i in range(63)]
    site = make_site(serve(OK), config={"peers": {"sites": {n: {"address": "127.0.0.1:1"} for n in names}}})
    until(lambda: all(s["state"] == "down" for s in site.admin("/v1/sites")[1]["sites"] if not s.get("self")),
          "all others to be down")
    with site.client() as c:
        answer = c.ask("GET", "/a/things/1", "Scope: {a: " + " ; ".join([*names[:60], "Nantes"]) + "}")
    line = site.logged()[0]
    assert answer.status == 200, answer.body
    assert line["cut"] is True and "legs" not in line and "scope" not in line
    assert (line["status"], line["service"], line["client"]) == (200, "a", "127.0.0.1")


# -- traces

def test_a_trace_is_taken_up_and_passed_on(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    with nantes.client() as c:
        c.ask("GET", "/a/things", f"traceparent: {TRACE}", "tracestate: vendor=1", "Scope: {a: Paris}")
    assert nantes.logged()[0]["trace"] == paris.logged()[0]["trace"] == TRACE[3:35]
    request = paris.service.request()
    assert request.get("traceparent") == TRACE and "vendor=1" in request.all("tracestate")


@pytest.mark.parametrize("given", [
    (), ("traceparent: nonsense",), ("traceparent: 00-" + "0" * 32 + "-00f067aa0ba902b7-01",),
    (f"traceparent: {TRACE}", f"traceparent: {TRACE}"),
])
def test_a_trace_is_begun(make_site, given):
    """The state of the one that is not taken up goes."""
    site = make_site(serve(OK))
    with site.client() as c:
        c.ask("GET", "/a/x", *given, "tracestate: vendor=1")
        c.ask("GET", "/a/x", *given, "tracestate: vendor=1")
    assert [(len(r.all("traceparent")), r.all("tracestate")) for r in site.service.requests] == [(1, [])] * 2
    traces = [r.get("traceparent") for r in site.service.requests]
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", t) for t in traces)
    assert traces[0] != traces[1] and [t[3:35] for t in traces] == [line["trace"] for line in site.logged(2)]


# -- the file

@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_opens_the_file_anew(make_site, number):
    site = make_site(serve(OK))
    path = site.daemon.access_log
    with site.client() as c:
        c.ask("GET", "/a/first")
        site.logged()
        moved = f"{path}.1"
        os.rename(path, moved)
        c.ask("GET", "/a/moved")  # still to the old one
        until(lambda: len(open(moved, encoding="utf-8").readlines()) == 2, "the old file to have both")
        site.process.send_signal(number)
        until(lambda: os.path.exists(path), "the new file")
        c.ask("GET", "/a/second")
    assert [line["path"] for line in site.logged()] == ["/a/second"]
    assert [json.loads(line)["path"] for line in open(moved, encoding="utf-8")] == ["/a/first", "/a/moved"]


def test_no_line_is_lost_when_the_file_moves(make_site):
    """Ten times, while clients ask without a pause: each request has its line in one of the files."""
    site = make_site(serve(OK))
    path, asked, over = site.daemon.access_log, [], threading.Event()

    def ask(name):
        with site.client() as c:
            n = 0
            while not over.is_set():
                assert c.ask("GET", f"/a/{name}-{n}").status == 200
                asked.append(f"/a/{name}-{n}")
                n += 1

    clients = [threading.Thread(target=ask, args=(name,)) for name in "xyz"]
    for c in clients:
        c.start()
    try:
        for turn in range(10):
            seen = len(asked)
            until(lambda seen=seen: len(asked) > seen + 10, "clients to be served")
            os.rename(path, f"{path}.{turn}")
            site.process.send_signal(signal.SIGHUP if turn % 2 else signal.SIGUSR1)
            until(lambda: os.path.exists(path), "the new file")
    finally:
        over.set()
        for c in clients:
            c.join()

    def logged():
        lines = []
        for name in [path, *(f"{path}.{turn}" for turn in range(10))]:
            with open(name, encoding="utf-8") as file:
                lines += [json.loads(line)["path"] for line in file if line.endswith("\n")]
        return sorted(lines)
    until(lambda: len(logged()) >= len(asked), "the last lines")
    assert logged() == sorted(asked)
