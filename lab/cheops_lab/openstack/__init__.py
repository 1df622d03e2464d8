"""An OpenStack site: Keystone and Glance from Debian's packages, unmodified, by uwsgi.

    openstack.golden     databases and keys that every site starts from; made once, kept in a cache
    openstack.database   a MariaDB of the site's own
    openstack.services   configuration and processes of Keystone and Glance
    openstack.client     what a lab itself asks of a site: a token, a list

All sites start from the same databases and Fernet keys: users, projects and roles have the same
identifiers everywhere, and a token of one site is valid at the others. The catalogue is each
site's own.
"""
from .services import OpenStack

__all__ = ["OpenStack"]
