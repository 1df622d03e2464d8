"""A scope of Cheops for every tool that is built on keystoneauth: --os-scope, OS_SCOPE, `scope` in clouds.yaml.

README.md, beside this folder, says how to use it and why it hooks in where it does. This module is loaded
when Python starts, by every program: it imports nothing but what is loaded by then. `enable` waits for the
two modules that it extends, and a program that imports neither of them is left alone.
"""
import sys


def _extend_loaders(module):
    """keystoneauth1.loading.base: each kind of authentication has an option more."""
    from . import auth

    auth.extend(module.BaseLoader)


def _leave_braces_alone(module):
    """openstack.config.loader runs str.format over each option but these, and a scope is written in braces."""
    module.FORMAT_EXCLUSIONS = frozenset(module.FORMAT_EXCLUSIONS) | {"scope", "cheops_scope"}


EXTENSIONS = {
    "keystoneauth1.loading.base": _extend_loaders,
    "openstack.config.loader": _leave_braces_alone,
}


class _Finder:
    """Finds what the other finders find, and extends the modules of the table once they have run."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name not in EXTENSIONS:
            return None
        others = (finder for finder in sys.meta_path if finder is not _Finder)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec and spec.loader:
            run = spec.loader.exec_module

            def run_and_extend(module):
                run(module)
                EXTENSIONS[name](module)

            spec.loader.exec_module = run_and_extend
        return spec


def enable():
    """Gives keystoneauth its option, now or when it is imported. More than one call is one call."""
    if _Finder in sys.meta_path:
        return
    sys.meta_path.insert(0, _Finder)
    for name, extend in EXTENSIONS.items():
        if name in sys.modules:
            extend(sys.modules[name])
