"""tools/check_rules: which rows and which runs it refuses."""
import unittest

from support import ToolTest

ROW = "| 9112 2.2 | A rule. | It is kept. | `test_a.py::test_one` |\n"
UNIT = "| 9110 15.1 | A rule. | It is kept. | `h1_head::test_two`, `corpus_x` |\n"
JUNIT = ('<testsuites><testsuite name="pytest"><testcase classname="tests.system.test_a" name="test_one[a]"/>'
         '<testcase classname="tests.system.test_a" name="test_one[b]">{}</testcase></testsuite></testsuites>')
LOG = ('{{"name": "cheops:unit / h1_head", "result": "OK", "stdout": "[       OK ] test_other\\n{}\\n"}}\n'
       '{{"name": "corpus_x", "result": "{}", "stdout": ""}}\n')


class Rules(ToolTest):
    def setUp(self):
        super().setUp()
        self.write("docs/http.md", "# Rules\n\n| section | rule | does | tests |\n|---|---|---|---|\n" + ROW + UNIT)
        self.write("tests/system/test_a.py", "def test_one(x):\n    assert x\n")
        self.write("tests/unit/codec/test_h1.c", "static void test_two(void **state)\n")
        self.write("tests/fuzz/x/fuzz_x.c", "")
        self.ran()

    def ran(self, junit="", case="[       OK ] test_two", corpus="OK"):
        self.write("build/pytest-system.xml", JUNIT.format(junit))
        self.write("build/meson-logs/testlog-unit.json", LOG.format(case, corpus))

    def row(self, text):
        self.write("docs/http.md", text)

    def test_a_table_whose_tests_passed_is_taken(self):
        self.accepts("check_rules")
        self.accepts("check_rules", "--results", self.top + "/build")

    def test_a_case_alone_is_taken(self):
        self.row(ROW.replace("test_one", "test_one[a]"))
        self.ran("<failure/>")
        self.accepts("check_rules", "--results", self.top + "/build")

    def test_rows_that_are_not_whole(self):
        self.row("| 9112 2.2 | A rule. | `test_a.py::test_one` |\n")
        self.refuses("check_rules", ["docs/http.md:1:", "4 columns"])
        self.row(ROW.replace("A rule.", ""))
        self.refuses("check_rules", ["4 columns"])
        self.row(ROW.replace("9112 2.2", "9112 two"))
        self.refuses("check_rules", ["no section"])
        self.row(ROW.replace("`", ""))
        self.refuses("check_rules", ["no test shows it"])
        self.row("# No table\n")
        self.refuses("check_rules", ["there is no rule"])

    def test_tests_that_are_not_there(self):
        self.row(ROW.replace("test_one", "test_gone"))
        self.refuses("check_rules", ["there is no test test_a.py::test_gone"])
        self.row(UNIT.replace("test_two", "test_gone"))
        self.refuses("check_rules", ["there is no test h1_head::test_gone"])
        self.row(UNIT.replace("corpus_x", "corpus_y"))
        self.refuses("check_rules", ["there is no test corpus_y"])

    def test_tests_that_did_not_pass(self):
        for child in ("<failure/>", "<error/>", "<skipped/>"):
            self.ran(child)
            self.refuses("check_rules", ["test_one[b] did not pass"], "--results", self.top + "/build")
        self.ran(case="[  FAILED  ] test_two")
        self.refuses("check_rules", ["h1_head::test_two did not pass"], "--results", self.top + "/build")
        self.ran(corpus="FAIL")
        self.refuses("check_rules", ["corpus_x did not pass"], "--results", self.top + "/build")

    def test_tests_that_did_not_run(self):
        self.ran(case="")
        self.refuses("check_rules", ["h1_head::test_two did not run"], "--results", self.top + "/build")
        self.refuses("check_rules", ["test_a.py::test_one did not run"], "--results", self.top + "/none")


if __name__ == "__main__":
    unittest.main()
