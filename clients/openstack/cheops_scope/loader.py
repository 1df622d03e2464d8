"""The entry point. Looking for its plugins keystoneauth loads this module, which is what enables the option."""
import cheops_scope

cheops_scope.enable()

from keystoneauth1.loading._plugins.identity import v3  # noqa: E402  after its base has been extended


class V3ScopedPassword(v3.Password):
    """`v3password` by a name of the project's own, for programs that load one plugin, by its name, and no other."""
