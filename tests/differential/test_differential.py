"""What a service sees behind Cheops and what it sees behind nginx and HAProxy, of the same bytes.

Whatever Cheops passes on is HTTP/1.1 to the letter, and is what nginx and HAProxy pass on or the
beginning of it: Cheops may refuse where they do not. The rest is in explained.py, row by row.
"""
import asyncio
import os

import compare
import explained
import mutator
import pytest

CASES, PARTS = 5000, 5
LONG_FROM, LONG_CASES = 1_000_000, 100_000
SHOWN = 20


class Judge:
    """Says what is wrong with the outcomes of a case; notes which rows explained a difference."""

    def __init__(self):
        self.used = set()

    def _is_explained(self, name, ours, theirs, data):
        why = compare.is_prefix(theirs, ours) and explained.explain(name, ours[len(theirs)], data)
        if why:
            self.used.add(why)
        return bool(why)

    def __call__(self, case, outcomes):
        ours = outcomes["cheops"]
        wrong = [f"behind Cheops a service sees {what}" for what in ours.wrong()]
        wrong += [f"Cheops answers {status}" for status in ours.statuses if status in (500, 502, 503)]
        for name in ("nginx", "haproxy"):
            theirs = outcomes[name].requests()
            if not compare.is_prefix(ours.requests(), theirs) and \
                    not self._is_explained(name, ours.requests(), theirs, case.data):
                wrong.append(f"a service behind {name} sees something else")
        if not wrong:
            return None
        told = "\n".join(f"    {name}\n{outcome}" for name, outcome in outcomes.items())
        pieces = "\n".join(f"      {piece[:2000]!r}" for piece in case.pieces)
        return f"case {case.number} ({case.family}): {'; '.join(wrong)}\n    sent\n{pieces}\n{told}"


def run(folder, numbers):
    """All cases have to be as they should; gives the rows that explained a difference."""
    judge = Judge()
    findings = asyncio.run(compare.compare(folder, numbers, judge))
    assert not findings, f"{len(findings)} cases differ:\n" + "\n".join(findings[:SHOWN])
    return judge.used


@pytest.mark.parametrize("part", range(PARTS))
def test_every_difference_is_explained(tmp_path, part):
    seed = int(os.environ.get("CHEOPS_SEED", "0"))
    run(tmp_path, range(seed + part, seed + CASES, PARTS))


@pytest.mark.long
def test_every_difference_is_explained_and_every_explanation_needed(tmp_path):
    used = run(tmp_path, range(LONG_FROM, LONG_FROM + LONG_CASES))
    assert {why for *_, why in explained.ROWS} == used


def test_a_case_is_made_by_its_number_alone():
    cases = [mutator.make(number) for number in range(300)]
    assert cases == [mutator.make(number) for number in range(300)]
    assert {case.family.partition("+")[0] for case in cases} == {family.__name__ for family in mutator.FAMILIES}
    assert any(len(case.pieces) > 1 for case in cases)


SEEN = compare.recorder.Seen(b"GET", b"/a/things/1-r1", is_complete=True)
HIDDEN = compare.recorder.Seen(b"GET", b"/a/things/1-hidden2", is_complete=True)
HALF = compare.recorder.Seen(b"GET", b"/a/things/1-r1", wrong="lengths")


@pytest.mark.parametrize("seen, statuses, verdict", [
    (([SEEN], [SEEN], [SEEN]), [200], None),
    (([], [SEEN], [SEEN]), [400], None),
    (([SEEN, HIDDEN], [SEEN], [SEEN, HIDDEN]), [200], "a service behind nginx sees something else"),
    (([HIDDEN], [SEEN], [SEEN]), [200], "a service behind nginx sees something else; a service behind haproxy"),
    (([HALF], [SEEN], [SEEN]), [400], "behind Cheops a service sees lengths"),
    (([SEEN], [SEEN], [SEEN]), [200, 502], "Cheops answers 502"),
])
def test_the_judge_tells_apart(seen, statuses, verdict):
    outcomes = {name: compare.Outcome(list(s), statuses) for name, s in zip(("cheops", "nginx", "haproxy"), seen)}
    finding = Judge()(mutator.make(1), outcomes)
    assert finding is None if verdict is None else verdict in finding
