"""Scopes on real OpenStack: whose service answers, what follows a request, what goes on when a site is cut off.

Clients are at Nantes unless said. Each test that looks into access logs has a scope of its own, by its time-out.
"""
import base64
import errno
import itertools
import os
import signal
import socket
import time
import urllib.parse
import uuid

import pytest
from cheops_lab import wait
from cheops_lab.openstack import client

IMAGE = {"disk_format": "raw", "container_format": "bare"}
BYTES = {"Content-Type": "application/octet-stream"}
AT_ONCE_S = 3  # what is known beforehand: far below each time-out, far above what a busy machine costs

timeouts = itertools.count(40_001)


def unique(bindings):
    """A scope that no other test has, in its canonical form."""
    return f"{{{bindings}, timeout: {next(timeouts)}ms}}"


def in_base64(scope):
    return base64.urlsafe_b64encode(scope.encode()).decode().rstrip("=")


def make_image(site, name, data, scope=None):
    """Gives its identifier."""
    fields = {"Scope": scope} if scope else {}
    made = site.curl("POST", "image", "/v2/images", fields, {**IMAGE, "name": name})
    assert made.status == 201, made
    identifier = made.json()["id"]
    sent = site.curl("PUT", "image", f"/v2/images/{identifier}/file", {**fields, **BYTES}, data)
    assert sent.status == 204, sent
    return identifier


@pytest.fixture(scope="module")
def data():
    return os.urandom(300_000)


@pytest.fixture(scope="module")
def debian(nantes, data):
    """An image that Paris has and no other site, made from Nantes."""
    return make_image(nantes, "debian", data, "{image: Paris}")


def images(site, scope=None, query="?name=debian", **fields):
    if scope:
        fields["Scope"] = scope
    return site.curl("GET", "image", "/v2/images" + query, fields)


def is_unscoped(answer):
    return not [name for name in answer.fields if name.startswith("cheops-")]


# -- one site's service, asked from another --------------------------------------------------------

def test_an_image_of_paris_from_nantes(nantes, paris, debian, data):
    listed = images(nantes, "{image: Paris}")
    assert listed.names() == ["debian"] and listed.field("Cheops-Site") == "Paris"
    shown = nantes.curl("GET", "image", f"/v2/images/{debian}", {"Scope": "{image: Paris}"})
    assert (shown.status, shown.json()["size"], shown.json()["status"]) == (200, len(data), "active")
    got = nantes.curl("GET", "image", f"/v2/images/{debian}/file", {"Scope": "{image: Paris}"})
    assert got.status == 200 and got.body == data
    part = nantes.curl("GET", "image", f"/v2/images/{debian}/file", {"Scope": "{image: Paris}", "Range": "bytes=7-99"})
    assert part.status == 206 and part.body == data[7:100]
    assert images(paris).names() == ["debian"]


def test_what_has_no_scope_stays_where_it_is(nantes, debian):
    listed = images(nantes)
    assert listed.names() == [] and is_unscoped(listed)
    shown = nantes.curl("GET", "image", f"/v2/images/{debian}")
    assert shown.status == 404 and is_unscoped(shown)


def test_a_change_in_paris_from_nantes(nantes, paris):
    scope = {"Scope": "{image: Paris}"}
    made = make_image(nantes, "changing", b"0123456789", "{image: Paris}")
    path = f"/v2/images/{made}"
    assert nantes.curl("PUT", "image", f"{path}/tags/red", scope, b"").status == 204
    assert paris.curl("GET", "image", path).json()["tags"] == ["red"]
    assert nantes.curl("DELETE", "image", path, scope).status == 204
    assert paris.curl("GET", "image", path).status == 404


def test_the_identity_service_of_paris_from_nantes(nantes, paris):
    scope = {"Scope": "{identity: Paris}"}
    made = nantes.curl("POST", "identity", "/v3/projects", scope, {"project": {"name": "seine"}})
    assert made.status == 201 and made.field("Cheops-Site") == "Paris"
    path = f"/v3/projects/{made.json()['project']['id']}"
    assert paris.curl("GET", "identity", path).status == 200
    assert nantes.curl("GET", "identity", path).status == 404
    assert nantes.curl("DELETE", "identity", path, scope).status == 204


