"""Without a scope a site with Cheops answers as one without: same statuses, fields and bodies (tests/apps/both.py)."""
import os

import both as sides
import pytest

IMAGE = {"name": "small", "disk_format": "raw", "container_format": "bare"}
BYTES = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
PASSWORD = {"user": {"name": "admin", "domain": {"id": "default"}, "password": "admin"}}
PROJECT = {"project": {"name": "admin", "domain": {"id": "default"}}}
MISSING = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def both(bare_nantes, nantes):
    return sides.Both(bare_nantes, nantes)


# -- curl: identity -------------------------------------------------------------------------------

@pytest.mark.parametrize("service, path, status", [
    ("identity", "/", 300), ("identity", "/v3", 200), ("identity", "/v3/", 200),
    ("image", "/", 300), ("image", "/versions", 200), ("image", "/v2/schemas/images", 200),
    ("image", "/v2/info/import", 200), ("image", "/v2/info/stores", 200),
])
def test_versions_and_schemas(both, service, path, status):
    both.curl(status, "GET", service, path)


def test_tokens(both):
    ask = {"auth": {"identity": {"methods": ["password"], "password": PASSWORD}, "scope": PROJECT}}
    issued = both.curl(201, "POST", "identity", "/v3/auth/tokens", body=ask, user=None)
    assert issued.field("x-subject-token").startswith("gAAAA")
    for side in both.sides:
        side.kept["token"] = side.site.token("demo")
    subject = {"X-Subject-Token": "{token}"}
    both.curl(200, "GET", "identity", "/v3/auth/tokens", fields=subject)
    both.curl(200, "HEAD", "identity", "/v3/auth/tokens", fields=subject)
    both.curl(200, "GET", "identity", "/v3/auth/catalog")
    both.curl(200, "GET", "identity", "/v3/auth/projects", user="demo")
    both.curl(404, "GET", "identity", "/v3/auth/tokens", fields={"X-Subject-Token": "none"})


def test_tokens_that_are_refused(both):
    wrong = {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {**PASSWORD["user"], "password": "wrong"}}}}}
    both.curl(401, "POST", "identity", "/v3/auth/tokens", body=wrong, user=None)
    both.curl(400, "POST", "identity", "/v3/auth/tokens", body=b'{"auth":', fields={"Content-Type": "application/json"},
              user=None)
    both.curl(400, "POST", "identity", "/v3/auth/tokens", body={}, user=None)


def test_the_life_of_a_project(both):
    new = {"project": {"name": "rocket", "domain_id": "default", "description": "fusée"}}
    both.curl(201, "POST", "identity", "/v3/projects", body=new, keep={"project": "/project/id"})
    both.curl(409, "POST", "identity", "/v3/projects", body=new)
    both.curl(200, "GET", "identity", "/v3/projects/{project}")
    both.curl(200, "GET", "identity", "/v3/projects?name=rocket")
    both.curl(200, "GET", "identity", "/v3/projects?name=f%C3%BCr%20niemand%2F")
    both.curl(200, "PATCH", "identity", "/v3/projects/{project}", body={"project": {"enabled": False}})
    both.curl(201, "PUT", "identity", "/v3/projects/{project}/tags/red", body=b"")
    both.curl(200, "GET", "identity", "/v3/projects/{project}/tags")
    both.curl(204, "DELETE", "identity", "/v3/projects/{project}/tags/red")
    both.curl(204, "DELETE", "identity", "/v3/projects/{project}")
    both.curl(404, "GET", "identity", "/v3/projects/{project}")
    both.curl(404, "DELETE", "identity", "/v3/projects/{project}")


def test_the_life_of_a_user(both):
    new = {"user": {"name": "ada", "domain_id": "default", "password": "secret"}}
    both.curl(201, "POST", "identity", "/v3/users", body=new, keep={"user": "/user/id"})
    both.curl(409, "POST", "identity", "/v3/users", body=new)
    both.curl(200, "PATCH", "identity", "/v3/users/{user}", body={"user": {"email": "ada@example.org"}})
    both.curl(200, "GET", "identity", "/v3/users/{user}")
    both.curl(200, "GET", "identity", "/v3/users?name=ada")
    both.curl(200, "GET", "identity", "/v3/users/{user}/groups")
    both.curl(204, "DELETE", "identity", "/v3/users/{user}")
    both.curl(404, "GET", "identity", "/v3/users/{user}")


