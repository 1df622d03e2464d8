"""tools/stages: what it counts in the reports of the test runners, and how a run ends."""
import os
import unittest

from support import ToolTest, load

stages = load("stages")

CMOCKA = "[==========] 4 test(s) run.\n"
JUNIT = ('<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10"/>'
         "</testsuites>")


class Counting(ToolTest):
    def count(self, result, out="", err=""):
        return str(stages.count_meson_test({"result": result, "stdout": out, "stderr": err}))

    def test_cmocka_cases(self):
        self.assertEqual(self.count("OK", CMOCKA, "[  PASSED  ] 4 test(s).\n"), "4 passed, 0 failed")
        self.assertEqual(self.count("FAIL", CMOCKA, "[  PASSED  ] 2 test(s).\n[  SKIPPED ] 1 test(s), listed "
                                                    "below:\n[  FAILED  ] 1 test(s), listed below:\n"),
                         "2 passed, 1 failed, 1 skipped")

    def test_unittest_cases(self):
        self.assertEqual(self.count("OK", "", "Ran 7 tests in 0.1s\n\nOK\n"), "7 passed, 0 failed")

    def test_a_silent_test_is_one(self):
        self.assertEqual(self.count("OK"), "1 passed, 0 failed")
        self.assertEqual(self.count("SKIP"), "0 passed, 0 failed, 1 skipped")
        self.assertEqual(self.count("TIMEOUT"), "0 passed, 1 failed")

    def test_a_crash_after_the_cases_is_a_failure(self):
        self.assertEqual(self.count("FAIL", CMOCKA, "[  PASSED  ] 4 test(s).\n"), "4 passed, 1 failed")

    def test_pytest(self):
        self.assertEqual(str(stages.count_pytest(self.write("junit.xml", JUNIT))),
                         "4 passed, 3 failed, 3 skipped")


class Running(ToolTest):
    def test_a_tally_is_summed_and_a_failure_is_the_exit_status(self):
        tally = self.write("tally", "3 0 0\n4 0 1\n")
        self.assertEqual(self.run_tool("stages", "--sum", tally), (0, "7 passed, 0 failed, 1 skipped\n"))
        self.write("tally", "3 0 0\n4 1 0\n")
        self.assertEqual(self.run_tool("stages", "--sum", tally), (1, "7 passed, 1 failed\n"))

    def test_an_unknown_stage(self):
        status, printed = self.run_tool("stages", "sytem")
        self.assertEqual(status, 2)
        self.assertIn("no stage 'sytem'; there are: build unit", printed)

    def test_a_folder_that_is_missing_is_a_failure(self):
        with self.assertRaisesRegex(stages.Failed, "there is no folder tests/none"):
            stages.pytest("none", "not long", "build", 1)

    def test_a_folder_none_of_whose_tests_is_run_is_a_failure(self):
        with self.assertRaisesRegex(stages.Failed, "no test of tests/tools was run"):
            stages.pytest("tools", "threads", os.path.dirname(self.write("x", "")), 60)

    def test_what_runs_too_long_is_ended(self):
        with self.assertRaisesRegex(stages.Failed, "still running after 0.2 s"):
            stages.run(["sh", "-c", "while :; do :; done"], 0.2)


if __name__ == "__main__":
    unittest.main()
