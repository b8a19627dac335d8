#!/usr/bin/python3
"""Checks that docker/Dockerfile and .dockerignore are true of the sources and of $RSVPD_BINARY, without building an image.

scripts/image builds it and runs it. Here: the version comes from CMakeLists.txt, the context holds what the build wants,
commands, variables and ports are those of the binary, and no step wants a shell in the image.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
INSTRUCTION = re.compile(r"([A-Z]+)\s+(.*)", re.DOTALL)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def instructions(text):
    """(name, argument) of each, without comments and continued lines."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [INSTRUCTION.fullmatch(line.strip()).groups() for line in "\n".join(lines).replace("\\\n", " ").splitlines()]


def last_stage(steps):
    starts = [index for index, (name, _) in enumerate(steps) if name == "FROM"]
    return steps[starts[-1]:]


def words(argument):
    """An argument in exec form; None where a shell would run it."""
    try:
        found = json.loads(argument)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(word, str) for word in found) else None


def stage_faults(steps, commands, ports, variables):
    """What is wrong with the last stage; commands, ports and variables: those that exist."""
    only = dict(steps)  # of an instruction that comes more than once, the last counts
    if only["FROM"] != "scratch":
        yield f"the last stage is made from {only['FROM']}, which holds more than belongs"
    if any(name == "RUN" for name, _ in steps):
        yield "the last stage runs something, which wants a shell in it"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", only.get("USER", "")):
        yield "USER is not a number other than root's, with a group"
    if only.get("STOPSIGNAL") != "SIGTERM":
        yield "STOPSIGNAL is not SIGTERM, which drains"
    entry, default = words(only.get("ENTRYPOINT", "")), words(only.get("CMD", ""))
    check = words(only.get("HEALTHCHECK", "").partition("CMD ")[2])
    if None in (entry, default, check):
        yield "ENTRYPOINT, CMD and HEALTHCHECK are not all there in exec form"
    elif len(entry) != 1 or check[0] != entry[0]:
        yield "ENTRYPOINT is not the binary alone, or HEALTHCHECK runs another one"
    else:
        yield from (f"there is no command {name}" for name in (default[0], check[1]) if name not in commands)
    if sorted(only.get("EXPOSE", "").split()) != sorted(ports):
        yield f"EXPOSE {only.get('EXPOSE')}, where the ports are {' '.join(ports)}"
    for name in re.findall(r"(\w+)=", only.get("ENV", "")):
        if name not in variables:
            yield f"there is no variable {name}"
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', only.get("LABEL", "")))
    for label, value in (("version", "${VERSION}"), ("revision", "${REVISION}"), ("source", "${SOURCE}"), ("licenses", "MIT")):
        if labels.get(label) != value:
            yield f"the label {label} is not {value}"


def faults_of(text, version, commands, ports, variables):
    steps = instructions(text)
    if version in text:
        yield f"the version {version} stands in the Dockerfile, too: CMakeLists.txt has it"
    if ("ARG", "RELEASE=trixie") not in steps or ("ARG", "BASE=docker.io/library/debian:${RELEASE}-slim") not in steps:
        yield "RELEASE and BASE are not arguments with the defaults trixie and Debian's image"
    if not any(name == "RUN" and "packages.sh" in argument and "packages_build[@]" in argument for name, argument in steps):
        yield "the packages are not those of scripts/lib/packages.sh"
    if re.search(r"x86_64|amd64|aarch64|arm64", text):
        yield "an architecture is named"
    yield from stage_faults(last_stage(steps), commands, ports, variables)


def context_faults(dockerignore):
    """Whether the sources can be built of what .dockerignore lets in: CMake and ninja say which file is missing."""
    patterns = [line for line in dockerignore.splitlines() if line and not line.startswith("#")]
    if patterns[0] != "*" or not all(line.startswith("!") for line in patterns[1:]):
        yield ".dockerignore does not leave out all but what it names"
        return
    with tempfile.TemporaryDirectory() as context:
        for name in (line[1:] for line in patterns[1:]):
            source, target = os.path.join(ROOT, name), os.path.join(context, name)
            if not os.path.exists(source):
                yield f".dockerignore names {name}, which is not there"
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)
        for command in (("cmake", "-S", context, "-B", f"{context}/build", "-G", "Ninja", "-DRSVPD_TESTS=OFF"),
                        ("ninja", "-C", f"{context}/build", "-n", "rsvpd")):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
            if done.returncode != 0:
                yield f"it cannot be built of what .dockerignore lets in: {done.stdout}"
                return
        for name in ("docker/make-root", "scripts/lib/packages.sh", "LICENSE"):
            if not os.path.exists(os.path.join(context, name)):
                yield f".dockerignore leaves out {name}, which the Dockerfile wants"


def output(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, cwd=ROOT).stdout


def self_test(text, version, *known):
    """Each of these changes is a fault."""
    for old, new in (
        ('version="${VERSION}"', f'version="{version}"'),
        ('version="${VERSION}"', 'version="9.9.9"'),
        ("FROM scratch", "FROM ${BASE}"),
        ("USER 65532:65532", "USER rsvpd"),
        ("USER 65532:65532", "USER 0:0"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL"),
        ('ENTRYPOINT ["/usr/bin/rsvpd"]', "ENTRYPOINT /usr/bin/rsvpd"),
        ('CMD ["serve"]', 'CMD ["server"]'),
        ('"health"]', '"healthy"]'),
        ("BIND_ADDRESS=", "BIND_ADRESS="),
        ("EXPOSE 8080 9090", "EXPOSE 8080"),
        ("RELEASE=trixie", "RELEASE=bookworm"),
        ("packages_build[@]", "packages_test[@]"),
    ):
        assert old in text, old
        assert list(faults_of(text.replace(old, new), version, *known)), (old, new)


def main():
    binary = os.environ["RSVPD_BINARY"]
    text = read("docker/Dockerfile")
    version = output(binary, "version").split()[1]
    values = dict(re.findall(r"^(\w+)=(.*)$", output("env", "-i", binary, "config"), re.MULTILINE))
    commands = re.findall(r"^  ([a-z]+) ", output(binary, "help"), re.MULTILINE)
    known = commands, [values["PORT"], values["ADMIN_PORT"]], values
    self_test(text, version, *known)
    faults = [*faults_of(text, version, *known), *context_faults(read(".dockerignore"))]
    told = output("bash", "-c", ". scripts/lib/containers.sh && containers_version").strip()
    if told != version:
        faults.append(f"scripts/lib/containers.sh reads the version {told!r} out of CMakeLists.txt, the binary says {version}")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
