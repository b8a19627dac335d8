#!/usr/bin/python3
"""Checks that all that names the version names the one of CMakeLists.txt: $RSVPD_BINARY, docs/openapi.yaml, and the newest entry
of CHANGELOG.md, or the one below "Unreleased"."""
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def found(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else "none"


def versions(printed, cmake, openapi, changelog):
    """What names a version -> the version."""
    return {
        "CMakeLists.txt": found(r"^project\(rsvpd VERSION (\S+)", cmake),
        "rsvpd version": found(r"\Arsvpd (\S+)\n\Z", printed),
        "docs/openapi.yaml": found(r'^info:\n(?:  .*\n)*?  version: "(.+)"$', openapi),
        "CHANGELOG.md": found(r"^## (\d\S*)", changelog),
    }


def self_test():
    good = ("rsvpd 1.2.3\n", "project(rsvpd VERSION 1.2.3 LANGUAGES C)\n", 'info:\n  title: x\n  version: "1.2.3"\n',
            "# Changelog\n\n## Upgrade\n\n## Unreleased\n\n## 1.2.3\n\n## 1.2.2\n")
    assert set(versions(*good).values()) == {"1.2.3"}
    for place in range(4):
        wrong = list(good)
        wrong[place] = wrong[place].replace("1.2.3", "1.2.4")
        assert len(set(versions(*wrong).values())) == 2, place


def main():
    self_test()
    printed = subprocess.run([os.environ["RSVPD_BINARY"], "version"], stdout=subprocess.PIPE, check=True, text=True).stdout
    named = versions(printed, read("CMakeLists.txt"), read("docs/openapi.yaml"), read("CHANGELOG.md"))
    if len(set(named.values())) == 1:
        return 0
    for place, version in named.items():
        print(f"{place}: {version}")
    return 1


sys.exit(main())
