"""Lists over several sites: one list of theirs, page by page, whatever becomes of a site."""
import json
import re
import signal
import urllib.parse

import pytest
from support import Origin, until
from support.origin import hang, read_request, render, reset, send, serve
from support.site import BUILD

pytestmark = pytest.mark.threads
ALL = "{a: Nantes & Paris & Lyon}"


def page_of(items, target):
    """What a site answers: items behind the marker, at most as many as the limit."""
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(target).query))
    if asked.get("order") == "desc":
        items = items[::-1]
    ids = [i["id"] for i in items]
    if "marker" in asked and asked["marker"] not in ids:
        return 400, {"why": "no such marker"}
    begin = ids.index(asked["marker"]) + 1 if "marker" in asked else 0
    limit = int(asked.get("limit", len(items) or 1))
    body = {"things": items[begin:begin + limit], "first": "/a/things"}
    if begin + limit < len(items):
        body["next"] = f"/a/things?limit={limit}&marker={ids[begin + limit - 1]}"
    return 200, body


def collection(items):
    """A service with a collection."""
    def answer(request):
        status, body = page_of(items, request.target)
        text = json.dumps(body).encode()
        return render(status, b"" if request.method == "HEAD" else text, "Content-Type: application/json; charset=utf-8",
                      f"Content-Length: {len(text)}", 'ETag: "x"')
    return serve(answer)


def as_json(body, *lines, framing=None):
    return render(200, body, "Content-Type: application/json", framing or f"Content-Length: {len(body)}", *lines)


def item(name, rank, **more):
    return {"id": name, "rank": rank, **more}


THREE = {
    "Nantes": [item("n1", 1), item("n2", 4), item("shared", 7), item("n3", 8)],
    "Paris": [item("p1", 2), item("p2", 5), item("shared", 6)],
    "Lyon": [item("l1", 3), item("l2", 9)],
}
IN_ORDER = ["n1", "p1", "l1", "n2", "p2", "shared", "n3", "l2"]


@pytest.fixture
def make_lists(make_sites):
    """Three sites, each with a collection, or what a script says."""
    def make(scripts=None, config=None):
        given = {name: collection(items) for name, items in THREE.items()}
        given.update(scripts or {})
        return make_sites(*given, services=lambda name: {"a": Origin(given[name])}, config=config)
    return make


def ids(body):
    return [i["id"] for i in json.loads(body)["things"]]


def test_the_lists_are_one_in_their_order(make_lists):
    nantes, paris, lyon = make_lists()
    status, fields, body = nantes.ask(Scope=ALL, Accept="text/html, */*;q=0.1", Accept_Encoding="gzip", Range="bytes=0-1")
    assert (status, ids(body)) == (200, IN_ORDER)
    assert json.loads(body) == {"things": json.loads(body)["things"], "first": "/a/things"}
    assert fields["cheops-site"] == "Nantes, Paris, Lyon" and "cheops-partial" not in fields
    assert fields["content-type"].startswith("application/json")
    assert not {"content-length", "etag", "cheops-tried"} & set(fields)
    for site in (nantes, paris, lyon):
        got = site.service.requests[-1]
        assert (got.get("Accept"), got.get("Accept-Encoding")) == ("application/json", "identity") and not got.has("Range")
    line = nantes.logged()[0]
    assert [(leg["site"], leg["status"]) for leg in line["legs"]] == [("Nantes", 200), ("Paris", 200), ("Lyon", 200)]
    assert (line["plan"], line["status"]) == ("replica", 200) and all(leg["us"] for leg in line["legs"])


def test_the_query_turns_the_order(make_lists):
    nantes, _, _ = make_lists()
    _, _, body = nantes.ask(path="/a/things?order=desc", Scope=ALL)
    assert ids(body) == ["l2", "n3", "shared", "p2", "n2", "l1", "p1", "n1"]


@pytest.mark.parametrize("scope, site", [("*", "Paris"), ("{a: Lyon & Nantes}", "Paris"), ("{a: (Lyon ; Paris) & Nantes}", "Lyon")])
def test_which_sites_are_asked(make_lists, scope, site):
    sites = make_lists()
    asker = next(s for s in sites if s.name == site)
    status, fields, body = asker.ask(Scope=scope)
    names = {"*": "Paris, Lyon, Nantes"}.get(scope, "Lyon, Nantes")
    assert (status, fields["cheops-site"]) == (200, names)
    assert sorted(ids(body)) == sorted({i["id"] for n in names.split(", ") for i in THREE[n]})


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 100])
def test_pages_lead_to_the_end(make_lists, limit):
    nantes, _, _ = make_lists(config={"workers": 1})
    target, pages = f"/a/things?limit={limit}", []
    while target:
        status, fields, body = nantes.ask(path=target, Scope=ALL)
        assert status == 200 and "cheops-partial" not in fields
        pages.append(ids(body))
        target = json.loads(body).get("next")
        assert not target or target.startswith(f"/a/things?limit={limit}&marker=cheops1-")
        assert len(pages) < 20
    flat = [i for p in pages for i in p]
    assert all(len(p) <= limit for p in pages) and len(pages[0]) == min(limit, 8)
    # A replica on a page of its own cannot be told from another resource.
    assert [i for k, i in enumerate(flat) if i not in flat[:k]] == IN_ORDER
    assert len(flat) == 8 or flat.count("shared") == 2


