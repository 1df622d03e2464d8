"""What `make demo` shows: three OpenStack sites, and what scopes do with them.

Every command is printed as a user types it and run as it is printed; what comes back is held
against what the sentence before it says.
"""
import argparse
import json
import os
import signal
import sys
import tempfile
import time

from .errors import LabError
from .lab import TOP, Lab
from .progress import Progress
from .show import Shell, Show
from .topology import PEER_PORT
from .wait import until

TOPOLOGY = os.path.join(TOP, "lab", "topologies", "three.yaml")
DEBIAN_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # so that openstack, python3 and curl are Debian's
SEEN_S = 60
SITES = "build/cheops sites --admin $CHEOPS_LAB/sites/Nantes/cheops.sock"
AT_ONCE_S = 2      # the longest that a refusal may take here; a time-out would be at least 5 s


class Demo:
    def __init__(self, lab, folder):
        self.lab, self.folder = lab, folder
        run_option = {"CHEOPS_LAB": lab.run.folder}
        self.show = Show(Shell(TOP, {"PATH": DEBIAN_PATH, "LC_ALL": "C.UTF-8", **run_option}))
        self.images = lab.url("Nantes", "image") + "/v2/images"

    # -- small things that the story is told with -------------------------------------------------

    def file(self, name):
        return os.path.join(self.folder, name)

    def curl(self, scope, url=None, options="-s"):
        field = f"-H 'Scope: {scope}' " if scope else ""
        return f"curl {options} -H \"X-Auth-Token: $TOKEN\" \\\n      {field}'{url or self.images}'"

    def measured(self, site, within_ms):
        """The sites that are nearer to a site than that, itself too, by its own measurements."""
        near = set()
        for name, entry in self.lab.cheops[site].sites().items():
            rtt_us = 0 if entry["self"] else entry["rtt_us"]  # null: not measured yet
            if entry["state"] == "up" and rtt_us is not None and rtt_us <= within_ms * 1000:
                near.add(name)
        return near

    def sees(self, site, states):
        """Waits until a site sees the others as given: {site: state}."""
        until(lambda: states.items() <= self.lab.cheops[site].states().items(), f"{site} to see {states}", SEEN_S)

    # -- the story --------------------------------------------------------------------------------

    def tell(self):
        self.prepare()
        self.trust()
        self.share()
        self.fall_back()
        self.near()
        self.together()
        self.mistakes()
        self.cut_off()

    def prepare(self):
        show = self.show
        show.title("A user of Nantes")
        show.text("The administrator of Nantes uses the `openstack` command as it is. With clients/openstack on Python's\n"
                  "path, keystoneauth, the library below it, knows the option --os-scope.")
        show.run('eval "$(lab/lab env Nantes)"')
        show.run("export PYTHONPATH=clients/openstack")
        show.run("env | grep OS_ | sort", sees=["^OS_REGION_NAME=Nantes$"])
        show.text("A token, for those who talk to the services by curl.")
        show.run("export TOKEN=$(openstack token issue -f value -c id); echo ${TOKEN:0:20}...", sees=[r"^gAAAA"])

    def trust(self):
        show = self.show
        show.title("Who is a site")
        show.text("The sites talk TLS with each other. The lab made an authority for them by `cheops ca init`, and a\n"
                  "certificate for each by `cheops ca issue`.")
        show.run("build/cheops ca list --dir $CHEOPS_LAB/ca", sees=["^Nantes .* valid", "^Paris .* valid", "^Lyon .* valid"])
        show.text("Who has none gets nothing where Paris listens for the others.")
        door = f"https://{self.lab.topology.site('Paris').address}:{PEER_PORT}/v2/images"
        show.run(f"curl -sS -k {door}", sees=["certificate required"], status=None)

    def share(self):
        show, image, copy = self.show, self.file("debian.raw"), self.file("copy.raw")
        show.title("An image service in another city")
        show.text("An image is uploaded, from Nantes, into the image service of Paris.")
        show.run(f"head -c 1000000 /dev/urandom > {image}")
        show.run(f"openstack --os-scope '{{image: Paris}}' image create --file {image} -c id -c name debian",
                 sees=[r"\| name +\| debian"])
        show.text("It is in Paris only. A list without a scope stays in Nantes, which has no image.")
        show.run("openstack image list", sees=[r"\A\s*\Z"])
        show.text("The same list in the scope {image: Paris} is that of Paris. The token is one of Nantes: Glance in\n"
                  "Paris has it checked by the Keystone of Paris.")
        show.run("openstack --os-scope '{image: Paris}' image list", sees=[r"\| debian \| active"])
        show.text("Shown by its name, and downloaded, byte for byte.")
        show.run("openstack --os-scope '{image: Paris}' image show -c name -c size -c status debian",
                 sees=[r"\| size +\| 1000000 "])
        show.run(f"openstack --os-scope '{{image: Paris}}' image save --file {copy} debian")
        show.run(f"cmp {image} {copy} && echo equal", sees=["^equal$"])
        show.text("The same by curl. The scope is a field of the request; the answer says which site gave it.")
        show.run(self.curl("{image: Paris}", options="-s -D - -o " + self.file("list.json")),
                 sees=["^HTTP/1.1 200 ", "^Cheops-Site: Paris"])
        show.run(f"grep -o '\"name\": \"[^\"]*\"' {self.file('list.json')}", sees=['"name": "debian"'])
        identifier = json.loads(self.shell_output(f"cat {self.file('list.json')}"))["images"][0]["id"]
        show.run(self.curl("{image: Paris}", f"{self.images}/{identifier}/file", "-s") + f" | cmp - {image} && echo equal",
                 sees=["^equal$"])

    def shell_output(self, command):
        return self.show.shell.run(command)[1]

    def fall_back(self):
        show = self.show
        show.title("Otherwise")
        show.text("Nantes, otherwise Paris: Nantes has no image of that name, so Paris is asked.")
        show.run("openstack --os-scope '{image: Nantes ; Paris}' image show -c name -c status debian",
                 sees=[r"\| name +\| debian"])
        show.text("By curl one sees what was tried. An empty list counts as not found when it selects by a name.")
        show.run(self.curl("{image: Nantes ; Paris}", self.images + "?name=debian", "-s -D - -o " + self.file("list.json")),
                 sees=["^Cheops-Tried: Nantes=200, Paris=200", "^Cheops-Site: Paris"])

    def near(self):
        show = self.show
        show.title("Around")
        show.text("How far the sites are from each other is measured all the time. The lab's links delay what passes:")
        show.run("lab/lab status | grep ' link '", sees=["link Nantes to Paris: up, 4ms", "link Nantes to Lyon: up, 20ms"])
        show.text("What Nantes knows of the sites, its daemon says:")
        show.run(SITES, sees=["^Nantes +here ", "^Paris +up ", "^Lyon +up "])
        until(lambda: self.measured("Nantes", 30) == {"Nantes", "Paris"}, "Nantes to measure Paris within 30 ms", SEEN_S)
        show.text("So, within 30 ms of Nantes are Nantes itself and Paris. `cheops explain` says what a scope means for\n"
                  "a request without running it.")
        show.run("build/cheops explain --admin $CHEOPS_LAB/sites/Nantes/cheops.sock \\\n"
                 f"      --scope '{{image: around(Nantes, 30ms)}}' GET {self.images}",
                 sees=["alternative 1 Nantes", "alternative 2 Paris", "left out .* Lyon"])
        show.text("Lyon gets an image of its own.")
        show.run(f"openstack --os-scope '{{image: Lyon}}' image create --file {self.file('debian.raw')} -c name alpine",
                 sees=["alpine"])
        head = "-s -D - -o /dev/null"
        show.text("Neither Nantes nor Paris has that image, and Lyon is not asked.")
        show.run(self.curl("{image: around(Nantes, 30ms)}", self.images + "?name=alpine", head),
                 sees=["^Cheops-Tried: Nantes=200, Paris=200"], never=["Lyon="])
        show.text("Within 200 ms there is Lyon, too.")
        show.run(self.curl("{image: around(Nantes, 200ms)}", self.images + "?name=alpine", head),
                 sees=["^Cheops-Tried: Nantes=200, Paris=200, Lyon=200", "^Cheops-Site: Lyon"])

    def together(self):
        show = self.show
        show.title("One list of three sites")
        show.text("Nantes gets an image of its own, too. The list over the three sites has what each of them has.")
        show.run(f"openstack image create --file {self.file('debian.raw')} -c name cirros", sees=["cirros"])
        show.run("openstack --os-scope '{image: Nantes & Paris & Lyon}' image list -c Name -c Status",
                 sees=[r"\| alpine \| active", r"\| cirros \| active", r"\| debian \| active"])
        show.text("By curl one sees whose parts are in it. The link to the next page stands for all of them.")
        show.run(self.curl("{image: *}", self.images + "?limit=2", "-s -D - -o " + self.file("list.json")),
                 sees=["^Cheops-Site: Nantes, Lyon, Paris"], never=["Cheops-Partial"])
        show.run(f"grep -o '\"next\": *\"[^\"]*\"' {self.file('list.json')}", sees=["marker=cheops1-"])

    def mistakes(self):
        show = self.show
        show.title("A scope with a mistake")
        show.text("Nothing runs; the answer shows the place. It has the shape of the application's own errors, so that\n"
                  "every client shows it.")
        show.run("openstack --os-scope '{image: Pariss}' image list", sees=[r"^ +\^~~~~~", "did you mean 'Paris'"],
                 status=None)
        show.text("The command `cheops` says so without a daemon.")
        show.run("build/cheops scope check --sites Nantes,Paris,Lyon '{image: Nantes ; }'", sees=[r"^ +\^"], status=1)

    def cut_off(self):
        show = self.show
        show.title("Paris is cut off")
        show.run("lab/lab isolate Paris")
        show.wait("Nantes finds that Paris is down", lambda: self.sees("Nantes", {"Paris": "down", "Lyon": "up"}))
        show.run(SITES, sees=["^Paris +down ", "^Lyon +up "])
        timed = "-s -o /dev/null -w '%{http_code} in %{time_total} s\\n'"
        show.text("Nantes goes on with what is its own.")
        show.run(self.curl(None, options=timed), sees=["^200 in "], within_s=AT_ONCE_S)
        show.text("What needs Paris fails at once, and says why.")
        show.run("time " + self.curl("{image: Paris}"), sees=["Paris is known to be down"], within_s=AT_ONCE_S)
        show.text("An otherwise goes on without it.")
        show.run(self.curl("{image: Paris ; Nantes}", options="-s -D - -o /dev/null"),
                 sees=["^Cheops-Tried: Paris=down, Nantes=200"], within_s=AT_ONCE_S)
        show.text("A list over the three sites is that of two, and says so.")
        show.run("openstack --os-scope '{image: Nantes & Paris & Lyon}' image list -c Name -c Status",
                 sees=[r"\| alpine \| active", r"\| cirros \| active"], never=["debian"])
        show.run(self.curl("{image: Nantes & Paris & Lyon}", options="-s -D - -o /dev/null"),
                 sees=["^Cheops-Site: Nantes, Lyon", "^Cheops-Partial: Paris=down"], within_s=AT_ONCE_S)
        show.text("Paris works on its own, too: its door gives what it has.")
        paris = self.lab.url("Paris", "image") + "/v2/images"
        show.run(self.curl(None, paris) + " | grep -o '\"name\": \"[^\"]*\"'", sees=['"name": "debian"'])
        show.text("The cable is mended.")
        show.run("lab/lab heal")
        show.wait("Nantes finds that Paris is up", lambda: self.sees("Nantes", {"Paris": "up"}))
        show.run("openstack --os-scope '{image: Paris}' image list", sees=[r"\| debian \| active"])


