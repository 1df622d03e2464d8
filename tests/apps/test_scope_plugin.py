"""clients/openstack: every kind of authentication of keystoneauth takes a scope and sends it with each request.

The clients are real (`openstack`, openstacksdk, keystoneauth); the services are tests/apps/recorder.py.
"""
import configparser
import json
import os
import pathlib
import subprocess
import tomllib

import pytest
import recorder

TOP = pathlib.Path(__file__).resolve().parents[2]
CLIENT = TOP / "clients" / "openstack"
PYTHON = "/usr/bin/python3"
SCOPE = "{image: Paris, *: here}"
LIMIT_S = 120

IDENTITY_VERSION = ("GET", "/v3")
TOKEN = ("POST", "/v3/auth/tokens")
IMAGE_VERSIONS = ("GET", "/image")
IMAGES = ("GET", "/image/v2/images")


@pytest.fixture
def services():
    recording = recorder.Recorder()
    yield recording
    recording.close()


@pytest.fixture
def run(services, tmp_path):
    """Runs a command in an environment that holds nothing of OpenStack but what is given; gives what it printed."""
    def run_command(command, environ=(), status=0):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("OS_") and not k.startswith("PYTHON")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, cwd=tmp_path, env={
            **kept, "HOME": str(tmp_path), "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1",
            "no_proxy": "*", **dict(environ)})
        assert done.returncode == status, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr
    return run_command


def credentials(url, **more):
    return {"OS_AUTH_URL": url + "/v3", "OS_USERNAME": "u", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "p",
            "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_REGION_NAME": "Nantes", **more}


def without_user(environ):
    return {k: v for k, v in environ.items() if k not in ("OS_USERNAME", "OS_PASSWORD", "OS_USER_DOMAIN_ID")}


def write_clouds(folder, url, auth=(), **more):
    auth = {"auth_url": url + "/v3", "username": "u", "password": "secret", "project_name": "p",
            "user_domain_id": "default", "project_domain_id": "default", **dict(auth)}
    cloud = {"auth": auth, "region_name": "Nantes", **more}
    (folder / "clouds.yaml").write_text(json.dumps({"clouds": {"nantes": cloud}}))


# -- the `openstack` command ---------------------------------------------------------------------

def kinds(url):
    """What `openstack` is told, by kind of authentication, and the methods that the token is asked for with."""
    user = credentials(url)
    project_only = without_user(user)
    application = {k: v for k, v in project_only.items() if "PROJECT" not in k}
    return {
        "nothing said": (user, ["password"]),
        "identity 3": ({**user, "OS_IDENTITY_API_VERSION": "3"}, ["password"]),
        "unversioned URL": ({**user, "OS_AUTH_URL": url}, ["password"]),
        "v3scopedpassword": ({**user, "OS_AUTH_TYPE": "v3scopedpassword"}, ["password"]),
        "token": ({**project_only, "OS_AUTH_TYPE": "token", "OS_TOKEN": "t"}, ["token"]),
        "v3token": ({**project_only, "OS_AUTH_TYPE": "v3token", "OS_TOKEN": "t"}, ["token"]),
        "v3applicationcredential": (
            {**application, "OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_ID": "c",
             "OS_APPLICATION_CREDENTIAL_SECRET": "s"}, ["application_credential"]),
        "v3totp": ({**user, "OS_AUTH_TYPE": "v3totp", "OS_PASSCODE": "123456"}, ["totp"]),
    }


@pytest.mark.parametrize("kind", kinds(""))
def test_openstack_sends_the_scope_with_every_request(kind, services, run):
    environ, methods = kinds(services.url)[kind]
    run(["/usr/bin/openstack", "--os-scope", SCOPE, "image", "list"], environ)
    said = services.scopes()
    assert said[TOKEN] == said[IMAGE_VERSIONS] == said[IMAGES] == {SCOPE}
    assert set.union(*said.values()) == {SCOPE}, said
    assert services.token_request()["auth"]["identity"]["methods"] == methods
    if kind in ("nothing said", "token"):  # the others know their version
        assert IDENTITY_VERSION in said


def test_openstack_without_a_scope_sends_none(services, run):
    run(["/usr/bin/openstack", "image", "list"], credentials(services.url))
    said = services.scopes()
    assert IMAGES in said and set.union(*said.values()) == {None}


def test_openstack_takes_the_scope_from_the_environment(services, run):
    run(["/usr/bin/openstack", "image", "list"], credentials(services.url, OS_SCOPE=SCOPE))
    assert set.union(*services.scopes().values()) == {SCOPE}


@pytest.mark.parametrize("place", ["beside auth", "in auth"])
def test_openstack_takes_the_scope_from_clouds_yaml(place, services, run, tmp_path):
    if place == "in auth":
        write_clouds(tmp_path, services.url, auth={"scope": SCOPE})
    else:
        write_clouds(tmp_path, services.url, scope=SCOPE)
    run(["/usr/bin/openstack", "--os-cloud", "nantes", "image", "list"])
    said = services.scopes()
    assert IMAGES in said and set.union(*said.values()) == {SCOPE}


