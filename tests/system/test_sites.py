"""Sites that share a service by scope."""
import json
import signal

import pytest
from support import Origin, until
from support.origin import hang, read_request, send

pytestmark = pytest.mark.threads


def test_without_a_scope_a_request_stays(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    status, fields, body = nantes.ask()
    assert (status, json.loads(body)["things"]) == (200, ["Nantes"])
    assert "cheops-site" not in fields and not paris.service.requests
    got = nantes.service.requests[-1]
    assert got.get("Via") == "1.1 cheops-Nantes" and got.get("X-Forwarded-For") == "127.0.0.1"
    assert not got.has("Scope") and len(got.get("traceparent")) == 55


def test_a_scope_is_answered_by_its_site(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    status, fields, body = nantes.ask(Scope="{a: Paris}", X_Auth_Token="secret")
    assert (status, fields["cheops-site"], json.loads(body)["things"]) == (200, "Paris", ["Paris"])
    got = paris.service.requests[-1]
    assert got.get("X-Auth-Token").startswith("secret~SCOPE~")
    assert got.get("Scope") == "{a: Paris}" and not nantes.service.requests
    assert not got.has("Cheops-Leg")
    until(lambda: len(nantes.log()) == 1 and len(paris.log()) == 1, "both logs")
    assert nantes.log()[0]["transaction"] == paris.log()[0]["transaction"]
    assert "secret" not in json.dumps(nantes.log() + paris.log())


def test_a_sub_request_follows_the_scope(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    paris.ask(Scope="{a: Nantes, b: Nantes}", X_Auth_Token="t")
    passed_on = nantes.service.requests[-1]
    status, fields, _ = nantes.ask(X_Auth_Token=passed_on.get("X-Auth-Token"))
    assert (status, fields["cheops-site"]) == (200, "Nantes")
    status, fields, _ = nantes.ask(X_Request_ID=passed_on.get("X-Request-ID"))
    assert (status, fields["cheops-site"]) == (200, "Nantes")


def test_an_otherwise_moves_on(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    _, fields, body = nantes.ask(path="/a/things?name=Paris", Scope="{a: Nantes ; Paris}")
    assert json.loads(body)["things"] == ["Paris"] and fields["cheops-tried"] == "Nantes=200, Paris=200"
    status, fields, _ = nantes.ask(path="/a/things/1?status=404", Scope="{a: Nantes ; Paris}")
    assert (status, fields["cheops-tried"]) == (404, "Nantes=404, Paris=404")
    status, fields, _ = nantes.ask(path="/a/things/1?status=401", Scope="{a: Nantes ; Paris}")
    assert (status, fields["cheops-tried"]) == (401, "Nantes=401")
    status, fields, body = nantes.ask("POST", "/a/things?status=500", b"x" * 5000, Scope="{a: Nantes ; Paris}")
    assert (status, fields["cheops-tried"]) == (500, "Nantes=500, Paris=500")
    assert paris.service.requests[-1].body == b"x" * 5000


@pytest.mark.parametrize("scope, status, code", [
    ("{a: Pari", 400, "scope-syntax"),
    ("{a: Pariss}", 400, "scope-unknown-site"),
    ("{c: Paris}", 400, "scope-unknown-service"),
    ("{a: Nantes & Paris ; Paris}", 501, "scope-unsupported"),
    ("{a: Nantes % Paris}", 501, "scope-unsupported"),
])
def test_what_is_refused(make_sites, scope, status, code):
    nantes, _ = make_sites("Nantes", "Paris")
    got, fields, body = nantes.ask(Scope=scope)
    assert (got, fields["cheops-error"]) == (status, code)
    problem = json.loads(body)
    assert problem["type"] == f"urn:cheops:error:{code}" and problem["status"] == status
    if status == 400:
        assert "^" in problem["detail"]
    assert not nantes.service.requests


def test_a_site_that_is_cut_off(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    paris.process.send_signal(signal.SIGSTOP)
    until(lambda: nantes.sees(paris, "down"), "Paris to be down")
    status, fields, body = nantes.ask(Scope="{a: Paris}")
    assert (status, fields["cheops-error"]) == (503, "site-down") and "Paris" in json.loads(body)["detail"]
    status, fields, _ = nantes.ask(Scope="{a: Paris ; Nantes}")
    assert (status, fields["cheops-tried"]) == (200, "Paris=down, Nantes=200")
    assert nantes.ask()[0] == 200
    paris.process.send_signal(signal.SIGCONT)
    until(lambda: nantes.sees(paris, "up"), "Paris to be up again")
    assert nantes.ask(Scope="{a: Paris}")[0] == 200


def test_an_answer_that_was_passed_over_is_used_when_no_better_one_comes(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    paris.process.send_signal(signal.SIGSTOP)
    until(lambda: nantes.sees(paris, "down"), "Paris to be down")
    status, fields, body = nantes.ask(path="/a/things?name=nobody", Scope="{a: Nantes ; Paris}")
    assert (status, fields["cheops-tried"]) == (200, "Nantes=200, Paris=down")
    assert json.loads(body)["things"] == []
    status, fields, _ = nantes.ask(path="/a/things/1?status=404", Scope="{a: Nantes ; Paris}")
    assert (status, fields["cheops-tried"]) == (404, "Nantes=404, Paris=down")
    paris.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("script, said", [
    ([read_request, send(b"HTTP/9 what\r\n\r\n")], "broken"),
    ([read_request, hang], "timeout"),
    (None, "refused"),
])
def test_what_another_site_says_of_its_service_is_told_as_it_is(make_sites, script, said):
    """The other site's Cheops answers, its service does not: the words are those of a service here."""
    gone = Origin()
    gone.stop()
    services = {"Nantes": Origin(), "Paris": Origin(script) if script else gone}
    nantes, _ = make_sites("Nantes", "Paris", services=lambda name: {"a": services[name]},
                           config={"timeouts": {"service_head": "300ms"}})
    status, fields, _ = nantes.ask(path="/a/things/1", Scope="{a: Paris ; Nantes}")
    assert (status, fields["cheops-tried"]) == (200, f"Paris={said}, Nantes=200")
    status, fields, body = nantes.ask("POST", "/a/things", b"{}", Scope="{a: Paris ; Nantes}")
    if said == "refused":
        assert (status, fields["cheops-tried"]) == (200, "Paris=refused, Nantes=200")
    else:
        assert (status, fields["cheops-error"], fields["cheops-tried"]) == (504, "maybe-run", f"Paris={said}")
        assert "Paris" in json.loads(body)["detail"]


@pytest.mark.parametrize("path", ["/a/things?name=nobody", "/a/things/1?status=404"])
def test_an_answer_that_was_passed_over_leaves_its_connection(make_sites, path):
    nantes, _ = make_sites("Nantes", "Paris", config={"workers": 1})
    for _ in range(3):
        nantes.ask(path=path, Scope="{a: Nantes ; Paris}")
    assert len(nantes.service.requests) == 3 and len(nantes.service.connections) == 1


def test_around_takes_the_nearest_first(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    _, fields, _ = nantes.ask(Scope="{a: around(Paris, 1s)}")
    assert fields["cheops-site"] == "Paris"


def test_a_single_silent_site_becomes_suspect_before_it_is_down(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    paris.process.send_signal(signal.SIGSTOP)
    until(lambda: nantes.sees(paris, "suspect"), "Paris to be suspect")
    until(lambda: nantes.sees(paris, "down"), "Paris to be down")
