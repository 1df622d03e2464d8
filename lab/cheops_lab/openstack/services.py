"""Keystone and Glance of one site: configuration, catalogue, processes."""
import collections
import os
import shutil
import uuid

from .. import wait
from ..errors import LabError
from ..topology import BEHIND
from . import client, database, golden
from .config import write_config

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))
DESCRIPTION = os.path.join(TOP, "apps", "openstack.yaml")
PORTS = {"identity": 5000, "image": 9292}      # where the clients of a site find its services
START_S = 120
UWSGI = "/usr/bin/uwsgi_python3"
TOKEN_LIFE_S = 43200

Service = collections.namedtuple("Service", "type wsgi environ probe")
SERVICES = {
    "keystone": Service("identity", "/usr/bin/keystone-wsgi-public",
                        {"OS_KEYSTONE_CONFIG_DIR": "{folder}", "OS_KEYSTONE_CONFIG_FILES": "keystone.conf"},
                        "/v3"),
    "glance": Service("image", "/usr/bin/glance-wsgi-api", {"OS_GLANCE_CONFIG_DIR": "{folder}"}, "/versions"),
}


class OpenStack:
    """One site's. `direct`: no Cheops in front, the services are where clients look for them.

    Every service finds every other one, Glance its Keystone included, at the site's front: through
    its Cheops when there is one.
    """

    description = DESCRIPTION

    def __init__(self, site, run, processes, direct):
        self.site, self.run, self.processes, self.direct = site, run, processes, direct
        self.folder = run.site(site.name, "openstack")
        self.socket = run.site(site.name, "database.sock")

    def fronts(self):
        """Where the clients of the site find its services."""
        return dict(PORTS)

    def ports(self):
        """Where the services themselves listen."""
        return {name: port if self.direct else port + BEHIND for name, port in PORTS.items()}

    def front(self, service):
        return f"http://{self.site.address}:{PORTS[service]}"

    def environment(self):
        """What `openstack` needs to be the administrator of this site."""
        return {
            "OS_AUTH_URL": self.front("identity") + "/v3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": golden.PASSWORD,
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_REGION_NAME": self.site.name,
            "OS_IDENTITY_API_VERSION": "3",
        }

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def process_name(self, what):
        return f"{self.site.name}-{what}"

    # -- what is written before anything starts ---------------------------------------------------

    def prepare(self, progress):
        golden_folder = golden.get(progress)
        for name in ("keystone", "glance", "images", "staging", "tasks", "lock", "temporary"):
            os.makedirs(self.path(name), exist_ok=True)
        for name in ("data", "fernet-keys", "credential-keys"):
            shutil.copytree(os.path.join(golden_folder, name), self.path(name))
        self._configure_keystone()
        self._configure_glance()

    def _configure_keystone(self):
        write_config(self.path("keystone", "keystone.conf"), {
            "DEFAULT": {"log_file": self.run.log(self.process_name("keystone-api")), "use_stderr": "false",
                        "public_endpoint": self.front("identity")},
            "database": {"connection": database.url(self.socket, "keystone")},
            "token": {"provider": "fernet", "expiration": TOKEN_LIFE_S},
            "fernet_tokens": {"key_repository": self.path("fernet-keys")},
            "fernet_receipts": {"key_repository": self.path("fernet-keys")},
            "credential": {"key_repository": self.path("credential-keys")},
            "identity": {"password_hash_rounds": 4},
            "cache": {"enabled": "true", "backend": "oslo_cache.dict"},
            "oslo_policy": {"policy_dirs": "policy.d"},  # empty would read every file as a policy
        })

    def _configure_glance(self):
        shutil.copy("/usr/share/glance-common/glance-api-paste.ini", self.path("glance"))
        shutil.copy("/etc/glance/schema-image.json", self.path("glance"))
        write_config(self.path("glance", "glance-api.conf"), {
            "DEFAULT": {"log_file": self.run.log(self.process_name("glance-api")), "use_stderr": "false",
                        "enabled_backends": "fs:file",
                        "enabled_import_methods": "[glance-direct,web-download]"},
            "glance_store": {"default_backend": "fs"},
            "fs": {"filesystem_store_datadir": self.path("images")},
            "os_glance_staging_store": {"filesystem_store_datadir": self.path("staging")},
            "os_glance_tasks_store": {"filesystem_store_datadir": self.path("tasks")},
            "database": {"connection": database.url(self.socket, "glance")},
            "paste_deploy": {"flavor": "keystone"},
            "keystone_authtoken": {
                "www_authenticate_uri": self.front("identity") + "/v3",
                "auth_url": self.front("identity") + "/v3",
                "auth_type": "password",
                "username": "glance",
                "password": golden.SERVICE_PASSWORD,
                "project_name": "service",
                "user_domain_id": "default",
                "project_domain_id": "default",
                "region_name": self.site.name,
                "service_token_roles_required": "true",
                "service_token_roles": "admin",
            },
            "oslo_policy": {"policy_dirs": "policy.d"},
            "oslo_concurrency": {"lock_path": self.path("lock")},
        })

    def _catalogue(self):
        """The rows that `openstack region|service|endpoint create` would write."""
        rows = [("INSERT INTO region (id, description, extra) VALUES (%s, '', '{}')", (self.site.name,))]
        for name, kind, url in (("keystone", "identity", self.front("identity") + "/v3"),
                                ("glance", "image", self.front("image"))):
            service = uuid.uuid5(uuid.NAMESPACE_URL, f"{url}#service").hex
            rows.append(("INSERT INTO service (id, type, enabled, extra) VALUES (%s, %s, 1, %s)",
                         (service, kind, f'{{"name": "{name}"}}')))
            for interface in ("public", "internal", "admin"):
                rows.append(("INSERT INTO endpoint (id, interface, service_id, url, extra, enabled, region_id)"
                             " VALUES (%s, %s, %s, %s, '{}', 1, %s)",
                             (uuid.uuid5(uuid.NAMESPACE_URL, f"{url}#{interface}").hex, interface, service, url,
                              self.site.name)))
        return rows

    # -- processes --------------------------------------------------------------------------------

    def start(self, progress):
        """Starts all and waits until a list of images is answered at the site's front."""
        self._wait_for_database(self._start_database())
        database.run(self.socket, "keystone", self._catalogue())
        started = {name: self._start_service(name) for name in SERVICES}
        for name, process in started.items():
            self._wait_for_service(name, process)
            progress.say(f"{self.site.name}: {name} answers")
        client.warm_up(self.site, self.front("identity"), self.front("image"), started["glance"])
        progress.say(f"{self.site.name}: ready")

    def start_one(self, name):
        """Starts keystone, glance or database, also again, and waits until it answers."""
        if name == "database":
            self._wait_for_database(self._start_database())
        elif name in SERVICES:
            self._wait_for_service(name, self._start_service(name))
        else:
            raise LabError(f"{self.site.name} runs no '{name}'; it runs database, {', '.join(SERVICES)}")

    def _start_database(self):
        command = database.command(self.path("data"), self.socket, self.path("temporary"))
        return self.processes.start(self.process_name("database"), command)

    def _wait_for_database(self, process):
        database.wait(process, self.socket)

    def _start_service(self, name):
        service = SERVICES[name]
        where = f"{self.site.address}:{self.ports()[service.type]}"
        environ = {key: value.format(folder=self.path(name)) for key, value in service.environ.items()}
        command = [UWSGI, "--http-socket", where, "--wsgi-file", service.wsgi,
                   "--processes", "1", "--threads", "4", "--enable-threads", "--need-app", "--die-on-term",
                   "--disable-logging", "--buffer-size", "65535", "--listen", "100"]
        if self.direct:
            # uwsgi ends each connection without saying so, and clients then run into a reset. With
            # Cheops in front this must not matter, so it is not mended there.
            command += ["--add-header", "Connection: close"]
        return self.processes.start(self.process_name(name), command, env=environ)

    def _wait_for_service(self, name, process):
        service = SERVICES[name]
        port = self.ports()[service.type]
        wait.until(lambda: wait.answers(self.site.address, port, service.probe),
                   f"{process.name} to answer at {self.site.address}:{port}", START_S, process=process)