def test_a_marker_that_cheops_did_not_make(make_lists):
    nantes, _, _ = make_lists()
    status, fields, body = nantes.ask(path="/a/things?marker=n1", Scope=ALL)
    assert (status, ids(body), fields["cheops-partial"]) == (200, ["n2", "shared", "n3"], "Paris=400, Lyon=400")
    for wrong in ("cheops1-", "cheops1-***", "cheops1-Og"):
        status, fields, _ = nantes.ask(path="/a/things?marker=" + wrong, Scope=ALL)
        assert (status, fields["cheops-error"]) == (400, "bad-request")


def test_head_is_the_head(make_lists):
    nantes, _, lyon = make_lists({"Lyon": serve(render(503, b"", "Content-Length: 0"))})
    status, fields, body = nantes.ask("HEAD", Scope=ALL)
    assert (status, body, fields["cheops-partial"]) == (200, b"", "Lyon=503")
    assert "content-length" not in fields and "etag" not in fields
    assert lyon.service.requests[-1].method == "HEAD"


def test_a_site_that_is_cut_off_is_named(make_lists):
    nantes, paris, lyon = make_lists()
    lyon.process.send_signal(signal.SIGSTOP)
    until(lambda: nantes.sees(lyon, "down"), "Lyon to be down")
    status, fields, body = nantes.ask(path="/a/things?limit=3", Scope=ALL)
    assert (status, ids(body), fields["cheops-partial"]) == (200, ["n1", "p1", "n2"], "Lyon=down")
    assert fields["cheops-site"] == "Nantes, Paris"
    status, fields, _ = nantes.ask(Scope="{a: Nantes & Lyon, missing: fail}")
    assert (status, fields["cheops-error"], fields["cheops-partial"]) == (502, "part-missing", "Lyon=down")
    status, fields, _ = nantes.ask(Scope="{a: (Lyon ; Paris) & Nantes}")
    assert (status, fields["cheops-site"]) == (200, "Paris, Nantes")
    lyon.process.send_signal(signal.SIGCONT)
    until(lambda: nantes.sees(lyon, "up"), "Lyon to be up again")
    following = json.loads(body)["next"]
    status, fields, body = nantes.ask(path=following, Scope=ALL)
    assert ids(body) == ["l1", "p2", "shared"] and "cheops-partial" not in fields


def test_no_site_gives_a_list(make_lists):
    refused = {n: serve(render(s, n.encode(), f"Content-Length: {len(n)}"))
               for n, s in {"Nantes": 500, "Paris": 401, "Lyon": 404}.items()}
    nantes, _, _ = make_lists(refused)
    status, fields, body = nantes.ask(Scope=ALL)
    assert (status, body, fields["cheops-site"]) == (401, b"Paris", "Paris")
    assert fields["cheops-partial"] == "Nantes=500, Paris=401, Lyon=404"


def test_no_site_answers(make_lists):
    nantes, _, _ = make_lists({n: [read_request, reset] for n in THREE})
    status, fields, body = nantes.ask(Scope=ALL)
    assert (status, fields["cheops-error"], fields["cheops-partial"]) == (
        502, "service-broken", "Nantes=broken, Paris=broken, Lyon=broken")
    assert "Nantes (broken), Paris (broken), Lyon (broken)" in json.loads(body)["detail"]


@pytest.mark.parametrize("answer, why", [
    (as_json(b'{"things":["no object"]}'), "an item of its list has no identifier"),
    (as_json(b'{"others":[]}'), "its list has no array"),
    (render(200, b"<html>", "Content-Type: text/html", "Content-Length: 6"), "its list is no JSON"),
])
def test_what_is_wrong_with_a_list_is_said(make_lists, answer, why):
    nantes, _, _ = make_lists({n: serve(answer) for n in THREE})
    status, fields, body = nantes.ask(Scope=ALL)
    assert (status, fields["cheops-error"], fields["cheops-partial"]) == (
        502, "service-broken", "Nantes=broken, Paris=broken, Lyon=broken")
    assert f"Nantes (broken: {why}" in json.loads(body)["detail"]


