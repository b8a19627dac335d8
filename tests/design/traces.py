#!/usr/bin/python3
"""Writes what really happens between the markers of docs/design/*.md: starts the servers, asks, and tells what that caused.

usage: traces.py [--check | --print]

Between `<!-- trace: NAME -->` and `<!-- /trace -->` comes the story of that name (stories.py). --check compares, and ends with
status 1 where a document has something else. --print prints all stories. RSVPD_BINARY is the service.
"""
import difflib
import glob
import os
import re
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from watched import Watched  # noqa: E402
from servers import SOURCE  # noqa: E402
from stories import STORIES  # noqa: E402
from story import Untimely  # noqa: E402

MARKED = re.compile(r"(?<=^<!-- trace: )([\w-]+)( -->\n)(.*?)(?=^<!-- /trace -->$)", re.MULTILINE | re.DOTALL)
ATTEMPTS = 20


def tell(watched, name):
    for attempt in range(ATTEMPTS):
        try:
            return STORIES[name](watched, attempt)
        except Untimely as late:
            print(f"again: {late}", file=sys.stderr)
    raise TimeoutError(f"{name}: not once in {ATTEMPTS} attempts was this machine fast enough")


def tell_all(names):
    """name → what is written between its markers."""
    with Watched(os.environ["RSVPD_BINARY"]) as watched:
        stories = {name: tell(watched, name) for name in names}
        watched.end_services()
        return {name: f"\n```text\n{story.render()}```\n\n" for name, story in stories.items()}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    if sys.argv[1:] == ["--print"]:
        for name, text in tell_all(STORIES).items():
            print(f"## {name}\n{text}", end="")
        return 0
    documents = {path: read(path) for path in sorted(glob.glob(f"{SOURCE}/docs/design/*.md"))}
    wanted = {match[1] for text in documents.values() for match in MARKED.finditer(text)}
    if unknown := wanted - set(STORIES):
        sys.exit(f"docs/design wants stories that are not told: {', '.join(sorted(unknown))}; there are {', '.join(STORIES)}")
    if sum(text.count("<!-- trace: ") for text in documents.values()) != sum(len(MARKED.findall(text)) for text in documents.values()):
        sys.exit("docs/design has a marker of a trace that does not end, or stands within a line")
    told, status = tell_all([name for name in STORIES if name in wanted]), 0
    for path, text in documents.items():
        new = MARKED.sub(lambda match: f"{match[1]}{match[2]}{told[match[1]]}", text)
        if new == text:
            continue
        name = os.path.relpath(path, SOURCE)
        if sys.argv[1:] == ["--check"]:
            sys.stdout.writelines(difflib.unified_diff(text.splitlines(True), new.splitlines(True), name, f"{name}, as it is now"))
            print(f"{name}: what happens is not what it tells: look at the difference, then run scripts/design traces")
            status = 1
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(new)
            print(f"{name}: written")
    return status


if sys.argv[1:] not in ([], ["--check"], ["--print"]):
    sys.exit(__doc__)
sys.exit(main())