def peak_memory_kb(lab, site):
    with open(f"/proc/{lab.processes.get(f'{site}-cheops').pid}/status", encoding="ascii") as status:
        return [int(line.split()[1]) for line in status if line.startswith("VmHWM:")][0]


def test_a_large_image_costs_no_memory(lab, nantes):
    """It passes through two sites, both ways: the peak of neither grows by what a small part of it would take."""
    make_image(nantes, "warm", b"0123456789", "{image: Paris}")
    before = {site: peak_memory_kb(lab, site) for site in ("Nantes", "Paris")}
    large = os.urandom(1 << 20) * 96
    made = make_image(nantes, "large", large, "{image: Paris}")
    got = nantes.curl("GET", "image", f"/v2/images/{made}/file", {"Scope": "{image: Paris}"})
    assert got.status == 200 and got.body == large
    for site, kb in before.items():
        assert peak_memory_kb(lab, site) < kb + 8 * 1024, site
    assert nantes.curl("DELETE", "image", f"/v2/images/{made}", {"Scope": "{image: Paris}"}).status == 204


def test_a_refusal_of_paris_passes_unchanged(nantes, paris, debian):
    """Its page is Glance's, as Paris gives it to its own clients."""
    there = paris.curl("GET", "image", "/v2/images/none")
    here = nantes.curl("GET", "image", "/v2/images/none", {"Scope": "{image: Paris}"})
    assert (here.status, here.body) == (there.status, there.body) == (404, there.body)
    assert here.field("Content-Type") == there.field("Content-Type")
    without_token = nantes.curl("GET", "image", "/v2/images", {"Scope": "{image: Paris}"}, user=None)
    assert without_token.status == 401 and without_token.field("Cheops-Site") == "Paris"


def test_openstack_at_paris_from_nantes(nantes, debian, data):
    shown = nantes.openstack("image", "show", "debian", "-f", "value", "-c", "id", scope="{image: Paris}")
    assert shown == (0, debian + "\n")
    saved = nantes.openstack("image", "save", "--file", "debian.raw", "debian", scope="{image: Nantes ; Paris}")
    assert saved.status == 0, saved.output
    assert (nantes.folder / "debian.raw").read_bytes() == data


def test_openstack_gets_its_token_where_the_scope_says(nantes, paris):
    """Paris's Keystone gives Paris's catalogue: each request of the command is in the scope."""
    shown = nantes.openstack("catalog", "show", "image", "-f", "json", scope="{identity: Paris}")
    assert shown.status == 0 and paris.url("image") in shown.output and nantes.url("image") not in shown.output


# -- carriers ---------------------------------------------------------------------------------------

