"""The admin socket: who may open it, who may change something, what it answers."""
import grp
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

import pytest
from support import BUILD, TOP, Site, until

from cheops_lab.daemon import Daemon  # where support has found it

# Asks the admin socket as the user that runs it, prints status and body.
ASK = """
import http.client, json, socket, sys
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(sys.argv[1])
c = Connection("cheops", timeout=20)
try:
    c.request(sys.argv[2], sys.argv[3], body=sys.argv[4] if len(sys.argv) > 4 else None)
    answer = c.getresponse()
    print(json.dumps([answer.status, dict(answer.getheaders()), answer.read().decode()]))
except OSError as why:
    print(json.dumps([type(why).__name__, {}, ""]))
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="other users can only be had by root: run the tests as root")
NOBODY, STRANGER = pwd.getpwnam("nobody"), pwd.getpwnam("daemon")
# A group that root and nobody are not in.
GROUP = next(g for g in grp.getgrall() if g.gr_gid not in (0, NOBODY.pw_gid, STRANGER.pw_gid) and g.gr_name != "cheops")


@pytest.fixture
def open_folder():
    """A folder that every user may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.fixture
def make(open_folder):
    made = []

    def make(cls=Site, **admin):
        site = cls("Nantes", open_folder, config={"admin": admin})
        made.append(site)
        site.start()
        return site

    yield make
    for site in made:
        site.stop()


def ask(site, method, path, user=None, groups=(), body=None):
    as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": list(groups)}
    done = subprocess.run([sys.executable, "-I", "-c", ASK, site.socket, method, path, *([body] if body else [])],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, cwd="/", check=True,
                          **as_user)
    return json.loads(done.stdout)


class OwnUserSite(Site):
    """A site whose cheopsd runs as nobody, from copies that nobody may read."""

    def __init__(self, name, folder, **more):
        own = folder / "own"
        own.mkdir()
        for file in (BUILD / "cheopsd", TOP / "apps" / "example.yaml"):
            shutil.copy(file, own)
            os.chown(own / file.name, NOBODY.pw_uid, NOBODY.pw_gid)
        os.chown(own, NOBODY.pw_uid, NOBODY.pw_gid)
        super().__init__(name, folder, application=own / "example.yaml", **more)
        as_nobody = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
        self.daemon = Daemon(name, self.daemon.processes.behind(as_nobody), str(own / name), own)
        self.socket = self.daemon.admin_socket
        for reserved in self.reserved:  # another user may not share a port with us
            reserved.close()


def why_it_ends(site):
    """What a daemon says that refuses to run."""
    try:
        site.daemon.configure(site.configuration([]))
        site.daemon.launch()
        assert site.wait_for_end() == 1
        return pathlib.Path(site.process.log).read_text()
    finally:
        site.stop()


@needs_root
def test_the_group_may_read_and_nobody_else(make):
    site = make(group=GROUP.gr_name)
    status = os.stat(site.socket)
    assert (status.st_mode & 0o777, status.st_gid, status.st_uid) == (0o660, GROUP.gr_gid, 0)
    assert ask(site, "GET", "/healthz", NOBODY, [GROUP.gr_gid])[0] == 200
    assert ask(site, "GET", "/v1/sites", NOBODY, [GROUP.gr_gid])[0] == 200
    assert ask(site, "GET", "/healthz", NOBODY)[0] == "PermissionError"
    assert ask(site, "GET", "/healthz")[0] == 200


@needs_root
@pytest.mark.parametrize("method, path", [("POST", "/v1/sites"), ("DELETE", "/v1/transactions"), ("PUT", "/nowhere"),
                                          ("PATCH", "/healthz"), ("REPORT", "/v1/sites")])
