"""`cheops check`: each kind of fault is made, and found."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from support import BUILD, TOP, Authority, Origin, Site, render, serve, until
from support.origin import hang
from support.peer import BlackHole, as_site, date, rewrite
from support.ports import reserve_port
from test_ctl import cheops

LIMIT_S = 60  # of a command that may wait for what is dead


def answering(status=200, ahead_s=0):
    return serve(lambda request: render(status, b"{}", date(ahead_s)))


def run(config, *more):
    return subprocess.run([str(BUILD / "cheops"), "check", "--config", str(config), *more], capture_output=True,
                          text=True, timeout=LIMIT_S, check=False)


def check(site, status=0):
    """The rows of a site's table: a list for each check and what it is of."""
    done = run(site.daemon.config, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"] == (status == 0)
    rows = {}
    for row in answer["rows"]:
        assert list(row) == ["check", "of", "state", "found", "todo"]
        rows.setdefault((row["check"], row["of"]), []).append(row)
    for state, count in answer["counts"].items():
        assert count == sum(row["state"] == state for row in answer["rows"])
    return rows


def only(rows, name, of):
    """The state and the text of the only row of a check."""
    row, = rows[name, of]
    assert row["state"] in ("ok", "unknown") or row["todo"], row
    return row["state"], row["found"]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def make(tmp_path):
    """A site that is configured and not started; `start` starts it."""
    made = []

    def make(config=None, services=None, authority=None, application="example", name="Nantes"):
        site = Site(name, tmp_path, services or {"a": Origin(answering())}, config, application, authority)
        made.append(site)
        site.daemon.configure(site.configuration(()))
        return site

    yield make
    for site in made:
        site.stop()


# -- nothing is wrong

def test_two_sites_that_are_well(make_sites, authority):
    sites = make_sites("Nantes", "Paris", authority=authority, services=lambda _: {"a": Origin(answering())})
    nantes = sites[0]
    rows = check(nantes)
    assert only(rows, "configuration", nantes.daemon.config)[0] == "ok"
    assert [row["state"] for row in rows["certificates", "links"]] == ["ok", "ok"]  # the certificate, the CA
    for of in (("keys", "links"), ("certificates", "Paris"), ("carriers", "a"), ("daemon", "cheopsd"),
               ("services", "a"), ("sites", "Paris"), ("descriptions", "Paris"), ("clocks", "a"), ("clocks", "Paris")):
        assert only(rows, *of)[0] == "ok", rows[of]
    assert "up, round trip" in only(rows, "sites", "Paris")[1]
    assert "answers 200 in" in only(rows, "services", "a")[1]
    assert only(rows, "carriers", "a")[1] == \
        "suffix of X-Auth-Token, Scope, baggage, memory by X-Request-ID; credential checks pass here"
    done = run(nantes.daemon.config)
    assert done.returncode == 0 and done.stdout.startswith("CHECK ") and " 0 faults, " in done.stdout.splitlines()[-1]
    assert nantes.service.requests[-1].target == "/" and nantes.service.requests[-1].method == "GET"


# -- files

def test_a_configuration_that_does_not_load(make):
    site = make()
    rewrite(site, lambda c: c.update(sight="Nantes"))
    rows = check(site, status=1)
    state, found = only(rows, "configuration", site.daemon.config)
    assert state == "fault" and "has no key 'sight'" in found and f"{site.daemon.config}:" in found
    assert only(rows, "services", None) == ("unknown", "the configuration does not load")


def test_there_is_no_configuration(tmp_path):
    done = run(tmp_path / "none.yaml")
    assert done.returncode == 1 and "none.yaml cannot be opened" in done.stdout
    assert run(tmp_path / "none.yaml", "--jsn").returncode == 2
    assert run(tmp_path / "none.yaml", "more").returncode == 2


def test_a_key_that_is_not_the_certificates(make, authority):
    site = make(authority=authority)
    shutil.copy(authority.issue("other")[1], authority.folder / "Nantes.key")
    assert "key" in only(check(site, status=1), "configuration", site.daemon.config)[1]


def test_a_key_that_others_can_read(make_sites, authority):
    site, = make_sites("Nantes", authority=authority)
    (authority.folder / "Nantes.key").chmod(0o640)
    rows = check(site)
    assert only(rows, "keys", "links") == ("warning", f"{authority.folder}/Nantes.key can be read by others (mode 0640)")
    state, found = only(rows, "configuration", site.daemon.config)
    assert state == "warning" and "it loads, with 1 warning" in found


@pytest.mark.parametrize("days, state, said", [(90, "ok", "(89|90) days"), (20, "warning", "(19|20) days")])
def test_a_certificate_that_ends(make, authority, days, state, said):
    def listener(site):
        certificate, key = authority.issue("door", days=days)
        first = dict(zip(("certificate", "key"), map(str, authority.issue("first"))))
        return {"listeners": [{"address": f"127.0.0.1:{site.port}", "tls": first,
                               "certificates": [{"certificate": str(certificate), "key": str(key)}]}]}
    site = make(config=listener)
    first, second = check(site, status=1)["certificates", f"listener 127.0.0.1:{site.port}"]
    assert first["state"] == "ok" and "/first.crt ends" in first["found"]
    assert second["state"] == state and re.search(said, second["found"])


def issue_as_site(authority, names):
    certificate, key = authority.issue("Nantes", *names)
    return {"certificate": str(certificate), "key": str(key), "ca": str(authority.ca)}


@pytest.mark.parametrize("names, said", [
    (["URI:cheops://site/Paris"], "is the certificate of Paris, this is Nantes"),
    (["IP:127.0.0.1"], "bears no site's name"),
])
def test_a_link_whose_certificate_bears_the_wrong_name(make, authority, names, said):
    site = make(config={"peers": {**issue_as_site(authority, names), "plain": False}})
    faults = [row["found"] for row in check(site, status=1)["certificates", "links"] if row["state"] == "fault"]
    assert len(faults) == 1 and said in faults[0]


def test_a_link_whose_certificate_another_authority_has_signed(make, authority, tmp_path):
    other = Authority(tmp_path / "other")
    settings = {**other.issue_site("Nantes"), "ca": str(authority.ca), "plain": False}
    faults = [row for row in check(make(config={"peers": settings}), status=1)["certificates", "links"]
              if row["state"] == "fault"]
    assert len(faults) == 1 and "is not what other sites take: unable to get" in faults[0]["found"]
    assert "cheops ca issue Nantes" in faults[0]["todo"]


def test_a_link_whose_certificate_is_revoked(make, tmp_path):
    folder = tmp_path / "authority"
    cheops("ca", "init", "--dir", folder)
    cheops("ca", "issue", "--dir", folder, "--days", "20", "Nantes")
    cheops("ca", "revoke", "--dir", folder, "Nantes")
    settings = {key: str(folder / name) for key, name in (("certificate", "Nantes.crt"), ("key", "Nantes.key"),
                                                          ("ca", "ca.crt"), ("crl", "crl.pem"))}
    rows = check(make(config={"peers": {**settings, "plain": False}}), status=1)["certificates", "links"]
    assert [row["state"] for row in rows] == ["warning", "fault", "ok"]  # it ends, is revoked; the CA is good
    assert "certificate revoked" in rows[1]["found"]


def test_nothing_carries_a_scope(make, tmp_path):
    description = tmp_path / "shy.yaml"
    description.write_text("application: shy\nservices:\n  a: {prefix: /a, types: {thing: {collection: /a/things}}}\n"
                           "propagate: {scope: false, baggage: false, correlation: false, credentials: []}\n")
    site = make(application=description)
    assert only(check(site, status=1), "carriers", "a")[0] == "warning"


def test_credential_checks_do_not_pass_here(make):
    site = make(config=lambda site: {"services": {"a": {"url": site.service.url, "credential_checks": "elsewhere"}}})
    state, found = only(check(site, status=1), "carriers", "a")
    assert state == "warning" and found.startswith("Scope, baggage, memory by X-Request-ID; no suffix of credentials")


# -- the daemon

def test_the_daemon_does_not_run(make):
    site = make()
    state, found = only(check(site, status=1), "daemon", "cheopsd")
    assert state == "fault" and "No such file or directory" in found
    rewrite(site, lambda c: c.pop("admin"))
    assert only(check(site), "daemon", "cheopsd")[0] == "unknown"


def test_the_daemon_hangs(make_sites):
    site, = make_sites("Nantes")
    site.process.send_signal(signal.SIGSTOP)
    state, found = only(check(site, status=1), "daemon", "cheopsd")
    assert state == "fault" and "does not answer" in found


def test_a_reload_was_forgotten(make_sites, authority, tmp_path):
    description = tmp_path / "app.yaml"
    shutil.copy(TOP / "apps/example.yaml", description)
    site, = make_sites("Nantes", authority=authority, application=description)
    assert only(check(site), "daemon", "cheopsd")[0] == "ok"

    def changed():
        state, found = only(check(site), "daemon", "cheopsd")
        assert state == "warning"
        return found.rpartition(": ")[2]
    rewrite(site, lambda c: c.update(limits={"body": 4}))
    assert changed() == "configuration"
    with open(description, "a", encoding="utf-8") as file:
        file.write("# more\n")
    assert changed() == "configuration, description"
    authority.issue_site("Nantes")
    assert changed() == "configuration, description, certificates"
    cheops("reload", "--admin", site.socket)
    assert only(check(site), "daemon", "cheopsd")[0] == "ok"


def test_more_connections_than_descriptors(make_sites):
    site, = make_sites("Nantes", config={"limits": {"connections": 1000000}})
    state, found = only(check(site), "limits", "descriptors")
    assert state == "warning" and "may need 4000256" in found


# -- services and sites

def test_services_that_do_not_answer_cost_seconds(make, authority):
    """All are asked at once, also a site whose packets are lost."""
    closed, hole = reserve_port(), BlackHole()
    services = {"a": Origin(hang), "b": Origin(answering(503))}
    peers = {"sites": {f"S{i}": {"address": f"127.0.0.1:{hole.port}"} for i in range(8)}}
    site = make(services=services, config={"peers": peers})
    begun = time.monotonic()
    rows = check(site, status=1)
    assert time.monotonic() - begun < 30  # one after the other the nine of them have 45 s
    state, found = only(rows, "services", "a")
    assert state == "fault" and "takes connections, but does not answer within 5 s" in found
    assert only(rows, "services", "b") == ("warning", f"127.0.0.1:{services['b'].port} answers 503 to GET /")
    for i in range(8):
        assert only(rows, "sites", f"S{i}") == ("fault", "it does not take the connection within 5 s")
        assert only(rows, "clocks", f"S{i}")[0] == "unknown"
    hole.stop()
    rewrite(site, lambda c: c["services"]["a"].update(url=f"http://127.0.0.1:{closed.getsockname()[1]}"))
    state, found = only(check(site, status=1), "services", "a")
    assert state == "fault" and "does not take connections" in found
    closed.close()


@pytest.mark.parametrize("script, said", [
    (lambda c: (c.read_head(), c.send(b"SSH-2.0-x\r\n\r\n")), "its answer is not HTTP/1.1"),
    (lambda c: c.read_head(), "it ends the connection without an answer"),
])
def test_a_service_that_speaks_something_else(make, script, said):
    state, found = only(check(make(services={"a": Origin(script)}), status=1), "services", "a")
    assert state == "fault" and said in found


def test_a_service_whose_certificate_is_not_good(make, authority, tmp_path):
    other = Authority(tmp_path / "other")
    origin = Origin(answering(), tls=authority.server_context("service", "IP:127.0.0.1"))

    def services(ca):
        return {"services": {"a": {"url": origin.url, "tls": {"ca": str(ca)}}}}
    site = make(config=services(authority.ca), services={"a": origin})
    state, found = only(check(site, status=1), "services", "a")
    assert state == "ok" and "over TLS" in found
    site.daemon.configure({**site.configuration(()), **services(other.ca)})
    row, = check(site, status=1)["services", "a"]
    assert row["state"] == "fault" and "certificate" in row["found"] and "`tls: ca`" in row["todo"]


def test_a_site_that_is_down(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    paris.process.send_signal(signal.SIGSTOP)
    until(lambda: nantes.sees(paris, "down"), "Paris to be down")
    rows = check(nantes, status=1)
    state, found = only(rows, "sites", "Paris")
    assert state == "fault" and found.startswith("down")
    assert only(rows, "clocks", "Paris")[0] == "unknown"


def test_sites_are_asked_without_a_daemon(make, make_sites, authority):
    """Their hello is judged as the daemon does it."""
    paris, lyon = make_sites("Paris", "Lyon", authority=authority)
    peers = {"sites": {"Paris": {"address": f"127.0.0.1:{paris.peer_port}"},
                       "Lyon": {"address": f"127.0.0.1:{paris.peer_port}"}}}
    site = make(config={"peers": {**peers, **authority.issue_site("Nantes"), "plain": False}})
    rows = check(site, status=1)
    state, found = only(rows, "sites", "Paris")
    assert state == "fault" and "it refuses this site" in found  # Paris was told of Lyon only
    state, found = only(rows, "sites", "Lyon")
    assert state == "fault" and "bears the name Paris" in found
    rewrite(paris, lambda c: c["peers"]["sites"].update(Nantes={"address": "127.0.0.1:1"}))
    cheops("reload", "--admin", paris.socket)
    rows = check(site, status=1)
    state, found = only(rows, "sites", "Paris")
    assert state == "ok" and "answers a hello" in found
    assert [only(rows, of, "Paris")[0] for of in ("certificates", "descriptions", "clocks")] == ["ok", "ok", "ok"]


def test_descriptions_that_differ(make_sites, make, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text((TOP / "apps/example.yaml").read_text() + "\n# another one\n")
    paris = Origin(as_site("Paris"))  # the digest of its hello is 0
    site, = make_sites("Nantes", config={"peers": {"sites": {"Paris": {"address": f"127.0.0.1:{paris.port}"}}}})
    try:
        until(lambda: site.daemon.sites()["Paris"]["description"] == "differs", "Paris to have told")
        assert only(check(site), "descriptions", "Paris")[0] == "warning"
        site.terminate()
        assert site.wait_for_end() == 0
        assert only(check(site, status=1), "descriptions", "Paris")[0] == "warning"  # by a hello of its own
    finally:
        paris.stop()


@pytest.mark.parametrize("ahead_s, state, said", [(3600, "fault", "ahead of"), (-20, "warning", "behind")])
def test_clocks_that_are_off(make_sites, ahead_s, state, said):
    paris = Origin(as_site("Paris", ahead_s=ahead_s))
    site, = make_sites("Nantes", config={"peers": {"sites": {"Paris": {"address": f"127.0.0.1:{paris.port}"}}}},
                       services=lambda _: {"a": Origin(answering(ahead_s=ahead_s))})
    try:
        until(lambda: site.daemon.sites()["Paris"]["clock_ms"] is not None, "the first heartbeat")
        rows = check(site, status=int(state == "fault"))
        for who in ("a", "Paris"):
            found = only(rows, "clocks", who)
            assert found[0] == state and f" ms {said} the clock here" in found[1]
            assert abs(int(found[1].split()[0]) - abs(ahead_s) * 1000) < 10000
        site.terminate()
        assert site.wait_for_end() == 0
        assert only(check(site, status=1), "clocks", "Paris")[0] == state
    finally:
        paris.stop()


def test_a_service_without_a_date(make_sites):
    site, = make_sites("Nantes")
    assert only(check(site), "clocks", "a") == ("unknown", "its answers have no Date")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_socket_that_may_not_be_opened():
    with tempfile.TemporaryDirectory() as folder:  # every user may look into it, unlike pytest's own
        os.chmod(folder, 0o755)
        site = Site("Nantes", pathlib.Path(folder))
        try:
            site.start()
            os.chmod(site.daemon.config, 0o644)
            done = subprocess.run([str(BUILD / "cheops"), "check", "--json", "--config", site.daemon.config],
                                  user="nobody", group="nogroup", extra_groups=[], capture_output=True, text=True,
                                  timeout=LIMIT_S, check=False)
        finally:
            site.stop()
    row = next(row for row in json.loads(done.stdout)["rows"] if row["check"] == "daemon")
    assert row["state"] == "unknown" and "Permission denied" in row["found"] and "admin: group" in row["todo"]
