"""The tables of the sources, and which test is for which of their rows."""
import re

from .site import TOP


def rows(table):
    """The keys of a table of cfg, such as timeouts.def."""
    text = (TOP / "src/cfg" / table).read_text()
    return re.findall(r'^CFG_[A-Z]+\(\w+, "(\w+)"', text, re.M)


class Covered:
    """Says which rows have a test:

        bounds = Covered("timeouts.def")

        @bounds.by("client_idle")
        def test_…

        def test_every_row_has_a_test():
            bounds.check()
    """

    def __init__(self, table):
        self.table, self.keys = table, []

    def by(self, *keys):
        self.keys += keys
        return lambda test: test

    def check(self):
        expected = rows(self.table)
        assert expected, f"no row of {self.table} was found"
        assert not set(expected) - set(self.keys), f"{self.table} has rows without a test"
        assert not set(self.keys) - set(expected), f"tests are for rows that {self.table} has not"
