#!/usr/bin/python3
"""Checks what packaging/ makes of the tables of $RSVPD_BINARY, without making the package, which scripts/package does.

The manual page, the completion and the sample of variables name every command and variable, and the unit's credentials are
variables. Bash itself says what it completes.
"""
import gzip
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import variables  # noqa: E402

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BINARY = os.environ["RSVPD_BINARY"]


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    return (gzip.decompress(data) if path.endswith(".gz") else data).decode("utf-8")


def output(*arguments):
    return subprocess.run(arguments, stdout=subprocess.PIPE, check=True, text=True).stdout


def completed(script, *words):
    """What bash offers behind these words; the last is the one that is being written."""
    program = 'compopt() { :; }; . "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rsvpd; printf "%s\\n" "${COMPREPLY[@]}"'
    return output("bash", "-c", program, "bash", script, *words).split()


def check_completion(script, commands):
    cases = [(("rsvpd", ""), commands + ["--help", "--version"]), (("rsvpd", "help", ""), commands + ["--help"]),
             (("rsvpd", "im"), ["import"]), (("rsvpd", "export", "--relation", "w"), ["waitlist"]),
             (("rsvpd", "migrate", "--wait", ""), []), (("rsvpd", "keys", "r"), ["revoke"])]
    for words, expected in cases:
        found = completed(script, *words)
        if sorted(found) != sorted(expected):
            yield f"behind '{' '.join(words)}' bash completes {found}, not {expected}"
    for command in commands:
        options = set(re.findall(r"--[a-z-]+", output(BINARY, "help", command).split("\n\n")[0]))
        for option in sorted(options - set(completed(script, "rsvpd", command, "--"))):
            yield f"the completion of {command} does not have {option}"


def check_texts(page, sample, commands, names):
    page = page.replace("\\-", "-")
    for command in commands:
        if f"\n.SS rsvpd {command}\n" not in page:
            yield f"the manual page has no section on {command}"
    for name in names:
        if f"\n.TP\n.B {name}\n" not in page:
            yield f"the manual page does not explain {name}"
        sampled = re.search(rf"^#{name}(_FILE)?=", sample, re.MULTILINE) is not None
        if sampled == name.startswith("RELAY_") and name != "DATABASE_URL":
            yield f"the sample of variables {'has' if sampled else 'does not have'} {name}"
    for line in sample.splitlines():
        if line and not line.startswith("#"):
            yield f"the sample sets a variable: {line}"


def check_unit(unit, sample, known):
    for name in re.findall(r"^#(\w+)=", sample, re.MULTILINE) + re.findall(r"^Environment=(\w+)=", unit, re.MULTILINE):
        if name not in known:
            yield f"the unit or the sample has {name}, which is no variable"
    credentials = re.findall(r"^LoadCredential=(\w+):rsvpd\.\1$", unit, re.MULTILINE)
    if unit.count("\nLoadCredential=") != len(credentials) or not credentials:
        yield "a credential of the unit is not NAME:rsvpd.NAME"
    for name in credentials:
        if f"{name.upper()}_FILE" not in known:
            yield f"no variable is named as the credential {name}"


def check_values(sample):
    """Each line with its # away, by itself."""
    for name, value in re.findall(r"^#(\w+)=(.*)$", sample, re.MULTILINE):
        if not value.startswith("/run/credentials/"):  # systemd makes those
            done = subprocess.run([BINARY, "config"], env={name: value}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                                  text=True)
            if done.returncode != 0:
                yield f"the sample has {name}={value}, which is refused: {done.stderr}"


def main():
    commands = re.findall(r"^  ([a-z]+) ", output(BINARY, "help"), re.MULTILINE)
    names, known = [name for name, *_ in variables.rows(BINARY)], variables.known(BINARY)
    assert commands and names
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([f"{ROOT}/packaging/make_files", BINARY, folder, "A <b@c>"], check=True)
        page, sample = read(f"{folder}/rsvpd.8.gz"), read(f"{folder}/rsvpd.default")
        version = output(BINARY, "version").split()[1]
        faults = [f"Debian's changelog does not begin with {version}"] * (not read(f"{folder}/changelog.gz").startswith(f"rsvpd ({version}) "))
        faults += check_completion(f"{folder}/rsvpd", commands)
    faults += check_texts(page, sample, commands, names)
    faults += check_unit(read(f"{ROOT}/packaging/rsvpd.service"), sample, known)
    faults += check_values(sample)
    # It finds what is missing.
    assert len(list(check_values("#PORT=\n#WORKERS=2\n#AUTH_MODE=\n"))) == 2
    assert len(list(check_texts(page, sample + "\nPORT=1\n", commands + ["gone"], names + ["GONE"]))) == 4
    assert list(check_unit("\nLoadCredential=gone:rsvpd.gone\n", "", known))
    assert len(list(check_unit("\nEnvironment=GONE=\nLoadCredential=database_url:rsvpd.database_url\n", "#PORT_FILE=1\n", known))) == 2
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
