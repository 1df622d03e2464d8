"""A tokenizer for C that is good enough to count with; shared by the checks of this folder.

Comments, string contents and preprocessor lines are no tokens. Of an #if with #else, the first
branch is read, so that braces stay in balance.
"""
import collections
import os
import re

Token = collections.namedtuple("Token", "text line")

_TOKEN = re.compile(r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
  | (?P<string>  "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
  | (?P<number>  \.?\d (?: [eEpP][+-] | [\w.] )* )
  | (?P<word>    [A-Za-z_]\w* )
  | (?P<space>   \s+ )
  | (?P<punct>   \.\.\. | -> | \+\+ | -- | << | >> | && | \|\| | [<>=!]= | . )
""", re.X | re.S)

_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(\w+)")


def without_directives(text):
    """The text with preprocessor lines and second branches blanked; line numbers stay."""
    kept, branches, continued = [], [], False
    for line in text.split("\n"):
        match = None if continued else _DIRECTIVE.match(line)
        hidden = any(branches)
        if match:
            word = match.group(1)
            if word in ("if", "ifdef", "ifndef"):
                branches.append(False)
            elif word in ("else", "elif") and branches:
                branches[-1] = True
            elif word == "endif" and branches:
                branches.pop()
        directive = continued or match is not None
        kept.append("" if directive or hidden else line)
        continued = directive and line.endswith("\\")
    return "\n".join(kept)


def without_comments(text):
    """The text with each comment replaced by its line ends (strings stay)."""
    def blank(match):
        if match.lastgroup != "comment":
            return match.group()
        return " " + "\n" * match.group().count("\n")
    return _TOKEN.sub(blank, text)


def tokens(text):
    """The tokens of a file, each with its line; strings and characters become "" and ''."""
    found, line = [], 1
    for match in _TOKEN.finditer(without_directives(without_comments(text))):
        kind, body = match.lastgroup, match.group()
        if kind not in ("comment", "space"):
            found.append(Token(body[0] * 2 if kind == "string" else body, line))
        line += body.count("\n")
    return found


def closing(toks, at):
    """The index of the bracket that closes the one at `at`; the last index when there is none."""
    depth = 0
    for i in range(at, len(toks)):
        if toks[i].text in ("(", "[", "{"):
            depth += 1
        elif toks[i].text in (")", "]", "}"):
            depth -= 1
            if depth == 0:
                return i
    return len(toks) - 1


def sources(top, folders, suffixes):
    """The files of these folders below top, relative to it, sorted."""
    found = []
    for folder in folders:
        for where, _, names in os.walk(os.path.join(top, folder)):
            found += [os.path.relpath(os.path.join(where, n), top)
                      for n in names if n.endswith(suffixes)]
    return sorted(found)


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as text:
        return text.read()


def read_exceptions(path, fields):
    """Lines of `fields` words and "# reason" -> {words: line number}; a missing file is empty.

    Raises ValueError for a line of another shape.
    """
    found = {}
    if not os.path.exists(path):
        return found
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            rule, _, reason = line.partition("#")
            words = tuple(rule.split())
            if not words:
                continue
            if len(words) != fields or not reason.strip():
                raise ValueError(f"{path}:{number}: expected {fields} words, then '# reason'")
            found[words] = number
    return found