@pytest.mark.parametrize("script, said", [
    ([read_request, send(as_json(b"<html>"))], "broken"),
    ([read_request, send(as_json(b'{"thing":[]}'))], "broken"),
    ([read_request, send(as_json(b'{"things":{}}'))], "broken"),
    ([read_request, send(as_json(b'{"things":[{"id":"x"}'))], "broken"),
    ([read_request, send(as_json(b'{"things":[{"rank":1}]}'))], "broken"),
    ([read_request, send(as_json(b'{"things":[{"id":"x"},', framing="Content-Length: 500"))], "broken"),
    ([read_request, send(as_json(b'{"things":[]}', "Content-Encoding: gzip"))], "broken"),
    ([read_request, send(render(200, b"{}", "Content-Type: text/plain", "Content-Length: 2"))], "broken"),
    ([read_request, send(as_json(b'{"things":[{"id":"' + b"x" * 70000 + b'"}]}'))], "broken"),
    ([read_request, send(render(204, b""))], "204"),
    ([read_request, send(render(302, b"", "Location: /b", "Content-Length: 0"))], "302"),
])
def test_a_part_that_is_no_list(make_lists, script, said):
    nantes, _, _ = make_lists({"Nantes": script}, config={"limits": {"list_item": 50000}})
    status, fields, body = nantes.ask(Scope=ALL)
    assert (status, fields["cheops-partial"]) == (200, f"Nantes={said}")
    assert ids(body) == ["p1", "l1", "p2", "shared", "l2"] and fields["cheops-site"] == "Paris, Lyon"


def big(name, n, size=1000):
    return [item(f"{name}{i:05}", i, text="x" * size) for i in range(n)]


def test_a_part_that_breaks_late_breaks_the_answer_off(make_lists):
    text = json.dumps({"things": big("x", 500)}).encode()
    nantes, _, _ = make_lists({"Paris": [read_request, send(as_json(text[:300000], framing=f"Content-Length: {len(text)}"))]})
    with pytest.raises(Exception) as broke:
        nantes.ask(Scope=ALL)
    assert broke.typename == "IncompleteRead"
    assert nantes.logged()[0]["error"] == "service-broken"


def test_a_slow_site_holds_nobody_longer_than_the_timeout(make_lists):
    nantes, _, _ = make_lists({"Lyon": [read_request, hang]})
    status, fields, body = nantes.ask(Scope="{a: Nantes & Paris & Lyon, timeout: 3s}")
    assert (status, fields["cheops-partial"]) == (200, "Lyon=timeout")
    assert ids(body) == ["n1", "p1", "n2", "p2", "shared", "n3"]
    assert nantes.logged()[0]["us"] >= 2500000


def test_a_body_that_stalls_before_the_answer_has_begun(make_lists):
    nantes, _, _ = make_lists({"Lyon": [read_request, send(as_json(b'{"things":[{"id":"l1"},', framing="Content-Length: 99")), hang]})
    status, fields, body = nantes.ask(Scope="{a: Nantes & Paris & Lyon, timeout: 3s}")
    assert (status, fields["cheops-partial"]) == (200, "Lyon=timeout") and "l1" not in ids(body)


def test_a_body_that_stalls_later_breaks_the_answer_off(make_lists):
    text = json.dumps({"things": big("x", 200)}).encode()
    nantes, _, _ = make_lists({"Nantes": [read_request, send(as_json(text[:90000], framing=f"Content-Length: {len(text)}")), hang]},
                              config={"timeouts": {"service_body": "2s"}})
    with pytest.raises(Exception) as broke:
        nantes.ask(Scope=ALL)
    assert broke.typename == "IncompleteRead"
    assert nantes.logged()[0]["error"] == "service-timeout"


def test_a_client_that_leaves_ends_all_legs(make_lists):
    nantes, paris, lyon = make_lists({n: [read_request, hang] for n in THREE})
    client = nantes.client()
    client.send(f"GET /a/things HTTP/1.1\r\nHost: h\r\nScope: {ALL}\r\n\r\n".encode())
    until(lambda: all(s.service.requests for s in (nantes, paris, lyon)), "all sites to be asked")
    assert [leg["state"] for leg in nantes.transactions()[0]["legs"]] == ["head"] * 3
    client.close()
    until(lambda: all(s.service.connections[0].ended.is_set() for s in (nantes, paris, lyon)), "every leg to end")
    line = nantes.logged()[0]
    assert line["error"] == "client-gone" and [leg["error"] for leg in line["legs"]] == ["client-gone"] * 3


