"""A list of revoked certificates travels on control: one site is told, and all of them refuse who is on it."""
import contextlib
import os
import shutil
import ssl
import subprocess

import pytest
from support import BUILD, Origin, render, until
from support.origin import hang, read_request, serve
from support.peer import Caller, hello, restart, site_context, state_of
from test_metrics import metrics

pytestmark = pytest.mark.threads


class Deployment:
    """The authority of `cheops ca`; each site has a copy of the list of its own."""

    def __init__(self, folder, keeps_list=True):
        self.folder, self.keeps_list = folder, keeps_list
        self.ca("init")

    def ca(self, *arguments):
        done = subprocess.run([str(BUILD / "cheops"), "ca", *arguments, "--dir", str(self.folder)], text=True,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self, name):
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def own_list(self, name):
        return self.folder / "lists" / name / "crl.pem"

    def hand_out(self, name):
        """The operator copies the list as it is now to one site."""
        self.own_list(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.folder / "crl.pem", self.own_list(name))

    def issue_site(self, name):
        certificate, key = self.files(name)
        if not certificate.exists():
            self.ca("issue", name)
            self.hand_out(name)
        links = {"certificate": str(certificate), "key": str(key), "ca": str(self.folder / "ca.crt")}
        return {**links, "crl": str(self.own_list(name))} if self.keeps_list else links

    def context(self, name):
        return site_context(*self.files(name), self.folder / "ca.crt")

    def der(self, file=None):
        done = subprocess.run(["openssl", "crl", "-in", str(file or self.folder / "crl.pem"), "-outform", "DER"],
                              capture_output=True, check=True)
        return done.stdout


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path / "authority")


def reload(site):
    status, body = site.admin("/v1/reload", "POST")
    assert status == 200, body


def list_of(site, name=None):
    """The number of a site's list, as `site` knows it."""
    return state_of(site, name or site.name)["crl"]


def said(site):
    return open(site.process.log, encoding="utf-8").read()


def test_one_site_is_told_and_the_others_hear_of_it(make_sites, deployment):
    nantes, paris, lyon = make_sites("Nantes", "Paris", "Lyon", authority=deployment,
                                     services=lambda _: {"a": Origin([read_request, hang])})
    assert [list_of(s) for s in (nantes, paris, lyon)] == [1, 1, 1]
    with paris.client() as to_lyon, lyon.client() as to_paris, contextlib.closing(Caller(lyon, deployment.context(
            "Paris"))) as greeted:
        assert greeted.greet("Paris").status == 200
        to_lyon.send(b"GET /a/things HTTP/1.1\r\nHost: h\r\nScope: {a: Lyon}\r\n\r\n")
        lyon.service.request()
        to_paris.send(b"GET /a/things HTTP/1.1\r\nHost: h\r\nScope: {a: Paris}\r\n\r\n")
        paris.service.request()
        deployment.ca("revoke", "Paris")
        deployment.hand_out("Nantes")
        reload(nantes)
        until(lambda: list_of(lyon) == 2, "Lyon to have the list")
        # What Paris and Lyon have under way with each other is cut, in both directions; idle connections, too.
        assert to_lyon.read_answer().status in (502, 504)
        assert to_paris.read_answer().status in (502, 504)
        greeted.expect_close()
    assert deployment.own_list("Lyon").read_text() == (deployment.folder / "crl.pem").read_text()
    assert "the revocation list 2 from Nantes counts from now on, and is kept in" in said(lyon)
    until(lambda: lyon.sees(paris, "down") and nantes.sees(paris, "down"), "both to refuse Paris")
    until(lambda: "certificate revoked" in state_of(lyon, "Paris")["error"], "Lyon to say why")
    with pytest.raises(OSError), Caller(lyon, deployment.context("Paris")) as c:
        c.greet("Paris")
    assert nantes.sees(lyon, "up") and lyon.sees(nantes, "up")
    until(lambda: list_of(nantes, "Lyon") == 2, "Nantes to be told")
    assert metrics(nantes).of("cheops_site_crl_number", site="Lyon") == 2
    shown = subprocess.run([str(BUILD / "cheops"), "sites", "--admin", lyon.socket], capture_output=True, text=True,
                           timeout=60, check=True).stdout
    assert "CRL" in shown.splitlines()[0]
    restart(lyon)
    assert list_of(lyon) == 2
    until(lambda: "certificate revoked" in (state_of(lyon, "Paris")["error"] or ""), "Lyon to refuse Paris still")


