"""What tests ask of an OpenStack site: with curl, with the `openstack` command, and of its Cheops."""
import collections
import json
import os
import subprocess

from cheops_lab import wait
from cheops_lab.lab import TOP
from cheops_lab.openstack import client

LIMIT_S = 120
DEADLINE_S = 20
JSON = "application/json"

Said = collections.namedtuple("Said", "status output")  # of a command: exit status, what it printed


class Answer:
    """Of HTTP. `fields`: names in lower case, a list of values each."""

    def __init__(self, raw):
        self.interim = []
        while True:
            head, _, raw = raw.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            self.status = int(lines[0].split()[1])
            if self.status >= 200:
                break
            self.interim.append(self.status)
        self.body = raw
        self.fields = {}
        for name, _, value in (line.partition(":") for line in lines[1:]):
            self.fields.setdefault(name.lower(), []).append(value.strip())

    def field(self, name):
        values = self.fields.get(name.lower(), [None])
        assert len(values) == 1, f"{name} stands {len(values)} times: {self}"
        return values[0]

    def json(self):
        return json.loads(self.body)

    def names(self):
        """Of a list of images."""
        return [image["name"] for image in self.json()["images"]]

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body[:600]}"


class Site:
    """One site as its clients see it; the administrator's token is asked for once."""

    def __init__(self, lab, name, folder):
        self.lab, self.name, self.folder = lab, name, folder
        self.folder.mkdir(parents=True)
        self.application = lab.applications[name]
        self.tokens = {}

    def url(self, service):
        return self.lab.url(self.name, service)

    def token(self, user="admin", password=None):
        """Of this site's Keystone, for the project of the same name; `user:project` for another one."""
        if user not in self.tokens:
            name, _, project = user.partition(":")
            self.tokens[user] = client.token(self.url("identity"), name, project or name, password or name)
        return self.tokens[user]

    def curl(self, method, service, path, fields=None, body=None, options=(), user="admin"):
        """One request, with a token of the user (None: without). A body that is no bytes goes as JSON."""
        command = ["curl", "-sS", "-i", "--http1.1", "--max-time", str(LIMIT_S), "--noproxy", "*", "--path-as-is"]
        command += ["-I"] if method == "HEAD" else ["-X", method]
        fields = dict(fields or {})
        if user and "X-Auth-Token" not in fields:
            fields["X-Auth-Token"] = self.token(user)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            fields.setdefault("Content-Type", JSON)
        for name, value in fields.items():
            command += ["-H", f"{name}: {value}"]
        if body is not None:
            command += ["--data-binary", "@-"]
        done = subprocess.run([*command, *options, self.url(service) + path], input=body, capture_output=True,
                              timeout=LIMIT_S + 10, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
        return Answer(done.stdout)

    def openstack(self, *words, scope=None, environ=()):
        """The `openstack` command as the site's administrator."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "PYTHON"))}
        command = ["/usr/bin/openstack", *(["--os-scope", scope] if scope else []), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, cwd=self.folder, check=False,
                              env={**kept, **self.application.environment(), "HOME": str(self.folder),
                                   "PYTHONPATH": os.path.join(TOP, "clients", "openstack"),
                                   "PYTHONDONTWRITEBYTECODE": "1", "no_proxy": "*", **dict(environ)})
        return Said(done.returncode, done.stdout + done.stderr)

    # -- of its Cheops ----------------------------------------------------------------------------

    def state_of(self, other):
        status, body = self.lab.cheops[self.name].ask("/v1/sites")
        assert status == 200
        return {row["site"]: row["state"] for row in json.loads(body)["sites"]}.get(other)

    def wait_for(self, other, state):
        wait.until(lambda: self.state_of(other) == state, f"{self.name} to see {other} {state}", DEADLINE_S)

    def logged(self, service, **members):
        """The lines of the access log about a service with these members, as soon as there is one."""
        wanted = {"service": service, **members}.items()

        def lines():
            with open(self.lab.cheops[self.name].access_log, encoding="utf-8") as log:
                return [line for line in map(json.loads, log) if wanted <= {k: str(v) for k, v in line.items()}.items()]
        return wait.until(lines, f"{wanted} in the access log of {self.name}", DEADLINE_S)