def test_only_root_may_ask_for_a_change(make, method, path):
    site = make(group=GROUP.gr_name)
    status, _, body = ask(site, method, path, NOBODY, [GROUP.gr_gid], body="x" * 100)
    assert (status, json.loads(body)) == (
        403, {"error": "only root and the user that cheopsd runs as may change anything"})
    status, fields, _ = ask(site, method, path, body="x" * 100)
    assert status == (404 if path == "/nowhere" else 405)
    assert fields.get("Allow") == ("GET" if status == 405 else None)


@needs_root
def test_the_daemons_own_user_may_ask_for_a_change(make):
    site = make(OwnUserSite)
    os.chmod(site.socket, 0o666)  # so that a third user gets as far as to be asked who he is
    assert ask(site, "POST", "/v1/sites", NOBODY)[0] == 405
    assert ask(site, "POST", "/v1/sites")[0] == 405
    assert ask(site, "POST", "/v1/sites", STRANGER)[0] == 403
    assert ask(site, "GET", "/v1/sites", STRANGER)[0] == 200


def test_without_a_group_it_is_cheops_if_there_is_one(make):
    site = make()
    expected = [g.gr_gid for g in grp.getgrall() if g.gr_name == "cheops"] or [os.getegid()]
    status = os.stat(site.socket)
    assert (status.st_mode & 0o777, [status.st_gid]) == (0o660, expected)


def test_a_group_that_is_not_there(open_folder):
    site = Site("Nantes", open_folder, config={"admin": {"group": "no-such-group"}})
    assert "there is no group 'no-such-group'" in why_it_ends(site)


@needs_root
def test_a_group_that_the_daemon_is_not_in(open_folder):
    site = OwnUserSite("Nantes", open_folder, config={"admin": {"group": GROUP.gr_name}})
    assert f"cannot be given to the group '{GROUP.gr_name}': Operation not permitted" in why_it_ends(site)


def test_routes_are_listed(make):
    site = make()
    assert site.admin("/v1/")[1]["routes"] == ["/healthz", "/metrics", "/readyz", "/v1/",
                                               "/v1/configuration", "/v1/explain", "/v1/reload", "/v1/sites",
                                               "/v1/transactions"]
    for route in site.admin("/v1/")[1]["routes"]:
        assert site.daemon.ask(route)[0] == {"/v1/explain": 404, "/v1/reload": 405}.get(route, 200), route
    assert site.admin("/v1/none") == (404, {"error": "there is no such route; /v1/ lists them"})
    assert site.admin("/v1/explain?no=1")[1]["message"] == "there is no parameter 'no'"


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16]


def test_which_configuration_it_runs_with(make):
    site = make()
    before = site.admin("/v1/configuration")[1]
    digests = {"configuration": digest(site.daemon.config), "description": digest(TOP / "apps/example.yaml"),
               "certificates": "0" * 16}
    assert before == {"file": site.daemon.config, "site": "Nantes", "workers": 2, "read": before["read"],
                      "digests": digests}
    with open(site.daemon.config, "a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert site.admin("/v1/configuration")[1] == before
    assert site.admin("/v1/reload", "POST")[0] == 200
    after = site.admin("/v1/configuration")[1]
    assert after["digests"] == {**digests, "configuration": digest(site.daemon.config)} != digests
    assert after["read"] >= before["read"]


def test_a_client_that_takes_nothing_does_not_hold_the_others(make):
    """Its answer has a deadline, and the loop goes on."""
    site = make()
    assert ask(site, "GET", "/v1/explain?target=/a/things", body=None)[0] == 200
    slow = subprocess.Popen([sys.executable, "-I", "-c", "import socket, sys\n"
                             "s = socket.socket(socket.AF_UNIX)\n"
                             "s.connect(sys.argv[1])\n"
                             "s.sendall(b'GET /v1/sites HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' * 200)\n"
                             "print('sent', flush=True)\nsys.stdin.read()", site.socket],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert slow.stdout.readline() == "sent\n"
        until(lambda: site.admin("/healthz")[0] == 200, "another client's answer")
    finally:
        slow.communicate("")