SCOPE = "{image: Paris}"
AS_JSON = '{"image":"Paris"}'
CARRIERS = {
    "Scope": {"Scope": SCOPE},
    "X-Scope": {"X-Scope": SCOPE},
    "the token, ~SCOPE~": {"X-Auth-Token": f"{{token}}~SCOPE~{in_base64(SCOPE)}"},
    "the token, !SCOPE!": {"X-Auth-Token": f"{{token}}!SCOPE!{AS_JSON}"},
    "the token, !SCOPE! encoded": {"X-Auth-Token": f"{{token}}!SCOPE!{urllib.parse.quote(AS_JSON)}"},
    "baggage": {"Baggage": f"a=b, scope={urllib.parse.quote(SCOPE)}"},
    "first of two": {"Scope": SCOPE, "Baggage": "scope=Lyon"},
    "token before baggage": {"X-Auth-Token": f"{{token}}~SCOPE~{in_base64(SCOPE)}", "Baggage": "scope=Lyon"},
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_field_that_carries_a_scope(carrier, nantes, debian):
    fields = {name: value.replace("{token}", nantes.token()) for name, value in CARRIERS[carrier].items()}
    listed = images(nantes, **fields)
    assert listed.status == 200 and listed.names() == ["debian"] and listed.field("Cheops-Site") == "Paris"


def test_the_path_carries_a_scope(nantes, paris, debian):
    prefix = "/~scope/" + urllib.parse.quote(SCOPE, safe="")
    listed = nantes.curl("GET", "image", f"{prefix}/v2/images?name=debian")
    assert listed.names() == ["debian"] and listed.field("Cheops-Site") == "Paris"
    made = nantes.curl("POST", "image", f"{prefix}/v2/images", body={**IMAGE, "name": "by path"})
    assert made.status == 201
    path = f"/v2/images/{made.json()['id']}"
    assert made.field("Location") == nantes.url("image") + prefix + path
    assert paris.curl("GET", "image", path).status == 200
    assert nantes.curl("DELETE", "image", prefix + path).status == 204


def test_the_subject_of_a_validation_carries_a_scope(nantes):
    token = nantes.token()
    scoped = f"{token}~SCOPE~{in_base64('{identity: Paris}')}"
    shown = nantes.curl("GET", "identity", "/v3/auth/tokens", {"X-Subject-Token": scoped})
    assert shown.status == 200 and shown.field("Cheops-Site") == "Paris"
    assert shown.field("X-Subject-Token") == token


def test_an_identifier_that_cheops_made_is_remembered(nantes, debian):
    first = images(nantes, "{image: Nantes ; Paris}", query="")
    assert first.field("Cheops-Site") == "Nantes"
    again = images(nantes, **{"X-OpenStack-Request-ID": first.field("X-OpenStack-Request-ID")})
    assert again.field("Cheops-Site") == "Paris" and again.names() == ["debian"]


@pytest.mark.parametrize("scope", ["{image: Nantes}", "{image: Paris}", "{image: Nantes ; Paris}"])
def test_a_clients_identifier_comes_back_to_it(scope, nantes, debian):
    own = "req-11111111-2222-4333-8444-555555555555"
    assert images(nantes, scope, **{"X-OpenStack-Request-ID": own}).field("X-OpenStack-Request-ID") == own
    assert is_unscoped(images(nantes, **{"X-OpenStack-Request-ID": own}))


# -- what the service asks for in turn ----------------------------------------------------------------

@pytest.mark.parametrize("bindings, image, identity", [
    ("image: Paris", "Paris", "Paris"),                       # what is not bound runs where the request is
    ("image: Paris, identity: Nantes", "Paris", "Nantes"),
    ("image: Nantes, identity: Paris", "Nantes", "Paris"),
    ("image: Paris, *: Nantes", "Paris", "Nantes"),
])
def test_a_validation_by_glance_follows_the_scope(bindings, image, identity, nantes, paris, debian):
    scope, sites = unique(bindings), {"Nantes": nantes, "Paris": paris}
    assert images(nantes, scope).status == 200
    asked = sites[image].logged("identity", scope=scope)
    assert [(line["path"], line["status"]) for line in asked] == [("/v3/auth/tokens", 200)]
    assert [leg["site"] for leg in asked[0]["legs"]] == [identity]
    first = nantes.logged("image", scope=scope)[0]
    assert [leg["site"] for leg in first["legs"]] == [image]
    if image != "Nantes":  # one transaction at both sites
        leg = sites[image].logged("image", scope=scope)[0]
        assert (leg["transaction"], leg["from"]) == (first["transaction"], "Nantes")
    if identity != image:
        there = sites[identity].logged("identity", scope=scope)
        assert [(line["transaction"], line["from"]) for line in there] == [(asked[0]["transaction"], image)]
    assert asked[0]["transaction"] != first["transaction"]


def test_a_user_of_nantes_is_unknown_in_paris_unless_nantes_says_who_he_is(nantes, debian):
    project = nantes.curl("GET", "identity", "/v3/projects?name=demo").json()["projects"][0]["id"]
    role = nantes.curl("GET", "identity", "/v3/roles?name=member").json()["roles"][0]["id"]
    made = nantes.curl("POST", "identity", "/v3/users", body={"user": {"name": "local", "password": "local"}})
    user = made.json()["user"]["id"]
    granted = nantes.curl("PUT", "identity", f"/v3/projects/{project}/users/{user}/roles/{role}", body=b"")
    assert (made.status, granted.status) == (201, 204)
    token = {"X-Auth-Token": nantes.token("local:demo")}
    assert images(nantes, unique("image: Paris"), **token).status == 401
    assert images(nantes, unique("image: Paris, identity: Nantes"), **token).status == 200
    assert images(nantes, **token).status == 200


def test_a_token_that_is_revoked_in_nantes(nantes, debian):
    """Revocation is what one Keystone knows; which one is asked is what the scope says."""
    token = client.token(nantes.url("identity"))
    revoked = nantes.curl("DELETE", "identity", "/v3/auth/tokens", {"X-Subject-Token": token})
    assert revoked.status == 204
    of_it = {"X-Auth-Token": token}
    assert images(nantes, **of_it).status == 401
    assert images(nantes, unique("image: Paris, identity: Nantes"), **of_it).status == 401
    assert images(nantes, unique("image: Paris, identity: Paris"), **of_it).status == 200


# -- otherwise, around --------------------------------------------------------------------------------

def test_a_name_falls_back_to_the_site_that_has_it(nantes, debian):
    listed = images(nantes, "{image: Nantes ; Lyon ; Paris}")
    assert listed.names() == ["debian"] and listed.field("Cheops-Site") == "Paris"
    assert listed.field("Cheops-Tried") == "Nantes=200, Lyon=200, Paris=200"


def test_an_identifier_falls_back_to_the_site_that_has_it(nantes, debian, data):
    got = nantes.curl("GET", "image", f"/v2/images/{debian}/file", {"Scope": "{image: Nantes ; Paris}"})
    assert got.status == 200 and got.body == data
    assert got.field("Cheops-Tried") == "Nantes=404, Paris=200"
    missing = nantes.curl("GET", "image", "/v2/images/none", {"Scope": "{image: Nantes ; Paris}"})
    assert missing.status == 404 and missing.field("Cheops-Tried") == "Nantes=404, Paris=404"


def test_a_create_runs_at_the_first_site_that_takes_it(nantes, paris):
    made = nantes.curl("POST", "image", "/v2/images", {"Scope": "{image: Nantes ; Paris}"}, {**IMAGE, "name": "once"})
    assert made.status == 201 and made.field("Cheops-Tried") == "Nantes=201"
    assert images(nantes, query="?name=once").names() == ["once"]
    assert images(paris, query="?name=once").names() == []
    assert nantes.curl("DELETE", "image", f"/v2/images/{made.json()['id']}").status == 204


def test_a_refused_credential_does_not_fall_back(nantes):
    refused = images(nantes, "{image: Nantes ; Paris}", **{"X-Auth-Token": "none"})
    assert refused.status == 401 and refused.field("Cheops-Tried") == "Nantes=401"


def test_around_asks_the_near_sites_in_order_of_distance(nantes, debian):
    """The links take 8 and 200 ms: nothing is within 1 ms, on a slow machine neither."""
    far = images(nantes, "{image: around(Nantes, 1ms)}")
    assert far.names() == [] and far.field("Cheops-Site") == "Nantes"
    near = images(nantes, "{image: around(Nantes, 10s)}", query="?name=none")
    assert near.field("Cheops-Tried") == "Nantes=200, Paris=200, Lyon=200"
    assert images(nantes, "{image: around(Nantes, 10s)}").field("Cheops-Site") == "Paris"


def refuses(address, port):
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == errno.ECONNREFUSED


@pytest.fixture
def without_keystone(lab):
    """Nantes, whose Keystone has crashed; the kernel may take a moment more to close its socket."""
    nantes = lab.applications["Nantes"]
    lab.stop("Nantes", "keystone", signal.SIGKILL)
    try:
        wait.until(lambda: refuses(nantes.site.address, nantes.ports()["identity"]), "Keystone's socket to go", 20)
        yield
    finally:
        lab.start("Nantes", "keystone")


def test_another_keystone_answers_for_one_that_crashed(nantes, without_keystone):
    """Also Glance, which stays, has its tokens checked there."""
    fields = {"Content-Type": "application/json"}
    credentials = {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"name": "demo", "domain": {"id": "default"}, "password": "demo"}}},
        "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}}
    refused = nantes.curl("POST", "identity", "/v3/auth/tokens", fields, credentials, user=None)
    assert (refused.status, refused.field("Cheops-Error")) == (502, "service-unreachable"), refused
    fields["Scope"] = "{identity: Nantes ; Paris}"
    issued = nantes.curl("POST", "identity", "/v3/auth/tokens", fields, credentials, user=None)
    assert issued.status == 201 and issued.field("Cheops-Tried") == "Nantes=refused, Paris=201"
    scope = unique("image: Nantes, identity: Nantes ; Paris")
    listed = images(nantes, scope, query="", **{"X-Auth-Token": issued.field("X-Subject-Token")})
    assert listed.status == 200 and listed.field("Cheops-Site") == "Nantes"
    asked = nantes.logged("identity", scope=scope)[0]
    assert [(leg["site"], leg.get("status")) for leg in asked["legs"]] == [("Nantes", None), ("Paris", 200)]


