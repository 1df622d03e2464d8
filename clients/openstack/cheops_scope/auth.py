"""The option `scope` of keystoneauth's loaders, and the plugins that send it.

A plugin is asked for what goes into a request (get_headers), and given a session where it has to ask for
something itself: discovery of versions, a token. Both get the field `Scope` (docs/scope-lang.md, section 5).
A session, which other plugins may share, is left as it is but for a hook that looks at the answers to requests
with a scope. Nothing is changed in a plugin without one.
"""
import copy
import functools
import json
import os

from keystoneauth1 import exceptions
from keystoneauth1.loading import opts

FIELD = "Scope"
ENVIRONMENT = "OS_SCOPE"
DEST = "cheops_scope"  # `scope` is where the loaders of OpenID Connect keep their `openid-scope`

# What Cheops answers, and no service: the scope is wrong, or a site that it names does not take part.
REFUSALS = ("scope-", "site-")

# The methods of plugins that are given a session; each kind of plugin has some of them.
WITH_SESSION = ["get_access", "get_all_version_data", "get_api_major_version", "get_auth_ref", "get_connection_params",
                "get_discovery", "get_endpoint", "get_endpoint_data", "get_headers", "get_project_id",
                "get_sp_auth_url", "get_sp_url", "get_token", "get_user_id"]


class ScopeRefused(exceptions.ClientException):
    """Cheops refused a request because of its scope. It is no HttpError, which discovery takes for "no such
    version" and hides; and it is raised before openstacksdk repeats a 503 for a quarter of a minute."""


def said_in(response):
    """What an answer of Cheops says, in OpenStack's form of an error or in that of RFC 9457."""
    try:
        body = response.json()
        said = body["error"]["message"] if "error" in body else body["detail"]
    except (ValueError, KeyError, TypeError):
        said = None
    return said if isinstance(said, str) else response.reason


def refuse(response, **_):
    """A hook of requests for each answer: raises ScopeRefused for a refusal of the scope that was sent."""
    error = response.headers.get("Cheops-Error", "")
    if response.status_code >= 400 and FIELD in response.request.headers and error.startswith(REFUSALS):
        raise ScopeRefused(f"{said_in(response)} ({error}, HTTP {response.status_code})")


def watch_answers(session):
    """Has the connections of a session look at answers, once; those to requests without a scope pass."""
    hooks = session.session.hooks.setdefault("response", [])
    if refuse not in hooks:
        hooks.append(refuse)


def option():
    # The other name is what openstacksdk looks for when the option comes from its own argparse.
    return opts.Opt("scope", dest=DEST, metavar="<scope>", deprecated=[opts.Opt("cheops-scope")],
                    help="scope of Cheops: whose instance of each service takes part, as in '{image: Paris}'")


def field_value(scope):
    """The text of a scope as it can stand in a field of HTTP: on one line, in ASCII. Gives None for no scope."""
    if scope is None:
        return None
    if not isinstance(scope, str):
        raise exceptions.OptionError(f"the scope is {scope!r}, not text; in clouds.yaml put it in quotes: "
                                     "scope: '{image: Paris}'")
    # Blanks are one as good as the other, and beyond ASCII there are only JSON strings.
    text = "".join(" " if c in "\t\r\n" else c if c < "\x80" else json.dumps(c)[1:-1] for c in scope)
    return text.strip() or None


def scoped_session(session, scope):
    """The same session, but each request that is made by it carries the scope; same connections, same caches."""
    watch_answers(session)
    if session.additional_headers.get(FIELD) == scope:
        return session
    scoped = copy.copy(session)
    scoped._session = None  # it does not own the connections, and must not close them when it goes
    scoped.additional_headers = {**session.additional_headers, FIELD: scope}
    return scoped


def give_scope(plugin, scope):
    """Has a plugin send a scope with all that it asks for, and with each request that it authenticates."""
    def scoped(method):
        return functools.wraps(method)(
            lambda session, *args, **kwargs: method(scoped_session(session, scope), *args, **kwargs))

    for name in WITH_SESSION:
        if hasattr(plugin, name):
            setattr(plugin, name, scoped(getattr(plugin, name)))

    get_headers, cache_elements = plugin.get_headers, getattr(plugin, "get_cache_id_elements", None)

    def headers_with_scope(session, **kwargs):
        headers = get_headers(session, **kwargs)
        return None if headers is None else {**headers, FIELD: scope}

    plugin.get_headers = headers_with_scope
    if cache_elements:  # a token that one site gave is none for another scope
        plugin.get_cache_id_elements = lambda *args, **kwargs: {**cache_elements(*args, **kwargs), DEST: scope}
    return plugin


def extend(base_loader):
    """Changes keystoneauth's base of loaders, whose methods those of every kind of authentication call."""
    get_options, load_from_options = base_loader.get_options, base_loader.load_from_options

    @functools.wraps(get_options)
    def get_options_and_scope(self):
        return [*get_options(self), option()]

    @functools.wraps(load_from_options)
    def load_with_scope(self, **kwargs):
        scope = field_value(kwargs.pop(DEST, None)) or field_value(os.environ.get(ENVIRONMENT))
        plugin = load_from_options(self, **kwargs)
        return give_scope(plugin, scope) if scope else plugin

    base_loader.get_options = get_options_and_scope
    base_loader.load_from_options = load_with_scope
