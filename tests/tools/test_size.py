"""tools/check_size: what it measures, and that it refuses what is over."""
import unittest

from support import ToolTest, load

size = load("check_size")


def only(text):
    found = size.functions(text)
    assert len(found) == 1, found
    return found[0]


class Measures(unittest.TestCase):
    def test_finds_functions_and_nothing_else(self):
        text = """
            struct point { int x, y; };
            enum { A = sizeof(int) };
            static const struct point table[] = { { 1, 2 }, };
            int declared(int a);
            __attribute__((format(printf, 1, 2))) static int first(const char *f, ...) { return 0; }
            static struct point *second(void)
            {
                return (struct point *)"}{";
            }
        """
        self.assertEqual([f.name for f in size.functions(text)], ["first", "second"])

    def test_lines_go_from_the_head_to_the_last_brace(self):
        self.assertEqual(only("static int\nf(int a)\n{\n    return a;\n}\n").lines, 5)

    def test_parameters(self):
        self.assertEqual(only("int f(void) { return 0; }").parameters, 0)
        self.assertEqual(only("int f(int a, int (*g)(int, int), char *b[]) { return 0; }").parameters, 3)

    def test_a_switch_counts_once(self):
        text = "int f(int a) { switch (a) { case 1: return 1; case 2: return 2; default: return 3; } }"
        self.assertEqual(only(text).complexity, 2)

    def test_every_branch_counts(self):
        text = """int f(int a) {
            if (a && a > 1 || a < 0) return 1;      /* if while for && */
            for (;;) { while (a) a--; do a++; while (a < 3); }
            list_for_each(x, y) { a ? 1 : 2; }
            return "if (a && b)"[0]; // if
        }"""
        self.assertEqual(only(text).complexity, 1 + 3 + 3 + 2)

    def test_nesting_with_and_without_braces(self):
        self.assertEqual(only("int f(int a) { return a; }").nesting, 0)
        self.assertEqual(only("int f(int a) { if (a) { for (;;) { a++; } } return a; }").nesting, 2)
        self.assertEqual(only("int f(int a) { if (a) for (;;) while (a) a--; return a; }").nesting, 3)
        self.assertEqual(only("int f(int a) { do { if (a) a--; } while (a); { { a++; } } }").nesting, 2)

    def test_else_if_stays_at_its_level(self):
        text = "int f(int a) { if (a) a = 1; else if (a > 1) a = 2; else if (a > 2) a = 3; else a = 4; }"
        self.assertEqual(only(text).nesting, 1)
        self.assertEqual(only("int f(int a) { if (a) a = 1; else { if (a) a = 2; } }").nesting, 2)

    def test_labels_cases_and_initialisers_do_not_derail_it(self):
        text = """int f(int a) {
            struct point p = { .x = a ? 1 : 2, .y = ({ int b = a; b; }) };
            switch (a) { case 'a' ... 'z': case A: if (a) { goto out; } break; default: break; }
        out:
            while (p.x) { if (p.y) { p.x--; } }
            return 0;
        }"""
        self.assertEqual(only(text).nesting, 2)

    def test_the_first_branch_of_an_if_directive_is_read(self):
        text = "int f(int a)\n{\n#if X\n    if (a) {\n#else\n    if (!a) {\n#endif\n        a++;\n    }\n}\n"
        self.assertEqual(only(text).complexity, 2)
        self.assertEqual(only(text).lines, 10)


class Limits(ToolTest):
    def function(self, body, parameters="int a"):
        self.write("src/base/x.c", f"int f({parameters})\n{{\n{body}}}\n")

    def test_what_is_within_passes(self):
        self.function("    a++;\n" * 97)
        self.accepts("check_size")

    def test_a_long_function(self):
        self.function("    a++;\n" * 98)
        self.refuses("check_size", ["src/base/x.c:1:", "f", "lines 101, at most 100"])

    def test_a_long_main(self):
        self.write("src/daemon/main.c", "int main(void)\n{\n" + "    f();\n" * 58 + "}\n")
        self.refuses("check_size", ["main-lines 61, at most 60"])

    def test_complexity(self):
        self.function("    if (a)\n        a++;\n" * 20)
        self.refuses("check_size", ["complexity 21, at most 20"])

    def test_nesting(self):
        self.function("    if (a)\n" * 5 + "    a++;\n")
        self.refuses("check_size", ["nesting 5, at most 4"])

    def test_parameters(self):
        self.function("", "int a, int b, int c, int d, int e, int f, int g")
        self.refuses("check_size", ["parameters 7, at most 6"])

    def test_a_long_file_and_a_long_header(self):
        self.write("src/base/x.c", "\n" * 801)
        self.refuses("check_size", ["src/base/x.c:1:", "file-lines 801, at most 800"])
        self.write("src/base/x.c", "")
        self.write("src/base/x.h", "\n" * 251)
        self.refuses("check_size", ["src/base/x.h:1:", "header-lines 251, at most 250"])

    def test_aims_are_printed_and_do_not_fail(self):
        self.function("    a++;\n" * 40)
        self.accepts("check_size")
        status, printed = self.run_tool("check_size", "--top", self.top, "--aims")
        self.assertEqual((status, printed), (0, "src/base/x.c:1: f: lines 43, aim 40\n"))

    def test_an_exception_passes_up_to_its_maximum(self):
        self.function("    a++;\n" * 98)
        self.write("tools/size_exceptions", "src/base/x.c:f lines 101  # a table in code\n")
        self.accepts("check_size")
        self.function("    a++;\n" * 99)
        self.refuses("check_size", ["lines 102, at most 101"])

    def test_an_exception_that_is_no_longer_needed(self):
        self.function("    a++;\n")
        self.write("tools/size_exceptions", "src/base/x.c:f lines 101  # a table in code\n")
        self.refuses("check_size", ["tools/size_exceptions", "remove the line"])

    def test_an_exception_without_a_reason(self):
        self.write("tools/size_exceptions", "src/base/x.c:f lines 101\n")
        self.refuses("check_size", ["size_exceptions:1", "# reason"])


if __name__ == "__main__":
    unittest.main()
