"""What other sites can and cannot do here: links, certificates, `allow`, legs, sites that are down.

What is said of attackers in docs/threat-model.md is shown here.
"""
import contextlib
import json
import signal
import subprocess
import threading
import time

import pytest
from support import BUILD, Authority, Origin, render, until
from support.origin import hang, read_request, send, serve, wait
from support.peer import (BlackHole, Caller, as_site, hello, leg, refusals, restart, rewrite, site_context,
                          start_again, state_of)

pytestmark = pytest.mark.threads

AT_ONCE_S = 5  # far below SLOW, and enough for a busy machine
SLOW = {"timeouts": {"connect": "60s", "service_head": "60s"}}


@pytest.fixture(params=["plain", "tls"])
def authority(request, tmp_path):
    """Both kinds of link: None, or the authority of TLS links."""
    return Authority(tmp_path / "ca") if request.param == "tls" else None


@pytest.fixture
def tls_authority(tmp_path):
    return Authority(tmp_path / "ca")


def context_of(authority, name):
    """How the site `name` calls."""
    if authority is None:
        return None
    certificate, key = authority.issue(f"{name}-caller", f"URI:cheops://site/{name}")
    return site_context(certificate, key, authority.ca)


def peers(**sites):
    """A configuration with sites at ports of this machine."""
    return {"peers": {"sites": {name: {"address": f"127.0.0.1:{port}"} for name, port in sites.items()}}}


@pytest.fixture
def nantes(make_sites, tls_authority):
    """Nantes alone with TLS links; it knows Paris, which is not there."""
    return make_sites("Nantes", authority=tls_authority, config=peers(Paris=1))[0]


# -- who gets nothing

def gets_nothing(site, context, name="Paris"):
    """Whoever calls like this is answered nothing but a refusal, if that. Gives what the log says of it."""
    before = len(refusals(site))
    try:
        with Caller(site, context) as c:
            assert c.greet(name).status in (400, 403)
        until(lambda: len(refusals(site)) > before, "the refusal in the log")
        with Caller(site, context) as c:
            assert c.ask_leg().status == 403
    except OSError:
        pass  # not even that
    until(lambda: len(refusals(site)) > before, "the refusal in the log")
    line = refusals(site)[before]
    assert not site.service.requests and state_of(site, "Paris")["state"] != "up"
    assert line["client"] == "127.0.0.1"
    return line["error"], line["why"]


def test_without_a_certificate(nantes):
    error, detail = gets_nothing(nantes, site_context())
    assert error == "tls" and "did not return a certificate" in detail


def test_without_tls(nantes):
    assert gets_nothing(nantes, None)[0] == "tls"


def test_with_a_certificate_of_another_authority(nantes, tmp_path):
    other = Authority(tmp_path / "other")
    error, detail = gets_nothing(nantes, site_context(*other.issue("Paris", "URI:cheops://site/Paris")))
    assert error == "tls" and "of cheops://site/Paris, is from an authority that is not trusted here: test ca" in detail


def test_with_an_expired_certificate(nantes, tls_authority):
    old = tls_authority.issue("old", "URI:cheops://site/Paris", days=-1)
    error, detail = gets_nothing(nantes, site_context(*old))
    assert error == "tls" and "of cheops://site/Paris, has ended: it ended at 2" in detail


@pytest.mark.parametrize("names, said", [
    (["DNS:Paris"], "bears no site's name"),                       # a name, but not of a site
    (["URI:https://site/Paris"], "bears no site's name"),
    (["URI:cheops://site/Rouen"], "'Rouen', which is no site"),    # not in the configuration
    (["URI:cheops://site/paris"], "'paris', which is no site"),
    (["URI:cheops://site/Paris/x"], "'Paris/x', which is no site"),
    (["URI:cheops://site/"], "'', which is no site"),
    (["URI:cheops://site/Nantes"], "this site's own name"),
])
def test_with_a_certificate_of_the_authority_that_is_not_a_sites(nantes, tls_authority, names, said):
    error, detail = gets_nothing(nantes, site_context(*tls_authority.issue("x", *names)))
    assert error == "peer-unknown" and said in detail


