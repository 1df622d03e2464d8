"""cheops init and cheops app check: what they print, their exit status, what they refuse.

CHEOPS_GOLDEN_WRITE=1 writes the files in tests/golden/app/ anew.
"""
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import unittest

CHEOPS, TOP = (os.path.abspath(path) for path in sys.argv[1:3])
OPENSTACK = os.path.join(TOP, "apps", "openstack.yaml")


def run(*arguments):
    return subprocess.run([CHEOPS, *arguments], capture_output=True, text=True, timeout=60, check=False)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return path


class Init(Case):
    def test_file_is_written_once(self):
        path = self.path("cheops.yaml")
        first = run("init", "--site", "Lyon", path)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o007, 0)
        with open(path, encoding="utf-8") as written:
            text = written.read()
        self.assertIn("\nsite: Lyon\n", text)
        again = run("init", "--site", "Paris", path)
        self.assertEqual(again.returncode, 1)
        self.assertIn(f"{path} exists, and is left as it is", again.stderr)
        with open(path, encoding="utf-8") as written:
            self.assertEqual(written.read(), text)
        self.assertEqual(run("init", "--site", "Lyon", "-").stdout, text)

    def test_a_file_that_cannot_be_made(self):
        answer = run("init", self.path("nowhere/cheops.yaml"))
        self.assertEqual(answer.returncode, 1)
        self.assertIn("cannot be made: No such file or directory", answer.stderr)
        self.assertIn("hint: make its folder first", answer.stderr)

    def test_a_name_that_no_site_has(self):
        answer = run("init", "--site", "here", "-")
        self.assertEqual((answer.returncode, answer.stdout), (2, ""))
        self.assertIn("'here' is not a name for a site", answer.stderr)


class AppCheck(Case):
    def test_what_a_description_knows(self):
        answer = run("app", "check", OPENSTACK)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        self.assertTrue(answer.stdout.startswith(f"{OPENSTACK}: application openstack: valid\n"))
        for line in ("service identity, also keystone, port 5000, checks credentials",
                     "service image, also glance, port 9292", "propagated: suffix of X-Auth-Token, baggage"):
            self.assertIn(line, answer.stdout)

    def test_json(self):
        answer = json.loads(run("app", "check", "--json", OPENSTACK).stdout)
        self.assertTrue(answer["ok"])
        self.assertIsNone(answer["site"])
        services = {s["name"]: s for s in answer["services"]}
        self.assertEqual(services["image"]["aliases"], ["glance"])
        images = next(t for t in services["image"]["types"] if t["name"] == "image")
        self.assertEqual(images["item"], "/v2/images/{image_id}")
        self.assertIn({"name": "create", "kind": "create", "method": "POST", "path": "/v2/images"},
                      images["operations"])

    def golden(self, description, name):
        """What is said of a description, with its path as it is in the project, is in a file."""
        path = os.path.join(TOP, "tests", "golden", "app", name)
        answer = subprocess.run([CHEOPS, "app", "check", description], cwd=TOP, capture_output=True, text=True,
                                timeout=60, check=False)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        if os.environ.get("CHEOPS_GOLDEN_WRITE"):
            with open(path, "w", encoding="utf-8") as out:
                out.write(answer.stdout)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(answer.stdout, file.read())

    def test_what_can_come_of_replication(self):
        self.golden("tests/golden/app/unlike.yaml", "unlike.txt")

    def test_what_can_come_of_replicating_openstack(self):
        self.golden("apps/openstack.yaml", "openstack.txt")

    def test_what_can_come_of_replication_in_json(self):
        answer = json.loads(run("app", "check", "--json", os.path.join(TOP, "tests/golden/app/unlike.yaml")).stdout)
        types = {t["name"]: t["replication"] for t in answer["services"][0]["types"]}
        journal = types["journal"]
        self.assertRegex(journal["digest"], "^[0-9a-f]{16}$")
        self.assertEqual([o["name"] for o in journal["operations"]], ["append", "create", "delete"])
        self.assertEqual(journal["left_to_clocks"], [["append", "append"]])
        self.assertEqual(journal["only_diverges"], ["append"])
        why = "operations that do not commute ran here in another order, and cannot be run again"
        self.assertEqual(journal["search"],
                         {"found": "diverged", "cut": False, "held": True, "site": "B", "why": why,
                          "history": [{"site": "A", "operation": "append", "heard": False},
                                      {"site": "B", "operation": "append", "heard": False}]})
        self.assertFalse(types["stone"]["search"]["held"])
        self.assertEqual(types["ledger"]["search"], {"found": "nothing", "cut": False})
        self.assertEqual(types["counter"]["operations"][0],
                         {"name": "add", "creates": False, "deletes": False, "replaces": False, "overwrites": False,
                          "makes": False, "commutes": ["add"], "done": []})
        self.assertIn([404], [o["done"] for o in types["counter"]["operations"]])
        self.assertIsNone(types["reading"])

    def test_the_search_is_bounded(self):
        names = [f"o{i}" for i in range(24)]
        operations = [{"name": name, "kind": "action", "method": "POST", "path": "{item}/" + name,
                       "overwrites": True} for name in names]
        chain = [{"before": a, "after": b, "result": "keep-order"} for a, b in zip(names, names[1:])]
        path = self.path("app.yaml", json.dumps({"application": "a", "services": {"s": {"types": {"t": {
            "item": "/t/{id}", "operations": operations, "resolution": chain}}}}}))
        self.assertIn("leaves replicas different, of the 200000 that were tried\n", run("app", "check", path).stdout)
        answer = json.loads(run("app", "check", "--json", path).stdout)
        self.assertEqual(answer["services"][0]["types"][0]["replication"]["search"], {"found": "nothing", "cut": True})

    def test_an_error_has_its_place(self):
        path = self.path("app.yaml", "application: a\nservices:\n  b: {prot: 1}\n")
        answer = run("app", "check", path)
        self.assertEqual((answer.returncode, answer.stdout), (1, ""))
        self.assertEqual(answer.stderr, f"cheops: {path}:3:7: a service has no key 'prot'\n"
                                        "  b: {prot: 1}\n      ^~~~\nhint: did you mean 'port'?\n")
        answer = run("app", "check", "--json", path)
        self.assertEqual(answer.returncode, 1)
        self.assertEqual(json.loads(answer.stdout),
                         {"ok": False, "code": "config", "file": path, "line": 3, "column": 7,
                          "message": "a service has no key 'prot'", "hint": "did you mean 'port'?"})

    def test_no_such_file(self):
        answer = run("app", "check", self.path("nowhere.yaml"))
        self.assertEqual(answer.returncode, 1)
        self.assertIn("nowhere.yaml cannot be opened: No such file or directory", answer.stderr)

    def suffixes(self, listeners, services):
        config = self.path("cheops.yaml", "site: Nantes\napplication: gone.yaml\n"
                           f"listeners: {json.dumps(listeners)}\nservices: {json.dumps(services)}\n")
        answer = run("app", "check", "--json", "--config", config, OPENSTACK)
        self.assertEqual(answer.returncode, 0, answer.stdout)
        site = json.loads(answer.stdout)["site"]
        self.assertEqual(site["name"], "Nantes")
        return {c["service"]: c["suffix"] for c in site["credentials"]}, site["warnings"]

    def test_credential_checks(self):
        identity = {"address": "127.0.0.1:5000", "service": "identity"}
        image = {"address": "127.0.0.1:9292", "service": "image"}
        here = {"identity": {"url": "http://127.0.0.1:1"}, "image": {"url": "http://127.0.0.1:2"}}
        elsewhere = {"image": {"url": "http://127.0.0.1:2", "credential_checks": "elsewhere"}}
        self.assertEqual(self.suffixes([identity, image], here), ({"identity": "cut", "image": "set"}, []))
        found, warnings = self.suffixes([image], here)
        self.assertEqual(found, {"identity": "cut", "image": "off"})
        self.assertIn("no listener takes identity", warnings[0])
        found, warnings = self.suffixes([identity, image], elsewhere)
        self.assertEqual(found, {"identity": "absent", "image": "off"})
        self.assertIn("image has credentials checked elsewhere", warnings[0])

    def test_the_configuration_is_wrong(self):
        config = self.path("cheops.yaml", "site: Nantes\n")
        answer = run("app", "check", "--config", config, OPENSTACK)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("a site's configuration needs the key 'application'", answer.stderr)


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as page:
        return page.read()


