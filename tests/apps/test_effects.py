"""What apps/openstack.yaml promises of operations is what the real Keystone and Glance do.

An operation that overwrites is run twice: the second time leaves what the first one left, and its answer is the
one that the description expects. One that does not is refused the second time. Two that commute leave the same
whichever is first.
"""
import itertools
import json
import os
import pathlib
import subprocess
import uuid

import pytest
from conftest import start
from openstack_site import Site

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("CHEOPS_BUILD", str(TOP / "build"))
BYTES = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
VOLATILE = ("created_at", "updated_at")


@pytest.fixture(scope="module")
def effects():
    """{type: {operation: what `cheops app check` says of it}}"""
    done = subprocess.run([os.path.join(BUILD, "cheops"), "app", "check", "--json",
                           str(TOP / "apps" / "openstack.yaml")], capture_output=True, check=True, timeout=60)
    types = [t for s in json.loads(done.stdout)["services"] for t in s["types"] if t["replication"]]
    return {t["name"]: {o["name"]: o for o in t["replication"]["operations"]} for t in types}


class Bench:
    """One site without Cheops, and how resources are made there."""

    def __init__(self, site):
        self.site = site
        self.roles = [self.make("identity", "/v3/roles", "role", name=self.name()) for _ in range(2)]
        self.user = self.make("identity", "/v3/users", "user", name=self.name(), password="one", domain_id="default")
        self.member = uuid.uuid4().hex

    @staticmethod
    def name():
        return f"effects-{uuid.uuid4().hex[:12]}"

    def make(self, service, path, wrapper, **members):
        made = self.site.curl("POST", service, path, body={wrapper: members} if wrapper else members)
        assert made.status == 201, made
        return (made.json()[wrapper] if wrapper else made.json())["id"]

    def fresh(self, type_):
        """The path of a new resource."""
        name = self.name()
        if type_ == "image":
            made = self.make("image", "/v2/images", None, name="new", disk_format="raw", container_format="bare")
            return f"/v2/images/{made}"
        if type_ in ("region", "identity_provider"):
            return {"region": "/v3/regions/", "identity_provider": "/v3/OS-FEDERATION/identity_providers/"}[type_] + name
        members = {"user": {"password": "one", "domain_id": "default"}, "group": {"domain_id": "default"},
                   "project": {"domain_id": "default"}}.get(type_, {})
        return f"/v3/{type_}s/" + self.make("identity", f"/v3/{type_}s", type_, name=name, **members)

    def ask(self, item, request):
        """`request`: method, what follows the item's path (`@` stands for /v3), body, fields."""
        method, path, body, fields = (*request, None, None)[:4]
        text = path.format(item=item, id=item.rsplit("/", 1)[1], user=self.user, role=self.roles[0],
                           other=self.roles[1], member=self.member)
        target = text[1:] if text.startswith("@") else item + text
        if isinstance(body, dict):
            body = json.loads(json.dumps(body).replace("{member}", self.member))
        return self.site.curl(method, "image" if item.startswith("/v2") else "identity", target, fields, body)

    def state(self, item, more=()):
        """What reads of it answer, less what differs between any two."""
        found = []
        for path in ("", *more):
            answer = self.ask(item, ("GET", path))
            found.append((answer.status, drop(answer.json(), item.rsplit("/", 1)[1]) if answer.status == 200 else None))
        return found


def drop(value, identifier):
    if isinstance(value, dict):
        return {k: drop(v, identifier) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list):
        return sorted((drop(v, identifier) for v in value), key=json.dumps)
    return value.replace(identifier, "ID") if isinstance(value, str) else value


@pytest.fixture(scope="module")
def bench(folder):
    """A site of its own: what is done to an image shows in what Glance says of later ones
    (OpenStack-image-store-ids), and those of other tests are compared."""
    lab = start(folder, "effects", [(5, "Nantes")], "  []", direct=True)
    yield Bench(Site(lab, "Nantes", folder / "effects-user"))
    lab.down()


DATA = ("PUT", "/file", b"data", BYTES)
MEMBER = ("POST", "/members", {"member": "{member}"})
GRANT = ("PUT", "/users/{user}/roles/{role}")
INHERITED = "@/v3/OS-INHERIT/projects/{id}/users/{user}/roles/{role}/inherited_to_projects"
CONFIG = ("PUT", "/config", {"config": {"ldap": {"url": "ldap://one"}}})