def test_with_another_sites_certificate(make_sites, tls_authority):
    site = make_sites("Nantes", authority=tls_authority, config=peers(Lyon=1, Paris=1))[0]
    error, detail = gets_nothing(site, context_of(tls_authority, "Lyon"), name="Paris")
    assert error == "peer-unknown" and detail == "its hello says 'Paris', its certificate Lyon"


def test_a_revoked_certificate(make_sites, tmp_path):
    """The whole way, with the authority that `cheops ca` makes."""
    folder = tmp_path / "authority"

    def ca(*arguments):
        done = subprocess.run([str(BUILD / "cheops"), "ca", *arguments, "--dir", str(folder)], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    ca("init")
    ca("issue", "Nantes")
    ca("issue", "Paris")
    links = {"plain": None, "ca": str(folder / "ca.crt"), "crl": str(folder / "crl.pem"),
             "certificate": str(folder / "Nantes.crt"), "key": str(folder / "Nantes.key")}
    site = make_sites("Nantes", config={"peers": {**links, **peers(Paris=1)["peers"]}})[0]
    context = site_context(folder / "Paris.crt", folder / "Paris.key", folder / "ca.crt")
    with Caller(site, context) as c:
        assert c.greet("Paris").status == 200 and c.ask_leg().status == 200
    site.service.requests.clear()
    ca("revoke", "Paris")
    restart(site)
    error, detail = gets_nothing(site, context)
    assert error == "tls" and "of cheops://site/Paris, is revoked" in detail


@pytest.mark.parametrize("name", ["Rouen", "paris", "Nantes"])
def test_a_plain_link_takes_configured_names_only(make_sites, name):
    site = make_sites("Nantes", config=peers(Paris=1))[0]
    error, detail = gets_nothing(site, None, name)
    assert error == "peer-unknown" and f"'{name}', which is no other site" in detail


def test_nothing_is_answered_before_the_hello(make_sites, authority):
    site = make_sites("Nantes", authority=authority, config=peers(Paris=1))[0]
    for ask in (lambda c: c.ask_leg(), lambda c: c.post("/cheops/v1/heartbeat", b"{}"), lambda c: c.ask()):
        with Caller(site, context_of(authority, "Paris")) as c:
            answer = ask(c)
            assert (answer.status, answer.get("Cheops-Error")) == (403, "peer-unknown")
            c.expect_close()
    until(lambda: len(refusals(site)) == 3, "the refusals in the log")
    assert not site.service.requests


# -- what a hello decides

@pytest.mark.parametrize("members, status, code, said", [
    ({"protocol": (2, 3)}, 505, "peer-version", "Paris speaks versions 2 to 3 of the peer protocol, this site 1 to 1"),
    ({"application": "other"}, 409, "peer-application", "Paris runs the application other, this site example"),
    ({"protocol": (1, 2 ** 32 + 1)}, 400, "bad-request", "protocol"),
    ({"digest": None}, 400, "bad-request", "digest"),
])
def test_hellos_that_do_not_fit(make_sites, authority, members, status, code, said):
    site = make_sites("Nantes", authority=authority, config=peers(Paris=1))[0]
    with Caller(site, context_of(authority, "Paris")) as c:
        answer = c.greet("Paris", **members)
        assert (answer.status, answer.get("Cheops-Error")) == (status, code)
        assert said in json.loads(answer.body)["detail"]
        c.expect_close()
    until(lambda: refusals(site), "the refusal in the log")
    assert refusals(site)[0]["error"] == code and said in refusals(site)[0]["why"]


def test_a_hello_that_is_too_long(make_sites):
    site = make_sites("Nantes", config=peers(Paris=1))[0]
    with Caller(site) as c:
        answer = c.greet("Paris", more="x" * 20000)
        assert (answer.status, answer.get("Cheops-Error")) == (413, "body-too-large")


def test_later_versions_may_say_more(make_sites, authority):
    site = make_sites("Nantes", authority=authority, config=peers(Paris=1))[0]
    with Caller(site, context_of(authority, "Paris")) as c:
        answer = c.greet("Paris", protocol=(1, 2), vectors={"a": [1, 2]})
        assert answer.status == 200 and json.loads(answer.body)["site"] == "Nantes"
        assert c.ask_leg().status == 200
    assert state_of(site, "Paris")["description"] == "differs"


# -- who answers at a site's address

@pytest.mark.parametrize("script, said", [
    (as_site("Lyon"), "at its address Lyon answers"),
    (as_site("Paris", application="other"), "Paris runs the application other"),
    (as_site("Paris", protocol=(5, 5)), "Paris speaks versions 5 to 5"),
    (lambda c: c.answer(403, b'{"detail":"go away"}', "Cheops-Error: peer-unknown"), "go away"),
    (lambda c: c.answer(200, b"It works!"), "not a JSON object"),
])
def test_the_wrong_site_at_an_address(make_sites, script, said):
    origin = Origin(script)
    try:
        site = make_sites("Nantes", config=peers(Paris=origin.port, Lyon=1))[0]
        until(lambda: said in (state_of(site, "Paris").get("error") or ""), f"an error that says {said}")
        assert state_of(site, "Paris")["state"] == "down"
        assert not any(r.has("Cheops-Leg") for r in origin.requests)
    finally:
        origin.stop()


@pytest.mark.parametrize("ahead_s", [0, 3600, -90])
def test_how_far_a_clock_is(make_sites, ahead_s):
    origin = Origin(as_site("Paris", ahead_s=ahead_s))
    try:
        site = make_sites("Nantes", config=peers(Paris=origin.port))[0]
        until(lambda: state_of(site, "Paris")["clock_ms"] is not None, "the first answer")
        # Half a second is what a Date leaves open; the rest is for a machine that is busy between two of its reads.
        assert abs(state_of(site, "Paris")["clock_ms"] - ahead_s * 1000) < 10000
        assert state_of(site, "Nantes")["clock_ms"] is None
    finally:
        origin.stop()


def test_answers_between_sites_have_a_date(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    with Caller(nantes) as c:
        assert c.greet("Paris").has("Date")
    assert abs(state_of(paris, "Nantes")["clock_ms"]) < 10000


@pytest.mark.parametrize("names, said", [
    (["URI:cheops://site/Lyon"], "its certificate bears the name Lyon"),
    (["URI:cheops://site/Nantes"], "this site's own name"),
    (["IP:127.0.0.1"], "bears no site's name"),
])
def test_the_wrong_certificate_at_an_address(make_sites, tls_authority, names, said):
    """Whoever takes a site's address gets no request without that site's certificate."""
    origin = Origin(as_site("Paris"), tls=tls_authority.server_context("thief", *names))
    try:
        site = make_sites("Nantes", authority=tls_authority, config=peers(Paris=origin.port, Lyon=1))[0]
        until(lambda: said in (state_of(site, "Paris").get("error") or ""), f"an error that says {said}")
        status, fields, _ = site.ask(Scope="{a: Paris}", X_Auth_Token="secret")
        assert status in (502, 503) and fields["cheops-error"] in ("site-refused", "site-down")
        assert not any(b"secret" in c.raw for c in origin.connections)
    finally:
        origin.stop()


# -- allow

def test_what_a_site_may_ask_by_default(make_sites, authority):
    nantes, paris = make_sites("Nantes", "Paris", authority=authority)
    assert nantes.ask("GET", "/a/things/1", Scope="{a: Paris}")[0] == 200
    assert nantes.ask("DELETE", "/a/things/1", Scope="{a: Paris}")[0] == 200
    paris.service.requests.clear()
    status, fields, body = nantes.ask("GET", "/a/unheard/of", Scope="{a: Paris}")
    assert (status, fields["cheops-error"]) == (403, "peer-not-allowed")
    assert "Paris does not run opaque of a for Nantes" in json.loads(body)["detail"]
    assert "allow" in json.loads(body)["detail"] + json.loads(body).get("hint", "")
    assert not paris.service.requests
    line = until(lambda: refusals(paris), "the refusal in the log")[0]
    assert (line["from"], line["error"]) == ("Nantes", "peer-not-allowed")


@pytest.mark.parametrize("allow, may, may_not", [
    ({"services": ["a"]}, [("GET", "/a/things"), ("POST", "/a/things")], [("GET", "/b/notes"), ("GET", "/a/x")]),
    ({"services": []}, [], [("GET", "/a/things"), ("GET", "/b/notes")]),
    ({"kinds": ["read", "list"]}, [("GET", "/a/things/1"), ("GET", "/b/notes"), ("HEAD", "/a/things/1")],
     [("DELETE", "/a/things/1"), ("POST", "/a/things"), ("POST", "/a/things/1/restart"), ("GET", "/a")]),
    ({"kinds": ["opaque"]}, [("GET", "/a/x"), ("POST", "/a/things/1%2Frestart")], [("GET", "/a/things")]),
    ({}, [("POST", "/a/things")], [("GET", "/a/x")]),
])
def test_allow(make_sites, tmp_path, allow, may, may_not):
    services = {"a": Origin(), "b": Origin()}
    site = make_sites("Nantes", services=lambda _: services,
                      config={"peers": {"sites": {"Paris": {"address": "127.0.0.1:1", "allow": allow},
                                                  "Lyon": {"address": "127.0.0.1:1"}}}})[0]

    def asked(name, method, target):
        with Caller(site) as c:
            assert c.greet(name).status == 200
            c.request(method, target, f"Cheops-Leg: {leg(service=target[1])}")
            return c.read_answer(method).status

    for method, target in may:
        assert asked("Paris", method, target) == 200, (method, target)
    seen = [len(s.requests) for s in services.values()]
    for method, target in may_not:
        assert asked("Paris", method, target) == 403, (method, target)
    assert [len(s.requests) for s in services.values()] == seen
    if may_not:
        assert asked("Lyon", "GET", "/a/things") == 200  # each site has its own


def test_an_otherwise_goes_on_after_a_refusal(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    rewrite(paris, lambda config: config["peers"]["sites"]["Nantes"].update(allow={"kinds": ["read"]}))
    restart(paris)
    until(lambda: nantes.sees(paris, "up"), "Nantes to see Paris again")
    status, fields, _ = nantes.ask("POST", "/a/things", b"{}", Scope="{a: Paris ; Nantes}")
    assert (status, fields["cheops-tried"]) == (200, "Paris=refused, Nantes=200")
    assert not paris.service.requests


def test_a_kind_that_depends_on_the_body(make_sites, tmp_path):
    """`allow` counts for what the body makes of a request, not for what it would be without one."""
    application = tmp_path / "actions.yaml"
    application.write_text("""
application: actions
services:
  a:
    prefix: /a
    types:
      server:
        collection: /a/servers
        item: /a/servers/{id}
        operations:
          - {name: destroy, kind: delete, method: POST, path: "{item}/action", when: [{member: /destroy}]}
          - {name: act, kind: action, method: POST, path: "{item}/action"}
""")
    allow = {"kinds": ["action"]}
    site = make_sites("Nantes", application=application,
                      config={"peers": {"sites": {"Paris": {"address": "127.0.0.1:1", "allow": allow}}}})[0]
    for body, status in [(b'{"reboot":{}}', 200), (b'{"destroy":{}}', 403), (b'{"a":1, "destroy":null}', 403)]:
        with Caller(site) as c:
            assert c.greet("Paris", application="actions").status == 200
            answer = c.ask_leg("POST", "/a/servers/1/action", "Content-Type: application/json", body=body)
            assert answer.status == status, body
    assert [r.body for r in site.service.requests] == [b'{"reboot":{}}']


# -- what a client cannot do

def test_a_client_cannot_speak_as_a_site(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    with nantes.client() as c:
        answer = c.ask("POST", "/cheops/hello", body=hello("Paris"))
        assert (answer.status, answer.get("Cheops-Error")) == (404, "unknown-service")
    with nantes.client() as c:
        assert c.ask("POST", "/cheops/v1/heartbeat", body=b'{"row":{"Nantes":1}}').status == 404
    with nantes.client() as c:
        value = leg("b", scope="{a: Paris}", transaction="00000000000000ff")
        answer = c.ask("GET", "/a/things", f"Cheops-Leg: {value}", "Cheops-Site: Paris", "CHEOPS-Anything: x")
        assert answer.status == 200 and not answer.has("Cheops-Site")
    got = nantes.service.requests[-1]
    assert not [name for name, _ in got.fields if name.lower().startswith("cheops-")]
    assert not got.has("Scope") and not paris.service.requests
    assert "00000000000000ff" not in [line.get("transaction") for line in nantes.logged(3)]


def test_a_service_cannot_speak_as_cheops(make_sites):
    forged = render(200, b"{}", "Cheops-Site: Lyon", "Cheops-Error: site-down", "Cheops-Tried: Lyon=200")
    nantes, _ = make_sites("Nantes", "Paris", services=lambda _: {"a": Origin(lambda c: (c.read_request(),
                                                                                         c.send(forged)))})
    for scope in ("{a: Nantes}", "{a: Paris}"):
        _, fields, _ = nantes.ask(Scope=scope)
        assert "cheops-error" not in fields and "cheops-tried" not in fields
        assert fields["cheops-site"] == scope[4:-1]


# -- what a leg cannot do

def test_a_leg_runs_here_whatever_its_scope_says(make_sites, authority):
    nantes, paris = make_sites("Nantes", "Paris", authority=authority)
    with Caller(nantes, context_of(authority, "Paris")) as c:
        assert c.greet("Paris").status == 200
        for scope in ("{a: Paris}", "{a: Lyon}", "{a: Paris ; Lyon}", "{b: Paris}", "{}"):
            answer = c.ask_leg("GET", "/a/things", "X-Only-Scope: {a: Paris}", "Scope: {a: Paris}",
                               "baggage: scope=%7Ba%3A%20Paris%7D", scope=scope)
            assert answer.status == 200
        assert c.ask_leg("GET", "/~scope/%7Ba%3A%20Paris%7D/a/things").status == 403
    assert len(nantes.service.requests) == 5 and not paris.service.requests


@pytest.mark.parametrize("scope", [
    b"{a: Nantes}\r\nX-Auth-Token: stolen",
    b"{a: Nantes}\r\n\r\nDELETE /a/things/1 HTTP/1.1\r\nHost: h\r\n",
    b"{a: Nantes}\0",
    b"{a:Nantes}", b"{Nantes}", b"{a: here}", b"nonsense", b"",
])
def test_a_leg_with_a_scope_that_is_none(make_sites, scope):
    site = make_sites("Nantes", config=peers(Paris=1))[0]
    with Caller(site) as c:
        assert c.greet("Paris").status == 200
        answer = c.ask_leg(scope=scope)
        assert (answer.status, answer.get("Cheops-Error")) == (400, "bad-request")
    assert not site.service.requests


def test_a_leg_field_that_stands_twice(make_sites):
    site = make_sites("Nantes", config=peers(Paris=1))[0]
    with Caller(site) as c:
        assert c.greet("Paris").status == 200
        answer = c.ask_leg("GET", "/a/things", f"Cheops-Leg: {leg('b')}")
        assert (answer.status, answer.get("Cheops-Error")) == (400, "bad-request")
    assert not site.service.requests


def test_a_leg_is_bounded_as_a_request_is(make_sites):
    site = make_sites("Nantes", config={**peers(Paris=1), "limits": {"body": 1000}})[0]
    with Caller(site) as c:
        assert c.greet("Paris").status == 200
        assert c.ask_leg("POST", body=b"x" * 1001).status == 413
    with Caller(site) as c:
        assert c.greet("Paris").status == 200
        c.request("POST", "/a/things", f"Cheops-Leg: {leg()}", f"X-Long: {'x' * 20000}")
        assert c.read_answer().status == 431
    assert not site.service.requests


def test_a_service_that_leads_back_to_its_own_door(make_sites):
    """A leg whose service is this site's own listener for clients goes in circles, and ends."""
    site = make_sites("Nantes", config=peers(Paris=1))[0]
    rewrite(site, lambda config: config["services"]["a"].update(url=f"http://127.0.0.1:{site.port}"))
    restart(site)
    with Caller(site) as c:
        assert c.greet("Paris").status == 200
        answer = c.ask_leg()
        assert (answer.status, answer.get("Cheops-Error")) == (508, None)  # of the innermost, as a service's answer
    until(lambda: any(line.get("error") == "loop" for line in site.log()), "the loop in the log")


def test_two_sites_that_lead_to_each_other(make_sites):
    """Paris' service is Nantes' listener for clients: {a: Paris} would go round for ever."""
    nantes, paris = make_sites("Nantes", "Paris")
    rewrite(paris, lambda config: config["services"]["a"].update(url=f"http://127.0.0.1:{nantes.port}"))
    restart(paris)
    until(lambda: nantes.sees(paris, "up"), "Nantes to see Paris again")
    status, _, _ = nantes.ask(Scope="{a: Paris}")
    assert status == 508
    until(lambda: any(line.get("error") == "loop" for line in nantes.log() + paris.log()), "the loop in a log")
    assert not nantes.service.requests


def test_a_leg_that_has_passed_here_too_often(make_sites):
    site = make_sites("Nantes", config=peers(Paris=1))[0]
    with Caller(site) as c:
        assert c.greet("Paris").status == 200
        via = ", ".join(["1.1 cheops-Nantes, 1.1 cheops-Paris"] * 3)
        assert c.ask_leg("GET", "/a/things", f"Via: {via}").status == 200
        answer = c.ask_leg("GET", "/a/things", f"Via: {via}, 1.1 cheops-Nantes")
        assert (answer.status, answer.get("Cheops-Error")) == (508, "loop")
    assert len(site.service.requests) == 1


# -- sites that are down

@pytest.fixture
def holes():
    """Black holes, closed at the end."""
    made = []

    def make():
        made.append(BlackHole())
        return made[-1]

    yield make
    for hole in made:
        hole.stop()


def time_to_start(site):
    begun = time.monotonic()
    start_again(site)
    return time.monotonic() - begun


def test_starting_while_every_other_site_is_down(make_sites, holes):
    """Refused, black-holed, silent, without an address: it takes no longer than without other sites."""
    silent = Origin(hang)
    try:
        alone = make_sites("Nantes", config=SLOW)[0]
        others = {"Refused": 1, "Hole": holes().port, "Silent": silent.port}
        site = make_sites("Brest", config={**SLOW, **peers(**others)})[0]
        rewrite(site, lambda config: (config["peers"].update(suspect="30s", down="60s"),
                                      config["peers"]["sites"].update(
                                          Nameless={"address": "no-such-name.invalid:7"})))
        for s in (alone, site):
            s.terminate()
            assert s.wait_for_end() == 0
        assert time_to_start(site) < time_to_start(alone) + AT_ONCE_S
        assert site.ask()[0] == 200
    finally:
        silent.stop()


@pytest.mark.parametrize("kind", ["refused", "black hole", "silent"])
def test_a_site_that_is_known_to_be_down_is_refused_at_once(make_sites, holes, kind):
    silent = Origin(hang)
    try:
        port = {"refused": 1, "black hole": holes().port, "silent": silent.port}[kind]
        site = make_sites("Nantes", config={**SLOW, **peers(Paris=port)})[0]
        until(lambda: state_of(site, "Paris")["state"] == "down", "Paris to be down")
        begun = time.monotonic()
        status, fields, body = site.ask(Scope="{a: Paris}")
        assert time.monotonic() - begun < AT_ONCE_S
        assert (status, fields["cheops-error"], fields["retry-after"]) == (503, "site-down", "1")
        assert "the site Paris is known to be down" in json.loads(body)["detail"]
        status, fields, _ = site.ask(Scope="{a: Paris ; Nantes}")
        assert (status, fields["cheops-tried"]) == (200, "Paris=down, Nantes=200")
        assert time.monotonic() - begun < AT_ONCE_S
        until(lambda: state_of(site, "Paris").get("error"), "the reason to be told")
    finally:
        silent.stop()


def test_a_site_that_ends_is_down_before_its_silence_is_up(make_sites, authority):
    """Refused connections count at once: it does not take `suspect` and `down` to know."""
    slow_peers = {"peers": {"suspect": "300s", "down": "600s"}}
    nantes, paris = make_sites("Nantes", "Paris", authority=authority, config=slow_peers)
    paris.terminate()
    assert paris.wait_for_end() == 0
    until(lambda: nantes.sees(paris, "down"), "Paris to be down")
    start_again(paris)
    until(lambda: nantes.sees(paris, "up"), "Paris to be up again")
    assert nantes.ask(Scope="{a: Paris}")[0] == 200


def test_a_site_that_hangs(make_sites, authority):
    """Suspect, down, and up again; nothing that is local waits for it."""
    nantes, paris = make_sites("Nantes", "Paris", authority=authority,
                               config={**SLOW, "peers": {"suspect": "2s", "down": "6s"}})
    answers = []
    paris.process.send_signal(signal.SIGSTOP)
    asking = threading.Thread(target=lambda: answers.append(nantes.ask(Scope="{a: Paris}")[0]))
    asking.start()
    try:
        until(lambda: any(t["site"] == "Paris" for t in nantes.transactions()), "a request that waits for Paris")
        for state in ("suspect", "down"):
            until(lambda s=state: nantes.sees(paris, s), f"Paris to be {state}")
            begun = time.monotonic()
            assert nantes.ask()[0] == 200 and nantes.ask(Scope="{a: Nantes}")[0] == 200
            assert time.monotonic() - begun < AT_ONCE_S
        assert not answers and asking.is_alive()
        assert nantes.ask(Scope="{a: Paris}")[1]["cheops-error"] == "site-down"
    finally:
        paris.process.send_signal(signal.SIGCONT)
    asking.join(20)
    assert answers == [200]  # it was only slow
    until(lambda: nantes.sees(paris, "up"), "Paris to be up again")
    assert nantes.ask(Scope="{a: Paris}")[0] == 200


def test_answers_to_legs_are_signs_of_life(make_sites):
    """A site whose heartbeats are not answered while its legs are is not down."""
    legs_only = Origin(*[hang], then=as_site("Paris"))
    site = None
    try:
        site = make_sites("Nantes", config={**peers(Paris=legs_only.port),
                                            "peers": {**peers(Paris=legs_only.port)["peers"], "suspect": "2s",
                                                      "down": "8s"}})[0]
        until(lambda: legs_only.connections, "the first heartbeat")
        assert site.ask(Scope="{a: Paris}")[0] == 200
        until(lambda: state_of(site, "Paris")["state"] == "up", "Paris to be up")
    finally:
        legs_only.stop()


def test_what_a_site_sends_bit_by_bit(make_sites):
    """A heartbeat's answer that comes byte by byte is read; one that does not end is given up."""
    whole = render(200, json.dumps({"row": {"Nantes": 77}, "more": "x" * 12000}).encode())

    def drip(c):
        c.read_request()
        c.send(render(200, hello("Paris")))
        c.read_request()
        for at in range(0, len(whole), 7):
            c.send(whole[at:at + 7])
        c.read_request()
        c.send(whole[:-1])
        c.hang()

    origin = Origin(drip)
    try:
        site = make_sites("Nantes", config=peers(Paris=origin.port))[0]
        until(lambda: state_of(site, "Paris")["state"] == "up", "Paris to be up")
        until(lambda: "time" in (state_of(site, "Paris").get("error") or ""), "the second heartbeat to be given up")
    finally:
        origin.stop()


# -- how much of this site one other site can have

def test_how_many_connections_a_site_may_have(make_sites, authority):
    site = make_sites("Nantes", authority=authority,
                      config={**peers(Paris=1, Lyon=1), "limits": {"site_connections": 4}})[0]
    context = context_of(authority, "Paris")
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(Caller(site, context)) for _ in range(4)]
        for c in callers:
            assert c.greet("Paris").status == 200
        assert state_of(site, "Paris")["connections"] == 4
        with Caller(site, context) as c:
            answer = c.greet("Paris")
            assert (answer.status, answer.get("Cheops-Error")) == (503, "overloaded")
            assert json.loads(answer.body)["detail"] == "Paris has 4 connections to Nantes already"
            c.expect_close()
        with Caller(site, context_of(authority, "Lyon")) as c:
            assert c.greet("Lyon").status == 200  # the others have theirs
        callers[0].close()
        until(lambda: state_of(site, "Paris")["connections"] == 3, "the place to be free")
        with Caller(site, context) as c:
            assert c.greet("Paris").status == 200 and c.ask_leg().status == 200
    until(lambda: state_of(site, "Paris")["connections"] == 0, "every place to be free")
    until(lambda: any(line["error"] == "overloaded" for line in refusals(site)), "the refusal in the log")


def test_how_many_legs_a_site_may_have_under_way(make_sites, authority):
    going_on = threading.Event()
    slow = Origin([read_request, wait(going_on), send(render(200, b"{}")), serve(render(200, b"{}"))])
    site = make_sites("Nantes", services=lambda _: {"a": slow}, authority=authority,
                      config={**peers(Paris=1, Lyon=1), "limits": {"site_legs": 2}})[0]
    context = context_of(authority, "Paris")
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(Caller(site, context)) for _ in range(2)]
        for c in waiting:
            assert c.greet("Paris").status == 200
            c.request("GET", "/a/things", f"Cheops-Leg: {leg()}")
        until(lambda: len(slow.requests) == 2, "both legs to run")
        assert state_of(site, "Paris")["legs"] == 2
        with Caller(site, context) as c:
            assert c.greet("Paris").status == 200
            answer = c.ask_leg()
            assert (answer.status, answer.get("Cheops-Error"), answer.get("Retry-After")) == (503, "overloaded", "1")
            assert b"Paris has 2 legs under way at Nantes already" in answer.body
            assert c.post("/cheops/v1/heartbeat", b"{}").status == 200  # it is not taken for down
        going_on.set()
        assert [c.read_answer().status for c in waiting] == [200, 200]
        until(lambda: state_of(site, "Paris")["legs"] == 0, "the places to be free")
        with Caller(site, context) as c:
            assert c.greet("Paris").status == 200 and c.ask_leg().status == 200
    assert len(slow.requests) == 3


def test_a_site_that_is_full_is_not_asked_twice(make_sites):
    """What is refused for its number has not run: an otherwise goes on."""
    going_on = threading.Event()
    slow = Origin([read_request, wait(going_on), send(render(200, b"{}"))])
    try:
        nantes, paris = make_sites("Nantes", "Paris", config={"limits": {"site_legs": 1}},
                                   services=lambda name: {"a": slow if name == "Paris" else Origin()})
        asking = threading.Thread(target=lambda: nantes.ask(Scope="{a: Paris}"))
        asking.start()
        until(lambda: slow.requests, "the first leg to run")
        status, fields, _ = nantes.ask("POST", "/a/things", b"{}", Scope="{a: Paris ; Nantes}")
        assert (status, fields["cheops-tried"]) == (200, "Paris=refused, Nantes=200")
        assert nantes.ask(Scope="{a: Paris}")[1]["cheops-error"] == "overloaded"
    finally:
        going_on.set()
    asking.join(20)
    assert len(paris.service.requests) == 1


def test_a_leg_that_is_cut_off_gives_its_place_back(make_sites):
    slow = Origin(hang)
    site = make_sites("Nantes", services=lambda _: {"a": slow},
                      config={**peers(Paris=1), "limits": {"site_legs": 1}})[0]
    for n in range(1, 4):
        with Caller(site) as c:
            assert c.greet("Paris").status == 200
            c.request("GET", "/a/things", f"Cheops-Leg: {leg()}")
            until(lambda n=n: len(slow.connections) == n and slow.connections[-1].raw, f"leg {n} to run")
            c.reset()
        until(lambda: state_of(site, "Paris")["legs"] == 0, "the place to be free")