def options():
    usage = argparse.ArgumentParser(prog="lab/demo", description=__doc__)
    usage.add_argument("--build", metavar="DIR", help="where cheopsd and cheops are (default: build)")
    usage.add_argument("--began", type=float, metavar="SECONDS",
                       help="when `make demo` began, in seconds since 1970: installing and building count, too")
    return usage.parse_args()


def start(lab):
    progress = Progress()
    print("== Three sites start: a Keystone and a Glance each, with a MariaDB, behind a Cheops", flush=True)
    lab.up(progress)
    for name, cheops in lab.cheops.items():
        until(lambda c=cheops: set(c.states().values()) == {"up"}, f"{name} to see the other sites", SEEN_S)
    progress.say("every site sees the others")
    return progress.seconds()


def run(asked):
    began = asked.began or time.time()
    if asked.began:
        print(f"== Installed and built: {time.time() - began:.1f} s")
    lab = Lab.create(TOPOLOGY, build=asked.build)
    show = None
    try:
        started = start(lab)
        with tempfile.TemporaryDirectory(prefix="cheops-demo-") as folder:
            demo = Demo(lab, folder)
            show = demo.show
            demo.tell()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C does not leave half of it
        lab.down()
    show.title(f"The end: {show.commands} commands in {time.time() - began:.1f} s, "
               f"{started:.1f} s of them to start the sites; everything is stopped")
    if show.failures:
        print(f"{show.failures} commands were not as said")
        return 1
    print("Everything was as said.")
    return 0


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    try:
        return run(options())
    except LabError as why:
        print(f"lab/demo: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; everything is stopped")
        return 130
