#!/usr/bin/python3
"""Holds docker/kubernetes to what Kubernetes and rsvpd know.

Every field of every manifest must be one of its kind, with a value of the field's type, and none that is required may
be missing: python3-kubernetes has the models. Variables must be those of `rsvpd config`; RSVPD_BINARY (build/rsvpd) is
the service. With --render, `kubectl kustomize` renders the overlays first (Debian 13's kubernetes-client has one that
is new enough), and what comes out is checked.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import copytree

import yaml
from kubernetes.client import models

sys.dont_write_bytecode = True
import variables  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
KUBERNETES = ROOT / "docker" / "kubernetes"
BINARY = os.environ.get("RSVPD_BINARY", ROOT / "build" / "rsvpd")

MODELS = {
    ("v1", "ConfigMap"): "V1ConfigMap",
    ("v1", "Namespace"): "V1Namespace",
    ("v1", "Secret"): "V1Secret",
    ("v1", "Service"): "V1Service",
    ("apps/v1", "Deployment"): "V1Deployment",
    ("apps/v1", "StatefulSet"): "V1StatefulSet",
    ("batch/v1", "Job"): "V1Job",
    ("networking.k8s.io/v1", "NetworkPolicy"): "V1NetworkPolicy",
    ("policy/v1", "PodDisruptionBudget"): "V1PodDisruptionBudget",
    # autoscaling/v2 has the fields of its last beta, which Debian 12's models know alone.
    ("autoscaling/v2", "HorizontalPodAutoscaler"): "V2HorizontalPodAutoscaler"
    if hasattr(models, "V2HorizontalPodAutoscaler")
    else "V2beta2HorizontalPodAutoscaler",
}
# Fields that are younger than Debian 12's models (Kubernetes 1.22), and the version that has them.
NEWER = {("V1PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy"): "1.27"}
# The operator's kinds have no models: the fields that are used of them.
OPERATOR = {
    "ServiceMonitor": {"selector", "endpoints"},
    "PrometheusRule": {"groups"},
}
PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float)}
GRACE_MS = 1000  # what a process needs to end, beside the drain and a request's deadline


class Checks:
    def __init__(self):
        self.passed = 0
        self.wrong = []

    def that(self, true, message):
        if true:
            self.passed += 1
        else:
            self.wrong.append(message)


def build(checks, kind, value, where):
    """The value as the model `kind` has it, every field looked at."""
    if kind in PLAIN:
        good = isinstance(value, PLAIN[kind]) and not (kind == "int" and isinstance(value, bool))
        checks.that(good, f"{where}: {value!r} is no {kind}")
    elif match := re.fullmatch(r"list\[(.*)]", kind):
        checks.that(isinstance(value, list), f"{where}: no list")
        return [build(checks, match[1], one, f"{where}[{i}]") for i, one in enumerate(value)]
    elif match := re.fullmatch(r"dict\(str, (.*)\)", kind):
        checks.that(isinstance(value, dict), f"{where}: no map")
        return {key: build(checks, match[1], one, f"{where}.{key}") for key, one in value.items()}
    elif kind not in ("object", "datetime"):
        return build_model(checks, kind, value, where)
    return value


def build_model(checks, kind, value, where):
    model = getattr(models, kind)
    names = {name: member for member, name in model.attribute_map.items()}
    members = {}
    for name, one in value.items():
        if (kind, name) in NEWER:
            continue
        checks.that(name in names, f"{where}: {kind} has no field {name!r}")
        if name in names:
            members[names[name]] = build(checks, model.openapi_types[names[name]], one, f"{where}.{name}")
    try:
        return model(**members)
    except ValueError as error:
        checks.that(False, f"{where}: {error}")
        return None


def check_manifest(checks, manifest, where):
    kind = manifest["kind"]
    where = f"{where}: {kind} {manifest['metadata']['name']}"
    if manifest["apiVersion"] == "monitoring.coreos.com/v1":
        checks.that(set(manifest["spec"]) == OPERATOR[kind], f"{where}: other fields than {OPERATOR[kind]}")
        return
    model = MODELS.get((manifest["apiVersion"], kind))
    checks.that(model is not None, f"{where}: {manifest['apiVersion']} is not expected")
    if model is not None:
        build(checks, model, manifest, where)


def manifests_of(path):
    with open(path, encoding="utf-8") as file:
        return [document for document in yaml.safe_load_all(file) if document is not None]


# --- What rsvpd wants -----------------------------------------------------------------------------

def pod_of(manifest):
    return manifest.get("spec", {}).get("template", {}).get("spec")


def is_ours(container):
    return container.get("image", "").rsplit(":", 1)[0].endswith("rsvpd")


def check_container(checks, container, known, where):
    for variable in container.get("env", []):
        checks.that(variable["name"] in known, f"{where}: rsvpd has no variable {variable['name']}")
    missing = variables.missing(BINARY, [variable["name"] for variable in container.get("env", [])])
    checks.that(not missing, f"{where}: not set: {missing}")
    security = container.get("securityContext", {})
    checks.that(security.get("readOnlyRootFilesystem") is True, f"{where}: the root file system may be written")
    checks.that(security.get("allowPrivilegeEscalation") is False, f"{where}: privileges may be gained")
    checks.that(security.get("capabilities", {}).get("drop") == ["ALL"], f"{where}: capabilities are kept")
    ports = {port["name"] for port in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        port = container.get(probe, {}).get("httpGet", {}).get("port")
        checks.that(port is None or port in ports, f"{where}: {probe} asks a port {port} that is not named")


def check_files(checks, pod, container, where):
    """Each file of a secret that a variable names is mounted; without `items`, all keys of the secret are."""
    secrets = {volume["name"]: volume["secret"] for volume in pod.get("volumes", []) if "secret" in volume}
    mounts = {mount["mountPath"]: secrets.get(mount["name"]) for mount in container.get("volumeMounts", [])}
    for variable in container.get("env", []):
        if variable["name"].endswith("_FILE"):
            folder, _, file = variable["value"].rpartition("/")
            items = (mounts.get(folder) or {"items": []}).get("items")
            checks.that(items is None or file in {item["path"] for item in items}, f"{where}: nothing mounts {variable['value']}")


def check_pod(checks, manifest, known, where):
    pod = pod_of(manifest)
    for container in pod["containers"] if pod else []:
        if is_ours(container):
            here = f"{where}: {manifest['kind']} {manifest['metadata']['name']}"
            check_container(checks, container, known, here)
            check_files(checks, pod, container, here)
            user = pod.get("securityContext", {})
            checks.that(user.get("runAsNonRoot") and user.get("runAsUser", 0) > 0, f"{here}: runs as root")
            if manifest["kind"] == "Deployment":
                env = {one["name"]: one.get("value") for one in container["env"]}
                needed = int(env.get("SHUTDOWN_DRAIN_MS", 5000)) + 2000 + GRACE_MS
                checks.that(pod["terminationGracePeriodSeconds"] * 1000 >= needed,
                            f"{here}: it is killed before its drain is over")


def check_overlay(checks, path, known):
    [kustomization] = manifests_of(path / "kustomization.yaml")
    for generator in kustomization.get("configMapGenerator", []):
        for literal in generator["literals"]:
            name = literal.split("=", 1)[0]
            checks.that(name in known, f"{path.name}: rsvpd has no variable {name}")


def rules_of(path):
    [document] = manifests_of(path)
    return document.get("spec", document)["groups"]


# --- Rendered -------------------------------------------------------------------------------------

def render(checks, overlay, known):
    with tempfile.TemporaryDirectory() as scratch:
        copy = copytree(KUBERNETES, Path(scratch) / "kubernetes")
        example = copy / "overlays" / overlay / "secrets.env.example"
        if example.exists():
            example.rename(example.with_suffix(""))
        kustomization = copy / "overlays" / overlay / "kustomization.yaml"
        [content] = manifests_of(kustomization)
        content["components"] = [*content.get("components", []), "../../relay", "../../replica"]  # what is optional, too
        kustomization.write_text(yaml.safe_dump(content))
        run = subprocess.run(["kubectl", "kustomize", copy / "overlays" / overlay], capture_output=True, text=True)
        checks.that(run.returncode == 0 and run.stderr == "", f"{overlay} does not render: {run.stderr}")
    manifests = [document for document in yaml.safe_load_all(run.stdout) if document is not None]
    checks.that(len(manifests) > 8, f"{overlay} renders {len(manifests)} manifests")
    made = {(one["kind"], one["metadata"]["name"]) for one in manifests}
    for manifest in manifests:
        check_manifest(checks, manifest, overlay)
        check_pod(checks, manifest, known, overlay)
        for container in (pod_of(manifest) or {}).get("containers", []):
            for source in container.get("envFrom", []):
                reference = ("ConfigMap", source["configMapRef"]["name"])
                checks.that(reference in made, f"{overlay}: nothing makes {reference}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="render the overlays with kubectl as well")
    arguments = parser.parse_args()
    checks, known = Checks(), variables.known(BINARY)
    overlays = sorted(path for path in (KUBERNETES / "overlays").iterdir() if path.is_dir())
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            for manifest in manifests_of(path):
                check_manifest(checks, manifest, path.relative_to(KUBERNETES))
                check_pod(checks, manifest, known, path.relative_to(KUBERNETES))
    written = rules_of(KUBERNETES / "monitoring" / "prometheusrule.yaml")
    checks.that(written == rules_of(KUBERNETES.parent / "prometheus" / "rules.yaml"),
                "prometheusrule.yaml has other rules than docker/prometheus/rules.yaml: run scripts/prometheusrule")
    for overlay in overlays:
        check_overlay(checks, overlay, known)
        if arguments.render:
            render(checks, overlay.name, known)
    for message in checks.wrong:
        print(f"wrong: {message}")
    print(f"{checks.passed} passed, {len(checks.wrong)} failed")
    return 1 if checks.wrong or not checks.passed else 0


if __name__ == "__main__":
    sys.exit(main())