def test_not_acceptable_and_with_a_body(make_lists):
    nantes, _, _ = make_lists()
    status, fields, _ = nantes.ask(Scope=ALL, Accept="text/html, application/json;q=0")
    assert (status, fields["cheops-error"]) == (406, "not-acceptable")
    status, fields, _ = nantes.ask(body=b"{}", Scope=ALL)
    assert (status, fields["cheops-error"]) == (501, "scope-unsupported")
    assert not nantes.service.requests


def test_a_client_of_http_1_0_gets_the_end_by_the_close(make_lists):
    nantes, _, _ = make_lists()
    head, _, body = nantes.raw(f"GET /a/things HTTP/1.0\r\nScope: {ALL}\r\n\r\n".encode()).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower() and ids(body) == IN_ORDER


def test_connections_are_kept(make_lists):
    sites = make_lists(config={"workers": 1})
    for _ in range(3):
        assert sites[0].ask(path="/a/things?limit=2", Scope=ALL)[0] == 200
    assert [len(s.service.connections) for s in sites] == [1, 1, 1]


def test_a_reused_connection_that_the_service_closed(make_lists):
    text = json.dumps({"things": [item("x", 5)]}).encode()
    nantes, _, _ = make_lists({"Nantes": [read_request, send(as_json(text)), read_request]}, config={"workers": 1})
    for _ in range(2):
        status, fields, body = nantes.ask(Scope=ALL)
        assert (status, "x" in ids(body)) == (200, True) and "cheops-partial" not in fields


# ---- one of several: reads, and what is the same everywhere

def test_a_read_is_answered_by_the_nearest_that_has_it(make_lists):
    def only(names):
        def answer(request):
            name = request.target.rpartition("/")[2]
            return render(200 if name in names else 404, b"{}", "Content-Length: 2")
        return serve(answer)
    nantes, _, _ = make_lists({"Nantes": only(["n"]), "Paris": only(["p"]), "Lyon": only([])})
    status, fields, _ = nantes.ask(path="/a/things/n", Scope="{a: Lyon & Nantes & Paris}")
    assert (status, fields["cheops-site"], fields["cheops-tried"]) == (200, "Nantes", "Nantes=200")
    status, fields, _ = nantes.ask(path="/a/things/p", Scope=ALL)
    assert (status, fields["cheops-site"]) == (200, "Paris") and fields["cheops-tried"].startswith("Nantes=404")
    status, fields, _ = nantes.ask(path="/a/things/x", Scope="*")
    assert status == 404 and fields["cheops-tried"].count("404") == 3


def test_a_read_passes_over_what_is_down(make_lists):
    nantes, paris, _ = make_lists()
    paris.process.send_signal(signal.SIGSTOP)
    until(lambda: nantes.sees(paris, "down"), "Paris to be down")
    status, fields, _ = nantes.ask(path="/a/things/1", Scope="{a: Paris & Lyon}")
    assert (status, fields["cheops-site"]) == (200, "Lyon")
    status, fields, _ = nantes.ask(path="/a", Scope="{a: Paris & Nantes}")
    assert (status, fields["cheops-tried"]) == (200, "Nantes=200")
    paris.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("method, path", [("POST", "/a/things"), ("DELETE", "/a/things/1"), ("GET", "/a/things?watch=1")])
def test_what_is_not_run(make_lists, method, path):
    nantes, _, _ = make_lists()
    status, fields, _ = nantes.ask(method, path, Scope=ALL)
    assert (status, fields["cheops-error"]) == (501, "scope-unsupported") and not nantes.service.requests


# ---- much

def is_sanitized():
    options = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
    return next(o["value"] for o in options if o["name"] == "b_sanitize") != "none"


def most_kib(site):
    """The most memory that the daemon has had so far."""
    with open(f"/proc/{site.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1])


def test_ten_thousand_items(make_lists):
    per_site = 3334
    lists = {n: big(n[0], per_site) for n in THREE}
    nantes, _, _ = make_lists({n: collection(items) for n, items in lists.items()}, config={"workers": 1})
    assert nantes.ask(path="/a/things?limit=2", Scope=ALL)[0] == 200
    before = most_kib(nantes)
    status, _, body = nantes.ask(Scope=ALL)
    things = json.loads(body)["things"]
    assert status == 200 and len(things) == 3 * per_site
    assert [t["rank"] for t in things] == sorted(t["rank"] for t in things)
    assert len(body) > 10_000_000
    if not is_sanitized():
        assert most_kib(nantes) - before < 4096