class Documents(Case):
    """What the documents show is so."""

    def config(self, description):
        return self.path("cheops.yaml", f"site: Nantes\napplication: {description}\n"
                         'listeners: [{address: "127.0.0.1:1"}]\n')

    def explain(self, config, method, url):
        answer = run("explain", "--json", "--config", config, method, url)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        return json.loads(answer.stdout)

    def test_worked_example_of_app_description(self):
        page = read("docs", "app-description.md")
        example = re.search(r"<!-- example: shelf.yaml -->\n```yaml\n(.*?)^```", page, re.M | re.S).group(1)
        rows = re.search(r"<!-- requests: shelf.yaml -->\n.*?\n\|---.*?\n(.*?)\n\n", page, re.S).group(1).split("\n")
        description = self.path("shelf.yaml", example)
        self.assertEqual(run("app", "check", description).returncode, 0)
        config = self.config(description)
        self.assertGreater(len(rows), 10)
        for row in rows:
            request, *want = (cell.strip() for cell in row.strip("|").split("|"))
            method, url = request.strip("`").split(" ")
            plan = self.explain(config, method, url)
            got = [plan.get("service"), plan.get("type"), plan.get("operation"), plan.get("kind")]
            self.assertEqual([text or "" for text in got], want, request)

    def test_example_of_the_manual(self):
        manual = read("docs", "man", "cheops.yaml.5.scd")
        example = re.search(r"^# EXAMPLE\n\n```\n(.*?)^```", manual, re.M | re.S).group(1)
        example = re.sub(r"^  (certificate|key|ca): .*\n", "", example, flags=re.M)
        example = example.replace('listen: "192.0.2.10:7400"', 'listen: "127.0.0.1:7400"\n  plain: true')
        example = example.replace("/usr/share/cheops", TOP)
        answer = run("app", "check", "--config", self.path("cheops.yaml", example), OPENSTACK)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))

    def test_error_of_the_manual(self):
        manual = read("docs", "man", "cheops.yaml.5.scd")
        shown = re.search(r"^```\n/etc/cheops/cheops.yaml(:.*?)^```", manual, re.M | re.S).group(1)
        config = self.path("cheops.yaml", f"site: Nantes\napplication: {OPENSTACK}\n\n"
                           'listeners: [{adress: "127.0.0.1:5000"}]\n')
        self.assertEqual(run("app", "check", "--config", config, OPENSTACK).stderr, f"cheops: {config}{shown}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
