#!/usr/bin/python3
"""cheops ca, judged by the openssl command.

    test_ca.py CHEOPS TOP
"""
import concurrent.futures
import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

CHEOPS = sys.argv[1]


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def openssl(*arguments):
    done = run("openssl", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = os.path.join(self.folder.name, "ca")
        self.addCleanup(self.folder.cleanup)

    def ca(self, command, *arguments, status=0, **more):
        """Runs a command on this folder; gives what it says."""
        done = run(CHEOPS, "ca", command, "--dir", self.dir, *arguments, **more)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertEqual("" if status else done.stderr, "" if status == 0 else done.stdout)
        return done.stdout if status == 0 else done.stderr

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name), encoding="ascii") as file:
            return file.read()

    def verify(self, name, *more):
        return run("openssl", "verify", "-x509_strict", "-CAfile", self.path("ca.crt"), "-CRLfile",
                   self.path("crl.pem"), "-crl_check", *more, self.path(name + ".crt"))

    def serial(self, name):
        return openssl("x509", "-in", self.path(name + ".crt"), "-noout", "-serial").strip().split("=")[1]

    def states(self):
        return [(c["site"], c["state"]) for c in json.loads(self.ca("list", "--json"))["certificates"]]

    def test_authority_is_one_and_no_more(self):
        self.ca("init")
        text = openssl("x509", "-in", self.path("ca.crt"), "-noout", "-text")
        self.assertRegex(text, r"Basic Constraints: critical\n +CA:TRUE, pathlen:0\n")
        self.assertRegex(text, r"Key Usage: critical\n +Certificate Sign, CRL Sign\n")
        self.assertIn("ASN1 OID: prime256v1", text)
        openssl("x509", "-in", self.path("ca.crt"), "-noout", "-checkend", str(3649 * 86400))
        self.assertEqual(run("openssl", "x509", "-in", self.path("ca.crt"), "-noout", "-checkend",
                             str(3651 * 86400)).returncode, 1)
        listed = openssl("crl", "-in", self.path("crl.pem"), "-noout", "-text", "-CAfile", self.path("ca.crt"))
        self.assertIn("No Revoked Certificates", listed)

    def test_site_is_good_for_both_ends(self):
        self.ca("init")
        said = self.ca("issue", "Paris")
        for purpose in ("sslserver", "sslclient"):
            self.assertEqual(self.verify("Paris", "-purpose", purpose).returncode, 0, self.verify("Paris").stderr)
        text = openssl("x509", "-in", self.path("Paris.crt"), "-noout", "-text")
        self.assertRegex(text, r"Subject Alternative Name: \n +URI:cheops://site/Paris\n")
        self.assertRegex(text, r"Extended Key Usage: \n +TLS Web Server Authentication, TLS Web Client Authentication\n")
        self.assertRegex(text, r"Key Usage: critical\n +Digital Signature\n")
        self.assertRegex(text, r"Basic Constraints: critical\n +CA:FALSE\n")
        self.assertRegex(self.serial("Paris"), r"\A[89A-F][0-9A-F]{31}\Z")
        self.assertIn(self.serial("Paris"), said)
        key = openssl("pkey", "-in", self.path("Paris.key"), "-pubout")
        self.assertEqual(key, openssl("x509", "-in", self.path("Paris.crt"), "-noout", "-pubkey"))

    def test_site_is_no_authority(self):
        """What a site's key signs is not believed."""
        self.ca("init")
        self.ca("issue", "Paris")
        forged = self.path("forged")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                forged + ".key", "-out", forged + ".crt", "-subj", "/CN=Lyon", "-CA", self.path("Paris.crt"),
                "-CAkey", self.path("Paris.key"), "-addext", "subjectAltName=URI:cheops://site/Lyon")
        done = self.verify("forged", "-untrusted", self.path("Paris.crt"))
        self.assertNotEqual(done.returncode, 0)

    def test_files_of_secrets(self):
        """Whatever the umask is, keys are their owner's only."""
        for umask in (0o000, 0o077):
            self.dir = os.path.join(self.folder.name, f"ca{umask}")
            self.ca("init", umask=umask)
            self.ca("issue", "Paris", umask=umask)
            modes = {name: oct(os.stat(self.path(name)).st_mode & 0o777) for name in os.listdir(self.dir)}
            self.assertEqual(modes, {".lock": "0o600", "ca.key": "0o600", "Paris.key": "0o600", "ca.crt": "0o644",
                                     "Paris.crt": "0o644", "crl.pem": "0o644", "index": "0o644"})
            self.assertEqual(os.stat(self.dir).st_mode & 0o777, 0o700)

    def test_nothing_is_overwritten(self):
        self.ca("init")
        before = {name: self.read(name) for name in os.listdir(self.dir)}
        self.assertIn("holds ca.key already", self.ca("init", status=1))
        os.unlink(self.path("ca.key"))
        self.assertIn("holds ca.crt already", self.ca("init", status=1))
        del before["ca.key"]
        self.assertEqual(before, {name: self.read(name) for name in os.listdir(self.dir)})

    def test_issue_again_renews(self):
        self.ca("init")
        self.ca("issue", "Paris")
        first = self.serial("Paris")
        self.assertIn(f"renews certificate {first}", self.ca("issue", "Paris", "--days", "30"))
        self.assertNotEqual(self.serial("Paris"), first)
        self.assertEqual(self.verify("Paris").returncode, 0)
        self.assertEqual(self.states(), [("Paris", "renewed"), ("Paris", "valid")])
        self.ca("revoke", first.lower())
        self.assertEqual(self.states(), [("Paris", "revoked"), ("Paris", "valid")])
        self.assertEqual(self.verify("Paris").returncode, 0)
        self.assertNotIn("renews", self.ca("issue", "Lyon"))

    def test_revoked_is_refused(self):
        self.ca("init")
        for site in ("Paris", "Paris", "Lyon"):
            self.ca("issue", site)
        self.assertIn("2 certificates revoked", self.ca("revoke", "Paris"))
        done = self.verify("Paris")
        self.assertIn("certificate revoked", done.stderr)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.verify("Lyon").returncode, 0)
        self.assertIn("nothing is left to revoke", self.ca("revoke", "Paris"))
        numbers = re.findall(r"CRL Number: \n +(\d+)", openssl("crl", "-in", self.path("crl.pem"), "-noout", "-text"))
        self.assertEqual(numbers, ["3"])
        self.assertNotIn("renews", self.ca("issue", "Paris"))
        self.assertEqual(self.verify("Paris").returncode, 0)

    def test_a_list_that_is_too_long_to_travel(self):
        """Sites fetch lists of at most 24576 bytes from each other."""
        self.ca("init")
        self.ca("issue", "Paris")
        with open(self.path("index"), "a", encoding="ascii") as file:
            file.writelines(f"{number + (0x7A << 120):032X} Lyon 1700000000 1900000000 1750000000\n" for number in range(1, 601))
        done = run(CHEOPS, "ca", "revoke", "--dir", self.dir, "Paris")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("of one site", done.stdout)
        with open(self.path("index"), "a", encoding="ascii") as file:
            file.writelines(f"{number + (0x7A << 120):032X} Lyon 1700000000 1900000000 1750000000\n" for number in range(601, 801))
        done = run(CHEOPS, "ca", "revoke", "--dir", self.dir, "Lyon")
        self.assertEqual(done.returncode, 0)
        self.assertIn("of EVERY site", done.stdout)
        size = len(subprocess.run(["openssl", "crl", "-in", self.path("crl.pem"), "-outform", "DER"], check=True,
                                  capture_output=True, timeout=60).stdout)
        self.assertGreater(size, 24576)
        self.assertIn(f"the list has {size} bytes, and sites pass on lists of at most 24576", done.stderr)
        self.assertIn("hint: ", done.stderr)

    def test_list_that_was_lost_comes_back(self):
        """A run that is killed between the index and the list leaves a revocation that is not in force."""
        self.ca("init")
        self.ca("issue", "Paris")
        old = self.read("crl.pem")
        self.ca("revoke", "Paris")
        with open(self.path("crl.pem"), "w", encoding="ascii") as file:
            file.write(old)
        self.assertEqual(self.verify("Paris").returncode, 0)
        self.ca("revoke", "Paris")
        self.assertEqual(self.verify("Paris").returncode, 2)

    def test_certificate_ends_with_its_authority(self):
        self.ca("init", "--days", "100")
        self.assertIn("The authority itself ends then.", self.ca("issue", "Paris"))
        listed = json.loads(self.ca("list", "--json"))
        self.assertEqual(listed["certificates"][0]["expires"], listed["authority"]["expires"])
        self.assertIn(listed["authority"]["days_left"], (99, 100))

    def test_expired_is_said(self):
        self.ca("init")
        self.ca("issue", "Paris")
        index = self.read("index").replace(re.search(r" (\d+) -$", self.read("index"), re.M)[1], "1000000000")
        with open(self.path("index"), "w", encoding="ascii") as file:
            file.write(index)
        self.assertEqual(self.states(), [("Paris", "expired")])
        self.assertRegex(self.ca("list"), r"(?m)^Paris  [0-9A-F]{32}  2001-09-09T01:46:40Z  expired$")

    def test_many_at_once(self):
        """Each run finds what the others have done."""
        self.ca("init")
        sites = [f"site{i}" for i in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda site: self.ca("issue", site), sites))
            list(pool.map(lambda site: self.ca("revoke", site), sites[::2]))
        self.assertEqual(sorted(self.states()),
                         [(site, "valid" if i % 2 else "revoked") for i, site in enumerate(sites)])
        self.assertEqual([self.verify(site).returncode for site in sites], [2, 0] * 4)
        self.assertEqual([name for name in os.listdir(self.dir) if name.startswith(".new")], [])

    def test_a_run_waits_for_the_one_before(self):
        self.ca("init")
        with open(self.path(".lock"), encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with subprocess.Popen([CHEOPS, "ca", "issue", "--dir", self.dir, "Paris"], stdout=subprocess.PIPE) as child:
                with self.assertRaises(subprocess.TimeoutExpired):
                    child.wait(0.3)
                self.assertFalse(os.path.exists(self.path("Paris.crt")))
                fcntl.flock(lock, fcntl.LOCK_UN)
                self.assertEqual(child.wait(60), 0)
        self.assertEqual(self.verify("Paris").returncode, 0)

    def test_names_that_no_site_can_have(self):
        self.ca("init")
        for name in ("", "-x", "a b", "../up", "prime", "here", "around", "a,b", "é", "x" * 64):
            with self.subTest(name):
                self.assertIn("cannot be a site's name", self.ca("issue", "--", name, status=1))
        self.assertIn("no site can be named 'ca'", self.ca("issue", "ca", status=1))
        self.ca("issue", "x" * 63)
        self.assertEqual(self.verify("x" * 63).returncode, 0)

    def test_what_is_wrong_is_said(self):
        self.assertIn("cannot be opened", self.ca("issue", "Paris", status=1))
        self.ca("init")
        self.assertIn("has issued nothing to a site or with a serial 'Lyon'", self.ca("revoke", "Lyon", status=1))
        os.chmod(self.path("ca.key"), 0o640)
        self.assertIn("can be read by others", self.ca("issue", "Paris", status=1))
        os.chmod(self.path("ca.key"), 0o600)
        other = self.dir
        self.dir = os.path.join(self.folder.name, "other")
        self.ca("init")
        os.replace(self.path("ca.key"), os.path.join(other, "ca.key"))
        self.dir = other
        self.assertIn("is not the key of ca.crt", self.ca("issue", "Paris", status=1))
        with open(self.path("ca.key"), "w", encoding="ascii") as file:
            file.write("no key\n")
        self.assertIn("ca.key is not a private key", self.ca("issue", "Paris", status=1))

    def test_index_that_is_damaged(self):
        self.ca("init")
        self.ca("issue", "Paris")
        good = self.read("index")
        entry = good.splitlines()[1]
        for bad in (entry + " more", entry[1:], entry.replace("Paris", "../P"), entry[:-2],
                    entry.replace(" -", " x"), entry.replace(" ", "  ", 1)):
            with self.subTest(bad):
                with open(self.path("index"), "w", encoding="ascii") as file:
                    file.write(good + bad + "\n")
                self.assertIn("line 3 of the authority's index", self.ca("issue", "Lyon", status=1))
                self.assertFalse(os.path.exists(self.path("Lyon.crt")))

    def test_command_lines(self):
        for arguments, what in [
                (["issue"], "ca issue takes SITE, and 0 arguments are given"),
                (["issue", "A", "B"], "2 arguments are given"),
                (["issue", "A", "--days", "0"], "--days is a number from 1 to 36500, not '0'"),
                (["issue", "A", "--days", "1x"], "not '1x'"),
                (["issue", "A", "--dayz=3"], "did you mean '--days'?"),
                (["list", "--json=1"], "--json takes no value"),
                (["list", "--dir"], "--dir needs a value"),
                (["isue", "A"], "did you mean 'issue'?"),
                ([], "usage: cheops ca COMMAND")]:
            with self.subTest(arguments):
                done = run(CHEOPS, "ca", *arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(what, done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
