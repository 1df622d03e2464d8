"""The command `cheops` with real daemons."""
import json
import re
import shutil
import signal
import subprocess

import pytest
from support import BUILD, TOP, Site, until
from support.origin import hang, read_request


def cheops(*arguments, status=0):
    done = subprocess.run([str(BUILD / "cheops"), *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


class TlsSite(Site):
    """A site whose links are made with the certificates of `cheops ca`, copied as an operator would."""

    def take_certificate(self, authority, name=None):
        own = self.folder / f"{self.name}.tls"
        own.mkdir(exist_ok=True)
        for suffix in (".crt", ".key"):
            shutil.copy(authority / f"{name or self.name}{suffix}", own / f"{self.name}{suffix}")
        self.take_list(authority)

    def take_list(self, authority):
        for name in ("ca.crt", "crl.pem"):
            shutil.copy(authority / name, self.folder / f"{self.name}.tls" / name)

    def peer_settings(self):
        own = self.folder / f"{self.name}.tls"
        files = {"certificate": f"{self.name}.crt", "key": f"{self.name}.key", "ca": "ca.crt", "crl": "crl.pem"}
        return {key: str(own / file) for key, file in files.items()}

    def error_about(self, other):
        row = next(s for s in self.admin("/v1/sites")[1]["sites"] if s["site"] == other.name)
        return (row["error"] or "") if row["state"] == "down" else ""


@pytest.fixture
def authority(tmp_path):
    folder = tmp_path / "ca"
    cheops("ca", "init", "--dir", folder)
    for name in ("Nantes", "Paris", "Lyon"):
        cheops("ca", "issue", "--dir", folder, name)
    return folder


@pytest.fixture
def tls_sites(tmp_path):
    sites = [TlsSite(name, tmp_path) for name in ("Nantes", "Paris")]
    yield sites
    for site in sites:
        site.stop()


def start(sites):
    for site in sites:
        site.start([other for other in sites if other is not site])


def test_two_sites_link_with_their_certificates(authority, tls_sites):
    nantes, paris = tls_sites
    for site in tls_sites:
        site.take_certificate(authority)
    start(tls_sites)
    until(lambda: nantes.sees(paris, "up") and paris.sees(nantes, "up"), "both to be up")
    status, fields, _ = nantes.ask(Scope="{a: Paris}")
    assert (status, fields["cheops-site"]) == (200, "Paris")


def test_a_revoked_site_gets_nothing(authority, tls_sites):
    nantes, paris = tls_sites
    paris.take_certificate(authority)
    cheops("ca", "revoke", "--dir", authority, "Paris")
    nantes.take_certificate(authority)
    start(tls_sites)
    until(lambda: "revoked" in nantes.error_about(paris), "Nantes to refuse Paris")
    until(lambda: paris.error_about(nantes), "Paris to be refused")
    assert nantes.ask(Scope="{a: Paris}")[0] == 503
    assert paris.ask(Scope="{a: Nantes}")[0] == 503
    assert not nantes.service.requests and not paris.service.requests


def test_a_site_with_anothers_certificate_gets_nothing(authority, tls_sites):
    """Lyon's certificate is good, but Lyon is no site of this configuration, and Paris is not Lyon."""
    nantes, paris = tls_sites
    nantes.take_certificate(authority)
    paris.take_certificate(authority, "Lyon")
    start(tls_sites)
    until(lambda: "bears the name 'Lyon'" in nantes.error_about(paris), "Nantes to refuse Paris")
    until(lambda: "refuses this site" in paris.error_about(nantes), "Paris to be refused")
    assert nantes.ask(Scope="{a: Paris}")[0] == 503
    assert paris.ask(Scope="{a: Nantes}")[0] == 503
    assert not nantes.service.requests and not paris.service.requests


# ---- explain

# Requests whose plan needs no other site's state: word for word the same from both.
AT_HOME = [
    ("GET", "/a/things"),
    ("GET", "/a/things", "--scope", "{a: Nantes}", "--header", "X-Auth-Token: secret"),
    ("POST", "/a/things", "--scope", "here"),
    ("GET", "/a/things/7?name=x", "--scope", "{b: Paris, *: here, timeout: 2s}"),
    ("GET", "/a/things", "--header", "Scope: {a: Nantes}"),
    ("GET", "/", "--service", "a", "--scope", "{*: Nantes}"),
    ("GET", "/a/things", "--scope", "{a: Pariss}"),
    ("GET", "/a/things", "--scope", "{a: Par is}"),
    ("GET", "/nowhere"),
    ("GET", "/", "--service", "aa"),
    ("GE T", "/a/things"),
    ("GET", "/a/things", "--header", "no field"),
    ("GET", "/a/things", "--scope", "+%41&{a}\n"),
]


def explain(*arguments):
    return subprocess.run([str(BUILD / "cheops"), "explain", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)


def test_a_plan_is_the_same_offline_and_live(make_sites):
    nantes, _ = make_sites("Nantes", "Paris")
    config = nantes.folder / "Nantes.yaml"
    for arguments in AT_HOME:
        for more in ([], ["--json"]):
            offline = explain("--config", config, *more, *arguments)
            live = explain("--admin", nantes.socket, *more, *arguments)
            assert (offline.stdout, offline.stderr, offline.returncode) == \
                   (live.stdout, live.stderr, live.returncode), arguments
            if more:
                assert offline.returncode == (1 if json.loads(offline.stdout).get("ok") is False else 0), arguments
            assert "secret" not in live.stdout + live.stderr
    assert not nantes.service.requests


def test_a_live_plan_knows_the_other_sites(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    asked = ("--json", "--scope", "{a: around(Nantes, 10s)}", "GET", "/a/things")
    offline = json.loads(explain("--config", nantes.folder / "Nantes.yaml", *asked).stdout)
    live = json.loads(explain("--admin", nantes.socket, *asked).stdout)
    assert [leg["site"] for leg in live["legs"]] == ["Nantes", "Paris"]
    assert live["legs"][1]["state"] == "up" and live["legs"][1]["rtt_us"] >= 0
    assert [leg["site"] for leg in offline["legs"]] == ["Nantes"]
    assert offline["left_out"][0]["sites"] == [{"site": "Paris", "rtt_us": None}]
    asked = ("--json", "--scope", "{a: Nantes ; Paris}", "GET", "/a/things")
    offline = json.loads(explain("--config", nantes.folder / "Nantes.yaml", *asked).stdout)
    live = json.loads(explain("--admin", nantes.socket, *asked).stdout)
    for plan in (offline, live):
        del plan["legs"][1]["state"], plan["legs"][1]["rtt_us"]
    assert offline == live
    paris.process.send_signal(signal.SIGSTOP)
    until(lambda: nantes.sees(paris, "down"), "Paris to be down")
    live = explain("--admin", nantes.socket, "--scope", "{a: Paris}", "GET", "/a/things").stdout
    assert re.search(r"^  site      Paris  down", live, re.M), live


def test_a_daemon_that_does_not_answer(make_sites):
    nantes, = make_sites("Nantes")
    nantes.process.send_signal(signal.SIGSTOP)
    done = explain("--admin", nantes.socket, "GET", "/a/things")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cheopsd does not answer at {nantes.socket} within 10 s" in done.stderr


def test_there_is_no_daemon(tmp_path):
    done = explain("--admin", tmp_path / "none.sock", "GET", "/")
    assert done.returncode == 1 and "No such file or directory" in done.stderr and "is cheopsd running?" in done.stderr
    done = explain("--config", tmp_path / "none.yaml", "GET", "/")
    assert done.returncode == 1 and "none.yaml cannot be opened" in done.stderr


def test_no_proxy_of_the_environment_is_asked(make_sites, monkeypatch):
    nantes, = make_sites("Nantes")
    for name in ("http_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert explain("--admin", nantes.socket, "GET", "/a/things").returncode == 0


# ---- sites, transactions

def table(text):
    """The rows of a table by their first cell, each a dict by title; and the lines behind it."""
    lines = text.splitlines()
    starts = [m.start() for m in re.finditer(r"(?<!\S)\S", lines[0].replace("ROUND TRIP", "ROUND-TRIP"))]
    titles = [lines[0][a:b].strip() for a, b in zip(starts, starts[1:] + [None])]
    rows, rest = {}, []
    for line in lines[1:]:
        if re.match(r"\S+: |\d+ ", line):
            rest.append(line)
        else:
            cells = [line[a:b].strip() for a, b in zip(starts, starts[1:] + [None])]
            rows[cells[0]] = dict(zip(titles, cells))
    return rows, rest


def site_rows(site):
    return {s["site"]: s for s in json.loads(cheops("sites", "--json", "--admin", site.socket))["sites"]}


def test_sites_shows_who_is_up_and_how_long_certificates_last(authority, tls_sites):
    nantes, paris = tls_sites
    cheops("ca", "issue", "--dir", authority, "--days", "20", "Paris")
    for site in tls_sites:
        site.take_certificate(authority)
    start(tls_sites)
    until(lambda: nantes.sees(paris, "up"), "Paris to be up")
    rows = site_rows(nantes)
    assert rows["Nantes"]["self"] and not rows["Paris"]["self"]
    assert rows["Nantes"]["heard_ms"] is None and rows["Nantes"]["rtt_us"] is None
    assert rows["Nantes"]["certificate"]["days_left"] in (364, 365)
    assert rows["Paris"]["certificate"]["days_left"] in (19, 20)
    listed = json.loads(cheops("ca", "list", "--json", "--dir", authority))["certificates"]
    assert rows["Paris"]["certificate"]["not_after"] == listed[-1]["expires"]
    assert rows["Paris"]["state"] == "up" and rows["Paris"]["error"] is None
    assert rows["Paris"]["description"] == rows["Nantes"]["description"] == "same"
    assert 0 <= rows["Paris"]["heard_ms"] < 20000 and rows["Paris"]["rtt_us"] > 0
    shown, remarks = table(cheops("sites", "--admin", nantes.socket))
    assert shown["Nantes"]["STATE"] == "here" and shown["Paris"]["STATE"] == "up"
    assert re.fullmatch(r"(19|20) days left", shown["Paris"]["CERTIFICATE"])
    assert re.fullmatch(r"[\d.]+ ms ± [\d.]+ ms", shown["Paris"]["ROUND TRIP"])
    assert remarks == [f"Paris: its certificate ends on {listed[-1]['expires']}; `cheops ca issue Paris` renews it"]


def test_sites_shows_who_was_never_heard_and_why(tmp_path):
    nantes, paris = Site("Nantes", tmp_path), Site("Paris", tmp_path)
    try:
        nantes.start([paris])
        until(lambda: nantes.sees(paris, "down"), "Paris to be down")
        row = site_rows(nantes)["Paris"]
        assert row["heard_ms"] is row["rtt_us"] is row["jitter_us"] is row["certificate"] is row["description"] is None
        assert "does not take connections" in row["error"]
        shown, remarks = table(cheops("sites", "--admin", nantes.socket))
        assert {shown["Paris"][title] for title in ("HEARD", "ROUND TRIP", "CERTIFICATE", "DESCRIPTION")} == {"-"}
        assert len(remarks) == 1 and remarks[0].startswith("Paris: ") and "does not take connections" in remarks[0]
    finally:
        nantes.stop()
        paris.stop()


def test_sites_shows_whose_description_differs(tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text((TOP / "apps/example.yaml").read_text() + "\n# another one\n")
    nantes, paris = Site("Nantes", tmp_path), Site("Paris", tmp_path, application=other)
    try:
        start([nantes, paris])
        until(lambda: nantes.sees(paris, "up"), "Paris to be up")
        shown, remarks = table(cheops("sites", "--admin", nantes.socket))
        assert shown["Paris"]["DESCRIPTION"] == "differs"
        assert remarks == ["Paris: its description of the application is not the one here"]
    finally:
        nantes.stop()
        paris.stop()


def test_transactions_shows_what_is_under_way(make_site):
    site = make_site([read_request, hang])
    shown, rest = table(cheops("transactions", "--admin", site.socket))
    assert shown == {} and rest == []
    with site.client() as client:
        client.send(b"GET /a/things/1?token=secret HTTP/1.1\r\nHost: x\r\nX-Auth-Token: secret\r\n\r\n")
        until(lambda: len(site.transactions()) == 1, "the transaction to be there")
        text = cheops("transactions", "--admin", site.socket)
        told = cheops("transactions", "--json", "--admin", site.socket)
    (row,), rest = table(text)[0].values(), table(text)[1]
    assert (row["METHOD"], row["PATH"], row["SERVICE"], row["SITE"]) == ("GET", "/a/things/1", "a", "Nantes")
    assert (row["CLIENT"], row["SCOPE"], rest) == ("127.0.0.1", "-", [])
    assert json.loads(told)["live"] == 1 and json.loads(told)["silent_workers"] == 0
    assert row["TRANSACTION"] == json.loads(told)["transactions"][0]["id"]
    assert "secret" not in text + told
