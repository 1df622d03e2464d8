"""The option `scope` of keystoneauth's loaders, and the plugins that send it.

A plugin is asked for what goes into a request (get_headers), and given a session where it has to ask for
something itself: discovery of versions, a token. Both get the field `Scope` (docs/scope-lang.md, section 5).
Nothing is changed in a session, which other plugins may share, nor in a plugin without a scope.
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

# The methods of plugins that are given a session; each kind of plugin has some of them.
WITH_SESSION = ["get_access", "get_all_version_data", "get_api_major_version", "get_auth_ref", "get_connection_params",
                "get_discovery", "get_endpoint", "get_endpoint_data", "get_headers", "get_project_id",
                "get_sp_auth_url", "get_sp_url", "get_token", "get_user_id"]


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
