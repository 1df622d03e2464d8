"""tools/check_banned: each kind of thing it refuses, and what looks like one and is not."""
import unittest

from support import ToolTest, load

banned = load("check_banned")


class Banned(ToolTest):
    def test_calls(self):
        calls = ["strcpy", "sprintf", "strtok", "atoi", "sscanf", "alloca", "strtol", "assert", "system"]
        text = "int f(void)\n{\n" + "".join(f"    {c}(a, b);\n" for c in calls) + "}\n"
        found = [(line, word) for line, word, _ in banned.findings("src/base/x.c", text)]
        self.assertEqual(found, list(enumerate(calls, 3)))
        self.write("src/base/x.c", text)
        self.refuses("check_banned", ["src/base/x.c:3: strcpy: it knows no bound"])

    def test_a_typedef_of_a_struct(self):
        self.write("src/base/x.h", "typedef struct point { int x; } point;\n")
        self.refuses("check_banned", ["src/base/x.h:1: typedef"])

    def test_a_typedef_of_a_function_is_none(self):
        self.write("src/base/x.h", "typedef void on_done(struct a *a);\n")
        self.accepts("check_banned")

    def test_names_comments_and_strings_are_no_calls(self):
        self.write("src/base/x.c", "int x_atoi(int a); // strcpy(a, b)\n"
                                   "void f(struct t *t) { t->system(\"atoi(a)\"); t->rand = 1; }\n")
        self.accepts("check_banned")

    def test_unfinished_work(self):
        for path in ("src/base/x.c", "tests/unit/x.c", "lab/x.py"):
            self.write(path, "/* TODO */\n" if path.endswith(".c") else "# TODO\n")
            self.refuses("check_banned", [f"{path}:1: TODO"])
            self.write(path, "\n")

    def test_sleeping_tests(self):
        self.write("tests/unit/x.c", "void f(void)\n{\n    usleep(5);\n}\n")
        self.refuses("check_banned", ["tests/unit/x.c:3: usleep"])
        self.write("tests/unit/x.c", "")
        self.write("tests/system/test_x.py", "import time\ntime.sleep(1)\n")
        self.refuses("check_banned", ["tests/system/test_x.py:2: time.sleep"])

    def test_exceptions(self):
        self.write("src/base/x.c", "int f(void) { return atoi(a); }\n")
        self.write("tools/banned_exceptions", "src/base/x.c atoi  # the parser itself\n")
        self.accepts("check_banned")
        self.write("src/base/x.c", "")
        self.refuses("check_banned", ["tools/banned_exceptions", "remove the line"])


if __name__ == "__main__":
    unittest.main()