def test_a_list_that_cannot_be_kept_counts_all_the_same(make_sites, tmp_path):
    deployment = Deployment(tmp_path / "authority", keeps_list=False)
    nantes, lyon = make_sites("Nantes", "Lyon", authority=deployment)
    assert list_of(lyon) is None
    deployment.ca("issue", "Paris")
    deployment.ca("revoke", "Paris")
    deployment.hand_out("Nantes")
    nantes.config = {"peers": {"crl": str(deployment.own_list("Nantes"))}}
    nantes.daemon.configure(nantes.configuration([lyon]))
    reload(nantes)
    until(lambda: list_of(lyon) == 2, "Lyon to have the list")
    assert "peers.crl names no file" in state_of(lyon, "Lyon")["crl_error"]
    assert "counts until cheopsd ends, and is not kept: peers.crl names no file" in said(lyon)
    reload(lyon)
    assert list_of(lyon) == 2, "it stays over a reload"
    # Once there is a file, the list in use is written to it.
    other = Deployment(tmp_path / "other")  # whose list is kept beside the CA's
    shutil.copy(other.folder / "crl.pem", deployment.own_list("Lyon"))
    lyon.config = {"peers": {"crl": str(deployment.own_list("Lyon"))}}
    lyon.daemon.configure(lyon.configuration([nantes]))
    reload(lyon)
    assert list_of(lyon) == 2 and state_of(lyon, "Lyon")["crl_error"] is None
    assert deployment.own_list("Lyon").read_text().count("BEGIN X509 CRL") == 2


def tells(number, answer):
    """A script: Paris, which tells of a list and gives `answer` for it."""
    def reply(request):
        if request.target == "/cheops/hello":
            return render(200, hello("Paris"), "Content-Type: application/json")
        if request.target == "/cheops/v1/crl":
            return answer
        return render(200, b'{"crl":%d,"row":{}}' % number, "Content-Type: application/json")
    return serve(reply)


def forged(deployment, tmp_path):
    other = Deployment(tmp_path / "other")
    for _ in range(3):
        other.ca("issue", "Rouen")
    other.ca("revoke", "Rouen")
    return render(200, other.der())


BAD = {
    "forged": (9, forged, "not signed by this deployment's CA"),
    "not newer": (9, lambda d, _: render(200, d.der()), "its number is 1, and the list here has 1"),
    "broken": (9, lambda d, _: render(200, d.der()[:-5]), "not a revocation list"),
    "with more behind it": (9, lambda d, _: render(200, d.der() + b"x"), "not a revocation list"),
    "another text": (9, lambda d, _: render(200, b"It works!"), "not a revocation list"),
    "none": (9, lambda d, _: render(404, b""), "it answers 404"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_list_that_is_bad_is_refused_and_logged(make_sites, deployment, tmp_path, name):
    number, answer, why = BAD[name]
    deployment.issue_site("Nantes")
    deployment.issue_site("Paris")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*deployment.files("Paris"))
    origin = Origin(tells(number, answer(deployment, tmp_path)), tls=context)
    try:
        site = make_sites("Nantes", authority=deployment,
                          config={"peers": {"sites": {"Paris": {"address": f"127.0.0.1:{origin.port}"}}}})[0]
        until(lambda: why in (state_of(site, "Paris")["crl_error"] or ""), f"an error that says {why}")
        assert f"the revocation list 9 from Paris is refused: {why}" in said(site).replace("it is ", "")
        # It is not asked for with every heartbeat, and nothing else suffers.
        until(lambda: sum(r.target == "/cheops/v1/heartbeat" for r in origin.requests) > 5, "more heartbeats")
        assert sum(r.target == "/cheops/v1/crl" for r in origin.requests) == 1
        assert state_of(site, "Paris")["state"] == "up" and list_of(site) == 1 and list_of(site, "Paris") == 9
        assert deployment.own_list("Nantes").read_text() == (deployment.folder / "crl.pem").read_text()
    finally:
        origin.stop()


def test_the_operators_newer_file_is_not_overwritten(make_sites, deployment):
    nantes, lyon = make_sites("Nantes", "Lyon", authority=deployment)
    deployment.ca("issue", "Paris")
    deployment.ca("revoke", "Paris")
    deployment.hand_out("Nantes")
    deployment.ca("issue", "Rouen")
    deployment.ca("revoke", "Rouen")
    deployment.hand_out("Lyon")  # its daemon has not been told so far
    newest = os.stat(deployment.own_list("Lyon")).st_mtime_ns
    reload(nantes)
    until(lambda: list_of(lyon) == 2, "Lyon to have Nantes' list")
    assert os.stat(deployment.own_list("Lyon")).st_mtime_ns == newest
    reload(lyon)
    until(lambda: list_of(nantes) == 3, "Nantes to have Lyon's")
