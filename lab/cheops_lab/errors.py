"""What the lab reports to its user."""


class LabError(Exception):
    """Something the user can act on: what happened, to what. Shown without a traceback."""


def tail(path, lines=15):
    """The end of a log, indented, for a message; says so when there is nothing."""
    try:
        with open(path, "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 16384))
            text = log.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError as why:
        return f"  (no log: {why})"
    if not text:
        return f"  ({path} is empty)"
    return f"  the end of {path}:\n" + "\n".join("    " + line[:300] for line in text)