def test_what_identity_refuses(both):
    both.curl(401, "GET", "identity", "/v3/users", user=None)
    both.curl(401, "GET", "identity", "/v3/users", fields={"X-Auth-Token": "none"}, user=None)
    both.curl(403, "GET", "identity", "/v3/users", user="demo")
    both.curl(403, "POST", "identity", "/v3/projects", user="demo", body={"project": {"name": "no"}})
    both.curl(404, "GET", "identity", f"/v3/users/{MISSING}")
    both.curl(404, "GET", "identity", "/v3/nothing")
    both.curl(400, "POST", "identity", "/v3/users", body={"user": {}})


# -- curl: image ----------------------------------------------------------------------------------

def make_image(both, data, **more):
    both.curl(201, "POST", "image", "/v2/images", body={**IMAGE, **more}, keep={"image": "/id"})
    both.curl(204, "PUT", "image", "/v2/images/{image}/file", body=data, fields=BYTES)


def test_the_life_of_an_image(both):
    data = os.urandom(300_000)
    make_image(both, data)
    both.curl(409, "PUT", "image", "/v2/images/{image}/file", body=data, fields=BYTES)
    both.curl(200, "GET", "image", "/v2/images/{image}")
    both.curl(200, "PATCH", "image", "/v2/images/{image}", fields=PATCH,
              body=[{"op": "replace", "path": "/name", "value": "renamed"},
                    {"op": "add", "path": "/colour", "value": "bleu"}])
    both.curl(200, "GET", "image", "/v2/images?name=renamed")
    both.curl(204, "PUT", "image", "/v2/images/{image}/tags/red", body=b"")
    both.curl(204, "DELETE", "image", "/v2/images/{image}/tags/red")
    both.curl(404, "DELETE", "image", "/v2/images/{image}/tags/red")
    assert both.curl(200, "GET", "image", "/v2/images/{image}/file").body == data
    both.curl(204, "DELETE", "image", "/v2/images/{image}")
    both.curl(404, "GET", "image", "/v2/images/{image}")
    both.curl(404, "DELETE", "image", "/v2/images/{image}")


def test_parts_of_an_image(both):
    data = os.urandom(5000)
    make_image(both, data)
    file = "/v2/images/{image}/file"
    assert both.curl(206, "GET", "image", file, fields={"Range": "bytes=10-19"}).body == data[10:20]
    assert both.curl(206, "GET", "image", file, fields={"Range": "bytes=4990-"}).body == data[4990:]
    both.curl(416, "GET", "image", file, fields={"Range": "bytes=9000-"})
    both.curl(405, "HEAD", "image", file)
    both.curl(405, "HEAD", "image", "/v2/images/{image}")
    both.curl(204, "DELETE", "image", "/v2/images/{image}")


def test_members_of_an_image(both):
    both.curl(201, "POST", "image", "/v2/images", body={**IMAGE, "visibility": "shared"}, keep={"image": "/id"})
    for side in both.sides:
        projects = side.site.curl("GET", "identity", "/v3/auth/projects", user="demo").json()["projects"]
        side.kept["demo"] = projects[0]["id"]
    members = "/v2/images/{image}/members"
    both.curl(200, "POST", "image", members, body={"member": "{demo}"})
    both.curl(409, "POST", "image", members, body={"member": "{demo}"})
    both.curl(200, "GET", "image", members)
    both.curl(200, "PUT", "image", members + "/{demo}", body={"status": "accepted"}, user="demo")
    both.curl(200, "GET", "image", "/v2/images/{image}", user="demo")
    both.curl(204, "DELETE", "image", members + "/{demo}")
    both.curl(404, "GET", "image", "/v2/images/{image}", user="demo")
    both.curl(204, "DELETE", "image", "/v2/images/{image}")


def test_a_list_in_pages(both):
    for name in ("one", "two", "three"):
        both.curl(201, "POST", "image", "/v2/images", body={**IMAGE, "name": name}, keep={name: "/id"})
    both.curl(200, "GET", "image", "/v2/images?limit=2&sort=name:asc", keep={"next": "/next"})
    both.curl(200, "GET", "image", "{next}")
    for name in ("one", "two", "three"):
        both.curl(204, "DELETE", "image", f"/v2/images/{{{name}}}")


