"""The command `cheops` with real daemons."""
import json
import re
import shutil
import signal
import subprocess

import pytest
from support import BUILD, Site, until


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
        return row.get("error", "") if row["state"] == "down" else ""


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
    until(lambda: "has no certificate of it" in nantes.error_about(paris), "Nantes to refuse Paris")
    until(lambda: "names no site" in paris.error_about(nantes), "Paris to be refused")
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