def test_the_option_comes_before_the_environment_and_that_before_clouds_yaml(services, run, tmp_path):
    write_clouds(tmp_path, services.url, scope="{image: Lyon}")
    command = ["/usr/bin/openstack", "--os-cloud", "nantes"]
    run([*command, "image", "list"], {"OS_SCOPE": "{image: Paris}"})
    assert set.union(*services.scopes().values()) == {"{image: Paris}"}
    services.requests.clear()
    run([*command, "--os-scope", "{image: Nantes}", "image", "list"], {"OS_SCOPE": "{image: Paris}"})
    assert set.union(*services.scopes().values()) == {"{image: Nantes}"}


def test_a_mapping_in_clouds_yaml_is_refused_with_what_to_do(services, run, tmp_path):
    write_clouds(tmp_path, services.url, auth={"scope": {"image": "Paris"}})
    said = run(["/usr/bin/openstack", "--os-cloud", "nantes", "image", "list"], status=1)
    assert "put it in quotes" in said and services.requests == []


@pytest.mark.parametrize("body", [{"error": {"message": "Paris is known to be down", "code": 503}},
                                  {"title": "the site is known to be down", "detail": "Paris is known to be down"}])
@pytest.mark.parametrize("asked", [IMAGES, IMAGE_VERSIONS, TOKEN, IDENTITY_VERSION])
def test_openstack_names_the_site_that_is_down_and_asks_once(asked, body, services, run):
    services.instead[asked] = (503, {"Cheops-Error": "site-down", "Retry-After": "1"}, body)
    said = run(["/usr/bin/openstack", "--os-scope", SCOPE, "image", "list"], credentials(services.url), status=1)
    assert "Paris is known to be down (site-down, HTTP 503)" in said
    assert [(r["method"], r["path"]) for r in services.requests].count(asked) == 1


def test_openstack_repeats_what_is_no_refusal_of_the_scope(services, run, tmp_path):
    services.instead[IMAGES] = (503, {"Cheops-Error": "overloaded"}, {"error": {"message": "busy", "code": 503}})
    write_clouds(tmp_path, services.url, scope=SCOPE, image_status_code_retries=1)
    run(["/usr/bin/openstack", "--os-cloud", "nantes", "image", "list"], status=1)
    assert [(r["method"], r["path"]) for r in services.requests].count(IMAGES) == 2


def test_openstack_names_the_option_in_its_help(run):
    said = run(["/usr/bin/openstack", "--help"])
    assert "--os-scope" in said and "OS_SCOPE" in said


# -- keystoneauth: programs that load one plugin by its name --------------------------------------

KEYSTONEAUTH = """
import json, sys
from keystoneauth1 import loading, session
kind, url, options = json.loads(sys.argv[1])
plugin = loading.get_plugin_loader(kind).load_from_options(**options)
session.Session(auth=plugin).get(url)
"""

USER = {"username": "u", "password": "secret", "user_domain_id": "default", "project_name": "p",
        "project_domain_id": "default"}
BY_NAME = {
    "password": USER,
    "v3multifactor": {**USER, "auth_methods": ["v3password", "v3totp"], "passcode": "123456"},
    "v3applicationcredential": {"application_credential_id": "c", "application_credential_secret": "s"},
    "v3oidcpassword": {"identity_provider": "idp", "protocol": "oidc", "access_token_endpoint": "{url}/oidc/token",
                       "client_id": "i", "client_secret": "s", "scope": "openid", "username": "u", "password": "p"},
    "admin_token": {"endpoint": "{url}/image", "token": "t"},
    "http_basic": {"endpoint": "{url}/image", "username": "u", "password": "secret"},
    "none": {"endpoint": "{url}/image"},
}


@pytest.mark.parametrize("kind", BY_NAME)
def test_a_plugin_that_is_loaded_by_its_name_sends_the_scope(kind, services, run):
    options = {k: v.format(url=services.url) if isinstance(v, str) else v for k, v in BY_NAME[kind].items()}
    if "endpoint" not in options:
        options["auth_url"] = services.url + "/v3"
    arguments = json.dumps([kind, services.url + "/image/v2/images", {**options, "cheops_scope": SCOPE}])
    run([PYTHON, "-c", KEYSTONEAUTH, arguments])
    said = services.scopes()
    assert IMAGES in said and set.union(*said.values()) == {SCOPE}
    if kind == "v3multifactor":
        assert services.token_request()["auth"]["identity"]["methods"] == ["password", "totp"]
    if kind == "v3oidcpassword":
        assert "scope=openid" in [r["body"] for r in services.requests if r["path"] == "/oidc/token"][0]


SHARED_SESSION = """
import sys
from keystoneauth1 import loading, session
url = sys.argv[1]
def plugin(kind, scope):
    return loading.get_plugin_loader(kind).load_from_options(
        auth_url=url + "/v3", username="u", password="secret", user_domain_id="default", cheops_scope=scope)
one, other, third = plugin("v3password", "{image: Paris}"), plugin("v3password", None), plugin("v3password", "Lyon")
shared = session.Session()
for auth in (one, other):
    shared.get("/v2/images", auth=auth, endpoint_filter={"service_type": "image", "interface": "public"})
shared.get(url + "/v3", authenticated=False)
print(len({one.get_cache_id(), other.get_cache_id(), third.get_cache_id()}), shared.additional_headers)
"""