# -- lists over sites ---------------------------------------------------------------------------------

ALL = "{image: Nantes & Paris & Lyon}"
SHARED = str(uuid.uuid4())  # an image that Nantes and Paris have under one identifier


@pytest.fixture(scope="module")
def spread(nantes):
    """Images at three sites, by their names; each bears the tag `spread`."""
    made = []
    for number in range(3):
        for site in ("Nantes", "Paris", "Lyon"):
            made.append((site, f"{site}-{number}", {}))
    made += [("Nantes", "shared", {"id": SHARED}), ("Paris", "shared", {"id": SHARED})]
    ids = []
    for site, name, more in made:
        answer = nantes.curl("POST", "image", "/v2/images", {"Scope": f"{{image: {site}}}"},
                             {**IMAGE, "name": name, "tags": ["spread"], **more})
        assert answer.status == 201, answer
        ids.append((site, answer.json()["id"]))
    yield sorted({name for _, name, _ in made})
    for site, identifier in ids:
        gone = nantes.curl("DELETE", "image", f"/v2/images/{identifier}", {"Scope": f"{{image: {site}}}"})
        assert gone.status == 204, gone


def of_tag(site, scope, more=""):
    return images(site, scope, query="?tag=spread" + more)


def test_the_images_of_three_sites_are_one_list(nantes, spread):
    listed = of_tag(nantes, ALL)
    assert listed.status == 200 and sorted(listed.names()) == spread
    assert listed.field("Cheops-Site") == "Nantes, Paris, Lyon" and "cheops-partial" not in listed.fields
    made_at = [image["created_at"] for image in listed.json()["images"]]
    assert made_at == sorted(made_at, reverse=True)  # Glance's own order
    by_name = of_tag(nantes, ALL, "&sort=name:asc")
    assert by_name.names() == spread
    assert sorted(of_tag(nantes, "{image: *}").names()) == spread


