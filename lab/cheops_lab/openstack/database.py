"""One MariaDB for one folder: its own process, reachable by a Unix socket alone.

Durability is given up for speed: a lab's data need not survive the machine.
"""
import os
import subprocess

import pymysql

from ..errors import LabError, tail
from ..wait import until

SERVER = "/usr/sbin/mariadbd"
INSTALL = "/usr/bin/mariadb-install-db"
START_S = 60
LOG_FILE_SIZE = "8M"

# As root, the server wants to be told that this is meant.
_AS_ROOT = ["--user=root"] if os.getuid() == 0 else []
OPTIONS = ["--skip-networking", "--skip-name-resolve", "--skip-log-bin", "--performance-schema=0",
           f"--innodb-log-file-size={LOG_FILE_SIZE}", f"--aria-log-file-size={LOG_FILE_SIZE}",
           "--innodb-buffer-pool-size=64M", "--key-buffer-size=1M", "--aria-pagecache-buffer-size=8M",
           "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0",
           "--innodb-use-native-aio=0", "--innodb-temp-data-file-path=ibtmp1:2M:autoextend",
           "--max-connections=200"]


def install(data, log):
    """Makes the server's own tables in an empty folder."""
    with open(log, "ab") as output:
        status = subprocess.run(
            [INSTALL, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
             "--skip-name-resolve", f"--innodb-log-file-size={LOG_FILE_SIZE}",
             f"--aria-log-file-size={LOG_FILE_SIZE}", f"--datadir={data}", *_AS_ROOT],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False).returncode
    if status != 0:
        raise LabError(f"{INSTALL} ended with status {status}\n{tail(log)}")


def command(data, socket, temporary):
    return [SERVER, "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--tmpdir={temporary}",
            f"--pid-file={socket}.pid", *OPTIONS, *_AS_ROOT]


def url(socket, name):
    """The database as SQLAlchemy wants it told."""
    return f"mysql+pymysql://root@localhost/{name}?charset=utf8&unix_socket={socket}"


def is_ready(socket):
    try:
        pymysql.connect(unix_socket=socket, user="root").close()
        return True
    except pymysql.MySQLError:
        return False


def wait(process, socket):
    until(lambda: is_ready(socket), f"the database at {socket}", START_S, process=process)


def run(socket, name, statements):
    """Runs statements (text, values) in one transaction."""
    try:
        with pymysql.connect(unix_socket=socket, user="root", database=name) as connection:
            with connection.cursor() as cursor:
                for text, values in statements:
                    cursor.execute(text, values)
            connection.commit()
    except pymysql.MySQLError as why:
        raise LabError(f"the database {name} at {socket}: {why}") from why


def create(socket, name):
    run(socket, None, [(f"CREATE DATABASE {name} CHARACTER SET utf8", ())])
