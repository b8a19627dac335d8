#!/usr/bin/python3
"""Holds docker/prometheus to its own tests and to the runbook.

promtool checks the rules and the configuration, and runs the tests of rules_test.yaml. Each alert has a severity, what
is to be read of it, a section of the runbook, and tests in which it fires and does not; no section is of an alert that
is not there.
"""
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
PROMETHEUS = ROOT / "docker" / "prometheus"
RUNBOOK = ROOT / "docs" / "how-to" / "runbook.md"


def promtool(wrong, *arguments):
    done = subprocess.run(["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
    if done.returncode != 0:
        wrong.append(f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def alerts_of(path):
    return {rule["alert"]: rule for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
            if "alert" in rule}


def tested(path):
    """The alerts for which tests expect that they fire, and those for which one expects that they do not."""
    fires, calm = set(), set()
    for test in yaml.safe_load(path.read_text())["tests"]:
        series = " ".join(one["series"] for one in test["input_series"])
        for one in test["promql_expr_test"]:
            alert = re.search(r'alertname="(\w+)",alertstate="firing"', one["expr"])[1]
            expected = " ".join(sample["labels"] for sample in one["exp_samples"])
            if expected:
                fires.add(alert)
            if not expected or ("calm" in series and "calm" not in expected):
                calm.add(alert)
    return fires, calm


def check_alert(wrong, name, rule, sections):
    annotations = rule["annotations"]
    if rule["labels"]["severity"] not in ("page", "ticket"):
        wrong.append(f"{name}: severity {rule['labels']['severity']}")
    wrong += [f"{name} has no {what}" for what in ("summary", "description") if not annotations.get(what)]
    if annotations.get("runbook_url") != f"docs/how-to/runbook.md#{name.lower()}":
        wrong.append(f"{name}: runbook_url is {annotations.get('runbook_url')}")
    if name not in sections:
        wrong.append(f"{name} has no section in {RUNBOOK.name}")


def main():
    wrong = []
    promtool(wrong, "check", "config", "prometheus.yaml")
    promtool(wrong, "test", "rules", "rules_test.yaml")
    alerts = alerts_of(PROMETHEUS / "rules.yaml")
    sections = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    fires, calm = tested(PROMETHEUS / "rules_test.yaml")
    for name, rule in alerts.items():
        check_alert(wrong, name, rule, sections)
    wrong += [f"{RUNBOOK.name}: there is no alert {name}" for name in sections if name not in alerts]
    wrong += [f"{name}: no test in which it fires" for name in alerts if name not in fires]
    wrong += [f"{name}: no test in which it does not fire" for name in alerts if name not in calm]
    for message in wrong:
        print(f"wrong: {message}")
    print(f"{len(alerts)} alerts, {len(wrong)} wrong")
    return 1 if wrong or not alerts else 0


if __name__ == "__main__":
    sys.exit(main())