# type, operation, what is there before, the request, the statuses of its first and second run, what else is read
AGAIN = [
    ("image", "update", [], ("PATCH", "", [{"op": "replace", "path": "/name", "value": "x"},
                                           {"op": "add", "path": "/p", "value": "q"}], PATCH), 200, 200),
    ("image", "upload", [], DATA, 204, 409),
    ("image", "deactivate", [DATA], ("POST", "/actions/deactivate", b""), 204, 204),
    ("image", "reactivate", [DATA, ("POST", "/actions/deactivate", b"")], ("POST", "/actions/reactivate", b""), 204, 204),
    ("image", "tag", [], ("PUT", "/tags/a", b""), 204, 204),
    ("image", "untag", [("PUT", "/tags/a", b"")], ("DELETE", "/tags/a"), 204, 404),
    ("image", "add_member", [], MEMBER, 200, 409),
    ("image", "set_member", [MEMBER], ("PUT", "/members/{member}", {"status": "accepted"}), 200, 200),
    ("image", "drop_member", [MEMBER], ("DELETE", "/members/{member}"), 204, 404),
    ("image", "delete", [], ("DELETE", ""), 204, 404),
    ("project", "update", [], ("PATCH", "", {"project": {"description": "x"}}), 200, 200),
    ("project", "set_tags", [], ("PUT", "/tags", {"tags": ["a", "b"]}), 200, 200),
    ("project", "clear_tags", [("PUT", "/tags/a", b"")], ("DELETE", "/tags"), 204, 204),
    # Refused though it is so already: shown as failed.
    ("project", "tag", [], ("PUT", "/tags/a", b""), 201, 400),
    ("project", "untag", [("PUT", "/tags/a", b"")], ("DELETE", "/tags/a"), 204, 404),
    ("project", "grant", [], GRANT, 204, 204),
    ("project", "withdraw", [GRANT], ("DELETE", GRANT[1]), 204, 404),
    ("project", "grant_inherited", [], ("PUT", INHERITED), 204, 204),
    ("project", "withdraw_inherited", [("PUT", INHERITED)], ("DELETE", INHERITED), 204, 404),
    ("project", "delete", [], ("DELETE", ""), 204, 404),
    ("user", "update", [], ("PATCH", "", {"user": {"email": "a@b.example"}}), 200, 200),
    ("user", "password", [], ("POST", "/password", {"user": {"original_password": "one", "password": "two"}}), 204, 401),
    ("group", "add_member", [], ("PUT", "/users/{user}"), 204, 204),
    ("group", "drop_member", [("PUT", "/users/{user}")], ("DELETE", "/users/{user}"), 204, 404),
    ("role", "imply", [], ("PUT", "/implies/{other}"), 201, 409),
    ("role", "imply_not", [("PUT", "/implies/{other}")], ("DELETE", "/implies/{other}"), 204, 404),
    ("domain", "set_config", [], CONFIG, 201, 200),
    ("domain", "drop_config", [CONFIG], ("DELETE", "/config"), 204, 204),
    ("domain", "drop_config", [CONFIG], ("DELETE", "/config/ldap/url"), 204, 404),
    ("domain", "grant", [], GRANT, 204, 204),
    ("region", "create", [], ("PUT", "", {"region": {}}), 201, 409),
    ("identity_provider", "create", [], ("PUT", "", {"identity_provider": {"enabled": True}}), 201, 409),
]
MORE = {"image": ["/members"], "project": ["/tags", "/users/{user}/roles", "@/v3/role_assignments?scope.project.id={id}"],
        "group": ["/users"], "role": ["/implies"], "domain": ["/config", "/users/{user}/roles"]}


def run(bench, item, request, status):
    answer = bench.ask(item, request)
    assert answer.status == status, answer


@pytest.mark.parametrize("type_,operation,before,request_,first,second", AGAIN, ids=lambda v: v if isinstance(v, str) else "")
def test_run_again(bench, effects, type_, operation, before, request_, first, second):
    said = effects[type_][operation]
    item = bench.fresh(type_)
    for one in before:
        assert bench.ask(item, one).status < 300
    run(bench, item, request_, first)
    left = bench.state(item, MORE.get(type_, ()))
    run(bench, item, request_, second)
    assert bench.state(item, MORE.get(type_, ())) == left
    if said["overwrites"]:
        done = second < 300 or second in said["done"] or (second == 404 and said["deletes"])
        assert done or (type_, operation) == ("project", "tag")
    else:
        assert second >= 400 and second not in said["done"]


# A request of each operation on an image, and what must be there before it.
IMAGE = {row[1]: (row[2], row[3]) for row in AGAIN if row[0] == "image"}


def check_pairs(bench, effects, pairs):
    for a, b in pairs:
        states = []
        for order in ((a, b), (b, a)):
            item = bench.fresh("image")
            for one in [one for name in (a, b) for one in IMAGE[name][0]]:
                bench.ask(item, one)
            for name in order:
                answer = bench.ask(item, IMAGE[name][1])
                assert answer.status < 300 or answer.status in effects["image"][name]["done"], (order, name, answer)
            states.append(bench.state(item, MORE["image"]))
        assert states[0] == states[1], (a, b)


def commuting(effects, names):
    return [(a, b) for a, b in itertools.combinations(names, 2) if b in effects["image"][a]["commutes"]]


def test_what_describes_an_image_commutes_with_its_data(bench, effects):
    pairs = [pair for pair in commuting(effects, IMAGE) if "upload" in pair]
    assert len(pairs) == 6
    check_pairs(bench, effects, pairs)


@pytest.mark.long
def test_all_that_commutes_on_images(bench, effects):
    pairs = [pair for pair in commuting(effects, IMAGE) if "upload" not in pair]
    assert len(pairs) > 20
    check_pairs(bench, effects, pairs)


def test_identifiers_that_a_client_gives(bench):
    """Glance and, of a domain, Keystone take one. Glance takes none twice, also of what was deleted; of what is no
    domain Keystone gives its own."""
    identifier = str(uuid.uuid4())
    assert bench.make("image", "/v2/images", None, id=identifier) == identifier
    assert bench.site.curl("DELETE", "image", f"/v2/images/{identifier}").status == 204
    assert bench.site.curl("POST", "image", "/v2/images", body={"id": identifier}).status == 409
    identifier = uuid.uuid4().hex
    assert bench.make("identity", "/v3/domains", "domain", name=bench.name(), explicit_domain_id=identifier) == identifier
    made = bench.make("identity", "/v3/projects", "project", name=bench.name(), domain_id="default", id=identifier)
    assert made != identifier
