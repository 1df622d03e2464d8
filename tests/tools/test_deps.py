"""tools/deps, with stand-ins for dpkg-query, apt-get, systemctl and id that note what they are asked."""
import os
import shutil
import unittest

from support import TOOLS, ToolTest

PACKAGES = "## build\ngcc # compiles\nmeson # builds\n## test\nkeystone # a service\n"

DPKG_QUERY = """#!/bin/sh
shift 3
for p; do case " $INSTALLED $(cat {top}/log) " in *" $p "*) echo "installed $p" ;; esac; done
"""
APT_GET = """#!/bin/sh
echo "apt-get $* " >>{top}/log
[ ! -e {top}/policy-rc.d ] || echo "held" >>{top}/log
"""


class Deps(ToolTest):
    def setUp(self):
        super().setUp()
        self.write("packages.txt", PACKAGES)
        self.write("log", "")
        os.makedirs(os.path.join(self.top, "tools"))
        shutil.copy(os.path.join(TOOLS, "deps"), os.path.join(self.top, "tools/deps"))
        for name, text in (("dpkg-query", DPKG_QUERY), ("apt-get", APT_GET),
                           ("dpkg", "#!/bin/sh\necho /lib/systemd/system/$2.service\n"),
                           ("systemctl", "#!/bin/sh\necho \"systemctl $*\" >>{top}/log\n"),
                           ("id", "#!/bin/sh\necho $USER_ID\n")):
            self.write("bin/" + name, text.replace("{top}", self.top), 0o755)

    def deps(self, *arguments, installed="", user_id="0"):
        status, printed = self.run_tool(
            os.path.join(self.top, "tools/deps"), *arguments,
            env={"PATH": f"{self.top}/bin:{os.environ['PATH']}", "INSTALLED": installed,
                 "USER_ID": user_id, "CHEOPS_POLICY_RC_D": f"{self.top}/policy-rc.d"})
        with open(os.path.join(self.top, "log"), encoding="utf-8") as log:
            return status, printed, log.read()

    def test_nothing_is_missing(self):
        self.assertEqual(self.deps(installed="gcc meson keystone"), (0, "", ""))

    def test_installs_what_is_missing_and_starts_none_of_it(self):
        status, printed, log = self.deps(installed="gcc")
        self.assertEqual(status, 0, printed)
        self.assertIn("installing 2 packages and what they depend on: keystone meson", printed)
        update, held, install, held_too, disabled = log.splitlines()
        self.assertIn(" update", update)
        self.assertIn("install --no-install-recommends keystone meson", install)
        self.assertEqual((held, held_too), ("held", "held"))
        self.assertIn("disable keystone.service", disabled)
        self.assertFalse(os.path.exists(f"{self.top}/policy-rc.d"))

    def test_a_policy_of_the_machine_stays(self):
        self.write("policy-rc.d", "theirs")
        self.assertEqual(self.deps()[0], 0)
        with open(f"{self.top}/policy-rc.d", encoding="utf-8") as policy:
            self.assertEqual(policy.read(), "theirs")

    def test_one_section(self):
        self.assertEqual(self.deps("--only", "build", installed="gcc meson"), (0, "", ""))
        log = self.deps("--only", "build", installed="gcc")[2]
        self.assertIn("install --no-install-recommends meson \n", log)

    def test_another_user_is_told_the_command(self):
        status, printed, log = self.deps("--only", "build", installed="gcc", user_id="1000")
        self.assertEqual((status, log), (1, ""))
        self.assertIn("Missing packages: meson\n", printed)
        self.assertIn("    sudo tools/deps --only build\n", printed)

    def test_check_installs_nothing(self):
        status, printed, log = self.deps("--check", installed="gcc")
        self.assertEqual((status, log), (1, ""))
        self.assertIn("Missing packages: keystone meson\n", printed)

    def test_a_failure_of_apt_is_shown(self):
        self.write("bin/apt-get", "#!/bin/sh\necho 'E: no such package'\nexit 100\n", 0o755)
        status, printed, _ = self.deps()
        self.assertEqual(status, 1)
        self.assertIn("E: no such package", printed)
        self.assertIn("'apt-get update' failed", printed)

    def test_wrong_arguments(self):
        self.assertIn("no section 'bild'", self.deps("--only", "bild")[1])
        self.assertIn("unknown argument '--all'", self.deps("--all")[1])


if __name__ == "__main__":
    unittest.main()
