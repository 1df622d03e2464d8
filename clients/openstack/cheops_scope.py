"""keystoneauth plugins that send a scope of Cheops with every authenticated request.

With this folder on PYTHONPATH (or the package installed) keystoneauth has a plugin `v3scopedpassword`:
`v3password` with one more option, for every tool that is built on keystoneauth:

    openstack --os-scope '{image: Paris}' image list      OS_SCOPE='{image: Paris}' openstack image list
    clouds.yaml:  auth: {..., scope: '{image: Paris}'}

The scope goes in the field `Scope` (docs/scope-lang.md, section 5).
"""
from keystoneauth1 import loading
from keystoneauth1.identity import v3
from keystoneauth1.loading._plugins.identity import v3 as v3_loading

try:
    # openstacksdk runs str.format over every option but these, and a scope is written in braces.
    from openstack.config import loader as sdk_loader

    sdk_loader.FORMAT_EXCLUSIONS = sdk_loader.FORMAT_EXCLUSIONS | {"scope"}
except (ImportError, AttributeError):  # keystoneauth alone, or an sdk that does not do so
    pass


class Password(v3.Password):
    """v3.Password whose requests carry a scope."""

    scope = None

    def get_headers(self, session, **kwargs):
        headers = super().get_headers(session, **kwargs)
        if headers and self.scope:
            headers["Scope"] = self.scope
        return headers


class Loader(v3_loading.Password):
    """Options of v3password, and `scope`."""

    @property
    def plugin_class(self):
        return Password

    def get_options(self):
        return super().get_options() + [
            loading.Opt("scope", help="scope of Cheops: which site's instance of each service takes part")
        ]

    def load_from_options(self, **kwargs):
        scope = kwargs.pop("scope", None)
        plugin = super().load_from_options(**kwargs)
        plugin.scope = scope
        return plugin
