"""The variables that a binary of rsvpd knows, as it says itself."""
import functools
import re
import subprocess


@functools.lru_cache(maxsize=None)
def rows(binary):
    """(name, default, range, meaning) of each."""
    table = subprocess.run([binary, "config", "--markdown"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return re.findall(r"^\| `(\w+)` +\| *(.*?) *\| *(.*?) *\| *(.*?) *\|$", table, re.MULTILINE)


def known(binary):
    """Their names, and those with _FILE that name a file with the value."""
    found = rows(binary)
    return {name for name, *_ in found} | {f"{name}_FILE" for name, *_, meaning in found if "with `_FILE` names" in meaning}


def missing(binary, given):
    """Those that must be set and are not among `given`."""
    return {name for name, default, *_ in rows(binary) if default == "required" and not {name, f"{name}_FILE"} & set(given)}
