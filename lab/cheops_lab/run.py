"""The run directory of one lab: everything that it makes is in it, and goes with it.

    topology.yaml  options.json    what was asked for
    processes/                     a note of each process
    logs/                          what the processes print
    ca/                            the deployment's authority and the sites' certificates
    sites/<site>/                  a site's configuration, sockets, databases, images
    relay.json  relay.sock         the links, and the relay's control socket
"""
import json
import os
import shutil
import tempfile

from .errors import LabError
from .wait import until

REMOVE_S = 10
SOCKET_PATH_MAX = 107  # sun_path, less its final zero
LONGEST_SOCKET = "sites/{site}/database.sock"


def base_folder():
    """Where the run directories of this user are."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return os.path.join(runtime, f"cheops-lab-{os.getuid()}")


def make_base_folder():
    """That folder, made if need be. LabError when it is another user's."""
    folder = base_folder()
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.stat(folder).st_uid != os.getuid():
        raise LabError(f"{folder} is another user's; set XDG_RUNTIME_DIR to a folder of yours")
    return folder


def default_folder(name):
    return os.path.join(base_folder(), name)


def known_labs():
    """The names of the labs that have a run directory."""
    try:
        return sorted(n for n in os.listdir(base_folder())
                      if os.path.exists(os.path.join(base_folder(), n, "options.json")))
    except OSError:
        return []


class Run:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def log(self, name):
        return self.path("logs", name + ".log")

    def site(self, name, *parts):
        return self.path("sites", name, *parts)

    def exists(self):
        return os.path.exists(self.path("options.json"))

    def create(self, topology_path, topology, options):
        longest = max(len(self.path(LONGEST_SOCKET.format(site=name))) for name in topology.sites)
        if longest > SOCKET_PATH_MAX:
            raise LabError(f"{self.folder} is too long a path for Unix sockets in it: by "
                           f"{longest - SOCKET_PATH_MAX} bytes; choose another one with --run")
        if os.path.dirname(self.folder) == base_folder():
            make_base_folder()
        if os.path.isdir(self.folder) and os.listdir(self.folder) and not self.exists():
            raise LabError(f"{self.folder} is there and is no lab's; it is left alone")
        self._fill(topology_path, topology, options)

    def _fill(self, topology_path, topology, options):
        """All of it at once, so that a lab that is killed meanwhile leaves none or a whole one."""
        parent = os.path.dirname(self.folder)
        os.makedirs(parent, exist_ok=True)
        new = Run(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            for name in ("processes", "logs", "ca"):
                os.makedirs(new.path(name))
            for name in topology.sites:
                os.makedirs(new.site(name))
            shutil.copyfile(topology_path, new.path("topology.yaml"))
            write_json(new.path("options.json"), options)
            os.rename(new.folder, self.folder)
        except BaseException:
            new.remove()
            raise

    def options(self):
        return read_json(self.path("options.json"))

    def remove(self):
        """Tried again while something that is ending still writes into it."""
        def is_removed():
            shutil.rmtree(self.folder, ignore_errors=True)
            return not os.path.exists(self.folder)
        until(is_removed, f"{self.folder} to be removed", REMOVE_S)


def write_json(path, value):
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(value, out, indent=1)
    os.rename(path + ".new", path)


def read_json(path):
    with open(path, encoding="utf-8") as text:
        return json.load(text)
