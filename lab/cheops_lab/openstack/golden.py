"""What every OpenStack site starts from: migrated databases, users, Fernet keys.

Made once for each version of the packages and kept outside the checkout, in
${XDG_CACHE_HOME:-~/.cache}/cheops-lab. Nothing of it is ever shipped: it is made by the packages'
own commands, and the keys and passwords in it open nothing but a lab.

    data/             a MariaDB data directory with the databases keystone and glance
    fernet-keys/  credential-keys/
"""
import base64
import concurrent.futures
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile

from ..errors import LabError, tail
from ..process import Processes
from . import database
from .config import write_config

PACKAGES = ("keystone", "python3-keystone", "glance-api", "python3-glance", "mariadb-server-core",
            "python3-sqlalchemy")
RECIPE = 2  # counts changes of this file that make what was made before stale
COMMAND_S = 300
PASSWORD = "admin"         # of the user admin
SERVICE_PASSWORD = "service"
USERS = (  # name, project, role, password: made by `keystone-manage bootstrap`
    ("admin", "admin", "admin", PASSWORD),
    ("glance", "service", "admin", SERVICE_PASSWORD),
    ("demo", "demo", "member", "demo"),
)


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "cheops-lab")


def versions():
    """Names and versions of the packages that decide what the databases look like."""
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES],
                           capture_output=True, text=True, check=False)
    if query.returncode != 0:
        raise LabError("OpenStack is not installed; tools/deps installs it:\n" + query.stderr.strip())
    return query.stdout


def get(progress):
    """The folder of the golden site; makes it when there is none for these versions."""
    name = hashlib.sha256(f"{RECIPE}\n{versions()}".encode()).hexdigest()[:16]
    cache = cache_folder()
    folder = os.path.join(cache, f"openstack-{name}")
    os.makedirs(cache, mode=0o700, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            progress.say("OpenStack: making databases and keys, once for this version of the packages")
            work = tempfile.mkdtemp(prefix="new-", dir=cache)
            try:
                make(work)
                os.rename(os.path.join(work, "golden"), folder)
            finally:
                shutil.rmtree(work, ignore_errors=True)
            progress.say(f"OpenStack: databases and keys are in {folder}")
    return folder


def make_keys(folder):
    """Two keys, as keystone-manage fernet_setup makes them, without the three seconds it takes."""
    os.makedirs(folder, mode=0o700)
    for name in ("0", "1"):
        with open(os.path.join(folder, name), "wb") as key:
            key.write(base64.urlsafe_b64encode(os.urandom(32)))


def run(work, log, *command):
    path = os.path.join(work, "logs", log)
    with open(path, "ab") as output:
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=work,
                                    timeout=COMMAND_S, check=False).returncode
        except subprocess.TimeoutExpired:
            status = f"none within {COMMAND_S} s"
    if status != 0:
        raise LabError(f"{' '.join(command[:4])} ...: status {status}\n{tail(path)}")


def make_keystone(work, socket):
    golden = os.path.join(work, "golden")
    config = os.path.join(work, "keystone.conf")
    write_config(config, {
        "DEFAULT": {"log_file": os.path.join(work, "logs", "keystone.log"), "use_stderr": "false"},
        "database": {"connection": database.url(socket, "keystone")},
        "fernet_tokens": {"key_repository": os.path.join(golden, "fernet-keys")},
        "fernet_receipts": {"key_repository": os.path.join(golden, "fernet-keys")},  # else one in /etc
        "credential": {"key_repository": os.path.join(golden, "credential-keys")},
        "identity": {"password_hash_rounds": 4},  # the least: 12, the default, takes 0.2 s a password
    })
    manage = ("/usr/bin/keystone-manage", "--config-file", config)
    run(work, "keystone.out", *manage, "db_sync")
    for user, project, role, password in USERS:
        run(work, "keystone.out", *manage, "bootstrap", "--bootstrap-username", user,
            "--bootstrap-project-name", project, "--bootstrap-role-name", role,
            "--bootstrap-password", password)


def make_glance(work, socket):
    config = os.path.join(work, "glance-api.conf")
    write_config(config, {
        "DEFAULT": {"log_file": os.path.join(work, "logs", "glance.log"), "use_stderr": "false"},
        "database": {"connection": database.url(socket, "glance")},
    })
    run(work, "glance.out", "/usr/bin/glance-manage", "--config-file", config, "db_sync")


def make(work):
    """Fills work/golden. The work folder also is a run directory: its processes are noted there."""
    golden = os.path.join(work, "golden")
    data, socket = os.path.join(golden, "data"), os.path.join(work, "database.sock")
    for name in ("logs", "processes", "temporary", "golden"):
        os.mkdir(os.path.join(work, name))
    database.install(data, os.path.join(work, "logs", "install.out"))
    make_keys(os.path.join(golden, "fernet-keys"))
    make_keys(os.path.join(golden, "credential-keys"))
    processes = Processes(work)
    server = processes.start("database", database.command(data, socket, os.path.join(work, "temporary")))
    try:
        database.wait(server, socket)
        for name in ("keystone", "glance"):
            database.create(socket, name)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(make_keystone, work, socket), pool.submit(make_glance, work, socket)]:
                done.result()
    finally:
        processes.stop_all()
