"""tools/check_layers: includes and calls that it must refuse."""
import os
import subprocess
import unittest

from support import ToolTest, load

layers = load("check_layers")


class Table(unittest.TestCase):
    def test_left_is_transitive(self):
        self.assertEqual(layers.reachable("plan"), {"plan", "app", "codec", "scope", "op", "base"})
        self.assertEqual(layers.reachable("daemon"), set(layers.LEFT) - {"ctl", "repl", "store"})

    def test_pure_rings_reach_no_ring_that_is_not(self):
        for ring in layers.PURE:
            self.assertLessEqual(layers.reachable(ring), set(layers.PURE) | {"base"})


class Includes(ToolTest):
    def setUp(self):
        super().setUp()
        for path in ("src/base/str.h", "src/plan/plan.h", "src/rt/loop.h", "src/peer/peer.h"):
            self.write(path, "")

    def test_to_the_left_and_its_own(self):
        self.write("src/plan/plan.c", '#include "plan/plan.h"\n#include <string.h>\n#include "base/str.h"\n')
        self.write("src/proxy/x.c", '#include "plan/plan.h"\n#include "rt/loop.h"\n#include "peer/peer.h"\n')
        self.accepts("check_layers")

    def test_to_the_right(self):
        self.write("src/base/x.h", '#include "plan/plan.h"\n')
        self.refuses("check_layers", ["src/base/x.h:1:", "not to the left of ring base"])

    def test_a_neighbour(self):
        self.write("src/plan/x.c", '/* two\n   lines */\n#include "rt/loop.h"\n')
        self.refuses("check_layers", ["src/plan/x.c:3:", "not to the left of ring plan"])

    def test_a_header_of_the_kernel_in_a_pure_ring(self):
        for header in ("sys/socket.h", "time.h", "stdlib.h"):
            self.write("src/plan/x.c", f"#include <{header}>\n")
            self.refuses("check_layers", ["src/plan/x.c:1:", f"<{header}>"])

    def test_a_library_outside_of_its_rings(self):
        self.write("src/proxy/x.c", "#include <openssl/ssl.h>\n")
        self.refuses("check_layers", ["src/proxy/x.c:1:", "<openssl/ssl.h>"])

    def test_odd_paths(self):
        self.write("src/plan/x.c", '#include "../rt/loop.h"\n')
        self.refuses("check_layers", ["names no ring"])
        self.write("src/plan/x.c", '#include "plan/none.h"\n')
        self.refuses("check_layers", ["does not exist"])

    def test_an_unknown_ring(self):
        self.write("src/util/x.h", "")
        self.refuses("check_layers", ["src/util is no ring"])

    def test_an_include_in_a_comment_is_none(self):
        self.write("src/base/x.c", '// #include "plan/plan.h"\n/* #include "rt/loop.h"\n */\n')
        self.accepts("check_layers")


class Objects(ToolTest):
    def library(self, ring, text):
        source = self.write(f"src/{ring}/x.c", text)
        build = os.path.join(self.top, "build/src", ring)
        os.makedirs(build, exist_ok=True)
        subprocess.run(["gcc", "-w", "-c", source, "-o", f"{build}/x.c.o"], check=True)
        subprocess.run(["ar", "rc", f"{build}/lib{ring}.a", f"{build}/x.c.o"], check=True)

    def setUp(self):
        super().setUp()
        self.build = os.path.join(self.top, "build")
        for ring in layers.CALLS:
            self.library(ring, f"void {ring}_f(void) {{ }}\n")

    def test_calls_to_the_left_and_of_text(self):
        self.library("plan", "void plan_f(char *a) { base_f(); scope_f(); memcpy(a, a + 9, a[0]); strlen(a); }\n")
        self.accepts("check_layers", "--build", self.build)

    def test_calls_that_are_not_pure(self):
        calls = ["malloc", "free", "time", "clock_gettime", "open", "socket", "getenv", "qsort", "printf"]
        self.library("plan", "void plan_f(void) { " + " ".join(f"{c}(9);" for c in calls) + " }\n")
        for call in calls:
            self.assertIn(f"src/plan/x.c.o: calls {call}, which ring plan may not",
                          list(layers.check_objects(self.build, ["plan"])))

    def test_base_may_take_memory_and_nothing_else(self):
        self.library("base", "void base_f(void) { free(malloc(9)); }\n")
        self.accepts("check_layers", "--build", self.build)
        self.library("base", "void base_f(void) { time(0); }\n")
        self.refuses("check_layers", ["src/base/x.c.o", "time"], "--build", self.build)


if __name__ == "__main__":
    unittest.main()