@pytest.mark.parametrize("limit", [1, 4])
def test_pages_of_three_sites(limit, nantes, spread):
    path, names = f"/v2/images?tag=spread&sort_key=name&sort_dir=asc&limit={limit}", []
    while path:
        page = nantes.curl("GET", "image", path, {"Scope": ALL})
        assert page.status == 200 and len(page.names()) <= limit
        names += page.names()
        assert len(names) < 50
        path = page.json().get("next")
    assert sorted(set(names)) == spread and names == sorted(names)


def test_openstack_lists_the_images_of_three_sites(nantes, spread):
    said = nantes.openstack("image", "list", "--tag", "spread", "-f", "value", "-c", "Name", scope=ALL)
    assert (said.status, said.output.split()) == (0, spread), said.output


def test_an_image_of_three_sites_is_read_where_it_is(nantes, debian, data):
    got = nantes.curl("GET", "image", f"/v2/images/{debian}/file", {"Scope": ALL})
    assert got.status == 200 and got.body == data
    assert (got.field("Cheops-Site"), got.field("Cheops-Tried")) == ("Paris", "Nantes=404, Paris=200")


def test_a_list_of_three_sites_without_a_token_is_refused_as_glance_does(nantes):
    refused = nantes.curl("GET", "image", "/v2/images", {"Scope": ALL}, user=None)
    assert refused.status == 401 and refused.field("Cheops-Partial") == "Nantes=401, Paris=401, Lyon=401"
    assert "WWW-Authenticate".lower() in refused.fields


def test_an_image_is_not_changed_at_several_sites(nantes):
    refused = nantes.curl("POST", "image", "/v2/images", {"Scope": ALL}, {**IMAGE, "name": "nowhere"})
    assert (refused.status, refused.field("Cheops-Error")) == (501, "scope-unsupported")


# -- scopes that are refused --------------------------------------------------------------------------

