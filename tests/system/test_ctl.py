"""The command `cheops` with real daemons."""
import shutil
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