def test_a_scope_stays_with_its_plugin(services, run):
    assert run([PYTHON, "-c", SHARED_SESSION, services.url]) == "3 {}\n"
    assert [r["fields"].get("scope") for r in services.requests if r["path"].startswith(("/v3/auth", "/image"))] == \
        ["{image: Paris}"] * 2 + [None] * 2
    assert services.requests[-1]["fields"].get("scope") is None


@pytest.mark.parametrize("written, sent", [
    ("{image: Paris,\n image: Lyon}\n", "{image: Paris,  image: Lyon}"),
    ('{"é": Paris}', '{"\\u00e9": Paris}'),
    ('{"\U0001f600": Paris}', '{"\\ud83d\\ude00": Paris}'),
])
def test_any_text_becomes_one_line_of_ascii(written, sent, services, run):
    options = {"endpoint": services.url + "/image", "cheops_scope": written}
    run([PYTHON, "-c", KEYSTONEAUTH, json.dumps(["none", services.url + "/image/v2/images", options])])
    assert services.requests[0]["fields"]["scope"] == sent


# -- openstacksdk ---------------------------------------------------------------------------------

SDK = "import openstack; list(openstack.connect(cloud='nantes').image.images())"
SDK_WITH_ARGUMENTS = """
import argparse, sys, openstack
from openstack.config import OpenStackConfig
config, parser = OpenStackConfig(), argparse.ArgumentParser()
config.register_argparse_arguments(parser, sys.argv)
region = config.get_one(argparse=parser.parse_args())
list(openstack.connection.Connection(config=region).image.images())
"""


@pytest.mark.parametrize("place", ["clouds.yaml", "environment"])
def test_openstacksdk_sends_the_scope(place, services, run, tmp_path):
    write_clouds(tmp_path, services.url, **({"scope": SCOPE} if place == "clouds.yaml" else {}))
    run([PYTHON, "-c", SDK], {"OS_SCOPE": SCOPE} if place == "environment" else {})
    said = services.scopes()
    assert IMAGES in said and set.union(*said.values()) == {SCOPE}


def test_programs_that_take_the_options_of_openstacksdk_take_the_scope(services, run, tmp_path):
    write_clouds(tmp_path, services.url)
    run([PYTHON, "-c", SDK_WITH_ARGUMENTS, "--os-cloud", "nantes", "--os-scope", SCOPE])
    said = services.scopes()
    assert IMAGES in said and set.union(*said.values()) == {SCOPE}


# -- how it is enabled ----------------------------------------------------------------------------

IS_ENABLED = """
import sys
assert not [m for m in sys.modules if m.startswith(("keystoneauth1", "openstack", "stevedore"))]
from keystoneauth1 import loading
print([o.name for o in loading.get_plugin_options("v3password") if o.dest == "cheops_scope"])
"""


def test_the_folder_on_pythonpath_enables_it(run):
    assert run([PYTHON, "-c", IS_ENABLED]) == "['scope']\n"


def test_it_is_not_enabled_without(run):
    assert run([PYTHON, "-c", IS_ENABLED], {"PYTHONPATH": ""}) == "[]\n"


def test_the_pth_file_enables_it_where_it_is_installed(run):
    """A folder of packages is one whose .pth files Python reads; -s keeps it from reading usercustomize."""
    command = f"import site; site.addsitedir({str(CLIENT)!r})\n{IS_ENABLED}"
    assert run([PYTHON, "-s", "-c", command], {"PYTHONPATH": ""}) == "['scope']\n"


def test_the_entry_point_enables_it_where_python_reads_no_user_customisation(services, run):
    options = {**USER, "auth_url": services.url + "/v3", "cheops_scope": SCOPE}
    arguments = json.dumps(["v3scopedpassword", services.url + "/image/v2/images", options])
    run([PYTHON, "-s", "-c", KEYSTONEAUTH, arguments])
    assert services.scopes()[IMAGES] == {SCOPE}


def test_the_users_own_customisation_still_runs(run, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "usercustomize.py").write_text("print('the own one ran')\n")
    said = run([PYTHON, "-c", IS_ENABLED], {"PYTHONPATH": f"{CLIENT}:{tmp_path}/own"})
    assert said == "the own one ran\n['scope']\n"


def test_what_is_installed_says_the_same_as_what_is_on_the_path():
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    folder = CLIENT / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    entry_points = configparser.ConfigParser()
    entry_points.read(folder / "entry_points.txt")
    assert {s: dict(entry_points[s]) for s in entry_points.sections()} == project["entry-points"]
    metadata = (folder / "METADATA").read_text().splitlines()
    assert f"Name: {project['name']}" in metadata and f"Version: {project['version']}" in metadata