@pytest.mark.parametrize("way", ["chunked", "expecting 100", "empty"])
def test_ways_of_an_upload(both, way, tmp_path):
    data = b"" if way == "empty" else os.urandom(200_000)
    (tmp_path / "data").write_bytes(data)
    both.curl(201, "POST", "image", "/v2/images", body=IMAGE, keep={"image": "/id"})
    options = ["-T", str(tmp_path / "data"), *{
        "chunked": ["-H", "Transfer-Encoding: chunked"], "expecting 100": ["-H", "Expect: 100-continue"],
        "empty": []}[way]]
    both.curl(204, "PUT", "image", "/v2/images/{image}/file", fields=BYTES, options=options)
    assert both.curl(200, "GET", "image", "/v2/images/{image}/file").body == data
    both.curl(204, "DELETE", "image", "/v2/images/{image}")


def test_what_image_refuses(both):
    both.curl(401, "GET", "image", "/v2/images", user=None)
    both.curl(401, "GET", "image", "/v2/images", fields={"X-Auth-Token": "none"}, user=None)
    both.curl(403, "POST", "image", "/v2/images", user="demo", body={**IMAGE, "visibility": "public"})
    both.curl(404, "GET", "image", "/v2/images/none")
    both.curl(404, "GET", "image", "/v2/images/..%2F..%2Fsecret")
    both.curl(300, "GET", "image", "/v1/images")
    both.curl(405, "PUT", "image", "/v2/images", body={})
    both.curl(400, "POST", "image", "/v2/images", body={**IMAGE, "disk_format": "none"})
    both.curl(400, "POST", "image", "/v2/images", body=b"[", fields={"Content-Type": "application/json"})
    both.curl(400, "GET", "image", "/v2/images?limit=none")
    both.curl(201, "POST", "image", "/v2/images", body=IMAGE, keep={"image": "/id"})
    both.curl(415, "PUT", "image", "/v2/images/{image}/file", body=b"x", fields={"Content-Type": "text/plain"})
    both.curl(409, "POST", "image", "/v2/images", body={**IMAGE, "id": "{image}"})
    both.curl(415, "PATCH", "image", "/v2/images/{image}", body=[])
    both.curl(204, "DELETE", "image", "/v2/images/{image}")


# -- openstack ------------------------------------------------------------------------------------

def test_openstack_tokens_and_catalogue(both):
    both.openstack(0, "token", "issue", "-f", "json")
    both.openstack(0, "catalog", "show", "image", "-f", "json")
    both.openstack(0, "endpoint", "list", "--service", "image", "--interface", "public", "-f", "json")


def test_openstack_projects_and_users(both):
    both.openstack(0, "project", "create", "--description", "a project", "apollo", "-f", "json",
                   keep={"project": "/id"})
    both.openstack(1, "project", "create", "apollo")
    both.openstack(0, "project", "set", "--tag", "red", "apollo")
    both.openstack(0, "project", "show", "apollo", "-f", "json")
    both.openstack(0, "user", "create", "--project", "apollo", "--password", "secret", "grace", "-f", "json")
    both.openstack(0, "role", "add", "--project", "apollo", "--user", "grace", "member")
    both.openstack(0, "role", "assignment", "list", "--names", "--project", "apollo", "-f", "json")
    both.openstack(0, "user", "delete", "grace")
    both.openstack(0, "project", "delete", "apollo")
    both.openstack(1, "project", "show", "apollo")


def test_openstack_images(both):
    data = os.urandom(100_000)
    for side in both.sides:
        (side.site.folder / "data").write_bytes(data)
    both.openstack(0, "image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", "data",
                   "debian", "-f", "json", keep={"image": "/id"})
    both.openstack(0, "image", "list", "-f", "json")
    both.openstack(0, "image", "set", "--property", "colour=bleu", "--tag", "red", "--name", "bookworm", "debian")
    both.openstack(0, "image", "show", "bookworm", "-f", "json")
    both.openstack(0, "image", "save", "--file", "copy", "bookworm")
    assert (both.sides[1].site.folder / "copy").read_bytes() == data
    both.openstack(0, "image", "add", "project", "bookworm", "demo", "-f", "json")
    both.openstack(0, "image", "delete", "bookworm")
    both.openstack(1, "image", "show", "bookworm")
