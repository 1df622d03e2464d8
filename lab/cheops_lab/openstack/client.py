"""What the lab itself asks of an OpenStack site, without any of its clients."""
import json
import urllib.error
import urllib.request

from .. import wait
from ..errors import LabError
from . import golden

REQUEST_S = 30
WARM_UP_S = 60


def ask(method, url, headers=None, body=None):
    """One request: (status, headers, body); status 0 and a reason when there was no answer."""
    request = urllib.request.Request(url, method=method, headers=headers or {}, data=body)
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read()
    except OSError as why:
        return 0, {}, str(why).encode()


def token(identity, user="admin", project="admin", password=golden.PASSWORD):
    """A token of this Keystone. LabError with what it said instead."""
    domain = {"id": "default"}
    body = {"auth": {
        "identity": {"methods": ["password"],
                     "password": {"user": {"name": user, "domain": domain, "password": password}}},
        "scope": {"project": {"name": project, "domain": domain}}}}
    status, headers, answer = ask("POST", identity + "/v3/auth/tokens",
                                  {"Content-Type": "application/json"}, json.dumps(body).encode())
    if status != 201:
        raise LabError(f"{identity} gave no token: status {status}, {answer.decode(errors='replace')[:300]}")
    return headers["X-Subject-Token"]


def warm_up(site, identity, image, process):
    """One authenticated request through everything, until it succeeds.

    It makes each service load what it loads at its first request: the middleware of Glance does so
    without a lock, and two first requests at once may get a 401.
    """
    last = ["nothing was asked yet"]

    def listed():
        try:
            status, _, body = ask("GET", image + "/v2/images", {"X-Auth-Token": token(identity)})
        except LabError as why:
            last[0] = str(why)
            return False
        last[0] = f"{image} answered {status}: {body.decode(errors='replace')[:300]}"
        return status == 200

    try:
        wait.until(listed, f"{site.name} to list its images", WARM_UP_S, process=process)
    except LabError as why:
        raise LabError(f"{why}\n  last seen: {last[0]}") from why
