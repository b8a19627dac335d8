#!/usr/bin/python3
"""Holds docker/compose.yaml to $RSVPD_BINARY, to docker/make-secrets and to docker/README.md, without Docker; scripts/stack runs it.

Variables are those of `rsvpd config`, with values that it takes; what it requires is set. Each secret is made, and given to whoever
reads it. Each container is hardened. The page's table has the settings of docker/.env. Kubernetes gets the same images.
"""
import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

sys.dont_write_bytecode = True
import variables  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = os.environ["RSVPD_BINARY"]
SETTING = re.compile(r"\$\{(\w+):-([^}]*)\}")
HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
# Settings that the page has in one row: those that end so.
IN_ONE_ROW = "_IMAGE"


def is_ours(service):
    return "RSVPD_IMAGE" in service["image"]


def secrets_in(value):
    """The secrets that something of a service names by their paths."""
    return set(re.findall(r"/run/secrets/(\w+)", str(value)))


def variable_faults(name, service):
    environment = {key: SETTING.sub(r"\2", str(value)) for key, value in service.get("environment", {}).items()}
    for key in sorted(set(environment) - variables.known(BINARY)):
        yield f"{name}: rsvpd has no variable {key}"
    for key in sorted(variables.missing(BINARY, environment)):
        yield f"{name}: {key} is not set"
    values = {key: value for key, value in environment.items() if not key.endswith("_FILE")}
    done = subprocess.run([BINARY, "config"], env=values, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, text=True)
    if done.returncode != 0:
        yield f"{name}: {done.stderr.strip()}"


def service_faults(name, service):
    for key, value in HARDENED.items():
        if service.get(key) != value:
            yield f"{name}: {key} is not {value}"
    given, named = set(service.get("secrets", [])), secrets_in({key: service.get(key) for key in ("environment", "entrypoint", "command")})
    for secret in sorted(named - given):
        yield f"{name}: the secret {secret} is named and not given"
    if is_ours(service):
        yield from variable_faults(name, service)
        for secret in sorted(given - named):
            yield f"{name}: the secret {secret} is given and not named"


def image_faults(settings, version, elsewhere):
    if settings["RSVPD_IMAGE"] != f"rsvpd:{version}":
        yield f"the image is {settings['RSVPD_IMAGE']}, and this is {version}"
    for image in sorted(elsewhere - set(settings.values())):
        yield f"docker/kubernetes has the image {image}, and the compose file another one"


def faults_of(compose, made, page, version, elsewhere):
    """What is wrong; `made`: the secrets that are made; `elsewhere`: the images of others that Kubernetes gets."""
    for name, service in compose["services"].items():
        yield from service_faults(name, service)
    secrets = {name: Path(one["file"]).name for name, one in compose["secrets"].items()}
    used = {name for service in compose["services"].values() for name in service.get("secrets", [])}
    yield from (f"nothing makes the secret {name}" for name, file in secrets.items() if file not in made)
    yield from (f"nobody gets the secret {name}" for name in sorted(set(secrets) - used))
    yield from (f"there is no secret {name}" for name in sorted(used - set(secrets)))
    settings = dict(SETTING.findall(str(compose)))
    yield from image_faults(settings, version, elsewhere)
    table = {}
    for names, values in re.findall(r"^\| (`[A-Z_]+`.*?) \| (.*?) \|", page, re.MULTILINE):
        table |= dict(zip(re.findall(r"[A-Z_]+", names), re.findall(r"[^`, ]+", values)))
    for name, default in settings.items():
        if not name.endswith(IN_ONE_ROW) and table.get(name) != default:
            yield f"the page's table has {name} as {table.get(name)}, and its default is {default}"
    yield from (f"the page's table has {name}, which is no setting" for name in sorted(set(table) - set(settings)))


def self_test(compose, *others):
    """Each of these changes is a fault."""
    def change(service, key, value):
        changed = copy.deepcopy(compose)
        changed["services"][service][key] = value
        return changed
    environment = compose["services"]["rsvpd-1"]["environment"]
    for changed in (change("redis", "read_only", False), change("haproxy", "cap_drop", []), change("rsvpd-1", "secrets", ["redis_url"]),
                    change("rsvpd-2", "environment", environment | {"WORKERS_FILE": "/run/secrets/redis_url"}),
                    change("rsvpd-2", "environment", environment | {"WORKERS": "none"}),
                    change("migrate", "environment", {}), change("grafana", "secrets", [])):
        assert list(faults_of(changed, *others))
    made, page, version, elsewhere = others
    for parts in ((made - {"redis_url"}, page, version, elsewhere), (made, page.replace("`SITE`", "`SIDE`"), version, elsewhere),
                  (made, page, "9.9.9", elsewhere), (made, page, version, {"docker.io/library/redis:1"})):
        assert list(faults_of(compose, *parts))


def main():
    docker = ROOT / "docker"
    compose = yaml.safe_load((docker / "compose.yaml").read_text())
    made = set(re.findall(r"(?:password|keep) (\w+)", (docker / "make-secrets").read_text()))
    version = subprocess.run([BINARY, "version"], stdout=subprocess.PIPE, check=True, text=True).stdout.split()[1]
    elsewhere = {image for path in (docker / "kubernetes").rglob("*.yaml")
                 for image in re.findall(r"image: (docker\.io/\S+)", path.read_text())}
    assert elsewhere
    parts = compose, made, (docker / "README.md").read_text(), version, elsewhere
    self_test(*parts)
    faults = list(faults_of(*parts))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


sys.exit(main())