@pytest.mark.parametrize("scope, status, code, shown", [
    ("{image: Pariss}", 400, "scope-unknown-site", ["{image: Pariss}\n        ^~~~~~", "did you mean 'Paris'?"]),
    ("{imagee: Paris}", 400, "scope-unknown-service", ["{imagee: Paris}\n ^~~~~~", "did you mean 'image'?"]),
    ("{image: Paris", 400, "scope-syntax", ["{image: Paris\n             ^"]),
])
def test_a_scope_that_is_refused_runs_nothing(scope, status, code, shown, nantes):
    trace = uuid.uuid4().hex
    refused = images(nantes, scope, traceparent=f"00-{trace}-{trace[:16]}-01")
    assert (refused.status, refused.field("Cheops-Error")) == (status, code)
    error = refused.json()["error"]
    assert error["code"] == status
    assert not [text for text in shown if text not in error["message"]], error["message"]
    assert [(line["status"], line["legs"]) for line in nantes.logged("image", trace=trace)] == [(status, [])]


def test_openstack_shows_where_a_scope_is_wrong(nantes):
    said = nantes.openstack("image", "list", scope="{image: Pariss}")
    assert said.status == 1 and "{image: Pariss}\n        ^~~~~~" in said.output, said.output


# -- Paris is cut off ---------------------------------------------------------------------------------

@pytest.fixture
def cut(lab, nantes, paris):
    lab.isolate("Paris")
    try:
        nantes.wait_for("Paris", "down")
        paris.wait_for("Nantes", "down")
        yield
    finally:
        lab.heal()
        nantes.wait_for("Paris", "up")
        paris.wait_for("Nantes", "up")


def timed(ask):
    began = time.monotonic()
    return ask(), time.monotonic() - began


def test_each_side_of_a_cut_works_alone(nantes, paris, debian, data, cut):
    made = make_image(nantes, "alone", data)
    got = nantes.curl("GET", "image", f"/v2/images/{made}/file")
    assert got.status == 200 and got.body == data
    assert nantes.curl("DELETE", "image", f"/v2/images/{made}").status == 204
    assert images(paris).names() == ["debian"]
    assert images(nantes, "{image: Lyon}").field("Cheops-Site") == "Lyon"


@pytest.mark.parametrize("service, path", [("image", "/v2/images"), ("identity", "/v3/users")])
def test_what_names_a_site_that_is_cut_off_fails_at_once(service, path, nantes, cut):
    refused, took_s = timed(lambda: nantes.curl("GET", service, path, {"Scope": f"{{{service}: Paris}}"}))
    assert (refused.status, refused.field("Cheops-Error")) == (503, "site-down")
    assert "Paris is known to be down" in refused.json()["error"]["message"] and took_s < AT_ONCE_S


def test_an_otherwise_goes_on_without_the_site_that_is_cut_off(nantes, cut):
    listed, took_s = timed(lambda: images(nantes, "{image: Paris ; Nantes}", query=""))
    assert listed.status == 200 and listed.field("Cheops-Site") == "Nantes" and took_s < AT_ONCE_S
    assert listed.field("Cheops-Tried") == "Paris=down, Nantes=200"


def test_a_list_lacks_the_site_that_is_cut_off_and_says_so(nantes, spread, cut):
    rest = [name for name in spread if not name.startswith("Paris")]
    listed, took_s = timed(lambda: of_tag(nantes, ALL))
    assert listed.status == 200 and sorted(listed.names()) == rest and took_s < AT_ONCE_S
    assert (listed.field("Cheops-Site"), listed.field("Cheops-Partial")) == ("Nantes, Lyon", "Paris=down")
    said = nantes.openstack("image", "list", "--tag", "spread", "-f", "value", "-c", "Name", scope=ALL)
    assert (said.status, said.output.split()) == (0, rest), said.output
    refused = of_tag(nantes, "{image: Nantes & Paris & Lyon, missing: fail}")
    assert (refused.status, refused.field("Cheops-Error")) == (502, "part-missing")
    assert "Paris (down)" in refused.json()["error"]["message"]


def test_a_site_that_comes_back_is_asked_again(nantes, debian, lab):
    lab.isolate("Paris")
    nantes.wait_for("Paris", "down")
    lab.heal()
    nantes.wait_for("Paris", "up")
    assert images(nantes, "{image: Paris}").names() == ["debian"]
