"""The peer protocol (docs/peer-protocol.md) as its own implementation: another site, as a test wants it."""
import base64
import email.utils
import json
import pathlib
import re
import socket
import ssl
import time

import yaml

from . import ports
from .client import Client
from .origin import render, serve
from .wait import until


def hello(name, application="example", protocol=(1, 1), **members):
    """The body of a hello; `members` replaces or adds some, None takes one out."""
    body = {"site": name, "incarnation": "00000000000000aa", "protocol": list(protocol), "application": application,
            "digest": "0000000000000000", **members}
    return json.dumps({k: v for k, v in body.items() if v is not None}).encode()


def leg(service="a", scope="{a: Nantes}", transaction="00c0ffee00c0ffee", deadline=20000):
    """The value of Cheops-Leg; a scope may be any text or bytes."""
    scope = scope.encode() if isinstance(scope, str) else scope
    return f'service="{service}", txn="{transaction}", scope=:{base64.b64encode(scope).decode()}:, deadline={deadline}'


def site_context(certificate=None, key=None, ca=None):
    """An ssl context of a site that calls. It takes any certificate unless it is given a CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    if ca:
        context.load_verify_locations(str(ca))
    else:
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


class Caller(Client):
    """A connection to a site's listener for sites."""

    def __init__(self, site, tls=None):
        super().__init__(site.peer_port, tls=tls)

    def post(self, target, body, *lines):
        return self.ask("POST", target, *lines, body=body, host="cheops")

    def greet(self, name, **members):
        return self.post("/cheops/hello", hello(name, **members))

    def ask_leg(self, method="GET", target="/a/things", *lines, body=b"", **members):
        return self.ask(method, target, f"Cheops-Leg: {leg(**members)}", *lines, body=body)


def date(ahead_s=0):
    """The field Date of a clock that is ahead of the one here."""
    return "Date: " + email.utils.formatdate(time.time() + ahead_s, usegmt=True)


def as_site(name, on_leg=render(200, b"{}"), ahead_s=0, **members):
    """A script of an Origin: a site that greets as `name`, is alive, and answers legs with `on_leg` (bytes, or a
    callable that is given the request). Its clock is ahead."""
    def answer(request):
        if request.target == "/cheops/hello":
            return render(200, hello(name, **members), "Content-Type: application/json", date(ahead_s))
        if request.target == "/cheops/v1/heartbeat":
            return render(200, b'{"row":{}}', "Content-Type: application/json", date(ahead_s))
        return on_leg(request) if callable(on_leg) else on_leg
    return serve(answer)


class BlackHole:
    """An address whose connections neither come about nor are refused: the listener's queue is full."""

    def __init__(self):
        self.listener = socket.create_server((ports.LOOPBACK, 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.fill = []
        while True:  # until the kernel drops what comes
            s = socket.socket()
            self.fill.append(s)
            s.settimeout(0.5)
            try:
                s.connect((ports.LOOPBACK, self.port))
            except TimeoutError:
                return

    def stop(self):
        for s in [*self.fill, self.listener]:
            s.close()


def rewrite(site, change):
    """Changes a site's configuration file by `change`, which is given what is in it."""
    config = yaml.safe_load(pathlib.Path(site.daemon.config).read_text())
    change(config)
    site.daemon.configure(config)


def restart(site):
    """Ends the daemon and starts it with the file that is there."""
    site.terminate()
    assert site.wait_for_end() == 0
    start_again(site)


def start_again(site):
    site.is_reaped = False
    site.daemon.start()


def state_of(site, name):
    """What a site's admin API says of another one."""
    return next(s for s in site.admin("/v1/sites")[1]["sites"] if s["site"] == name)


def refusals(site):
    """Lines of the access log of what the listener for sites has refused."""
    return [line for line in site.log() if re.match("peer-|tls|bad-request|overloaded", line.get("error", ""))]
