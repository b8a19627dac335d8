"""What drills have in common: steps under the crowd's load, and what Prometheus, HAProxy and the ledger say of them."""
import dataclasses
import re
import time

import yaml
from compose import ROOT
from servers import until

AVAILABILITY_MIN = 0.999
SCRAPE_S = 5
BRIEF_S = 8
ALERT_SLACK_S = 90  # after its `for`: scrapes, evaluations, and how long it takes until the target is found to be gone
KINDS = ("write", "look-up", "count", "erasure")


@dataclasses.dataclass(frozen=True)
class Step:
    name: str
    happens: str
    must_fire: tuple = ()  # alerts, in this step
    may_fail: bool = False  # requests may be refused, or end without an answer


def rules(kind):
    for group in yaml.safe_load((ROOT / "docker" / "prometheus" / "rules.yaml").read_text())["groups"]:
        yield from (rule for rule in group["rules"] if kind in rule)


def lasts_s(alert):
    """How long its condition must be true."""
    [rule] = [rule for rule in rules("alert") if rule["alert"] == alert]
    amount, unit = re.fullmatch(r"(\d+)([smh])", rule.get("for", "0s")).groups()
    return int(amount) * {"s": 1, "m": 60, "h": 3600}[unit]


class Scenario:
    """What a drill is derived from: run() goes through its steps, and judge() tells what became of them.

    brief: waits are short, and what needs longer ones is not judged.
    """
    steps = ()  # of Step, in their order

    def __init__(self, stack, crowd, verdict, brief):
        self.stack, self.crowd, self.verdict = stack, crowd, verdict
        self.brief = brief
        self.started = {}  # steps, in Unix time
        self.answers = {}  # those of HAProxy to clients when a step began, by class of status

    # ---- going on ----

    def begin(self, step):
        self.verdict.note(f"{step.name}: {step.happens}")
        self.started[step] = time.time()
        self.answers[step] = self.haproxy_answers()
        self.crowd.begin_step(step.name)

    def haproxy_answers(self):
        found = re.findall(r'^haproxy_frontend_http_responses_total{proxy="clients",code="(\w+)"} (\d+)$',
                           self.stack.haproxy_metrics(), re.MULTILINE)
        return {code: int(count) for code, count in found}

    def wait(self, seconds):
        self.crowd.watch(min(seconds, BRIEF_S) if self.brief else seconds)

    def firing(self):
        return {sample["metric"]["alertname"] for sample in self.stack.prometheus.query('ALERTS{alertstate="firing"}')}

    def await_alert(self, alert, fires=True):
        """In the time that its rule wants. Whether it did is judged at the end."""
        limit = lasts_s(alert) * fires + ALERT_SLACK_S
        if self.brief and limit > 2 * ALERT_SLACK_S:
            return

        def is_so():
            self.crowd.check()
            time.sleep(0.5)
            return (alert in self.firing()) == fires
        try:
            until(alert, is_so, limit)
        except TimeoutError as error:
            self.verdict.note(str(error))
        self.wait(SCRAPE_S)  # the sample that tells so belongs to this step

    # ---- judging ----

    def judge(self, figures, ended):
        self.judge_alerts(ended)
        self.judge_requests(figures)
        self.judge_availability(ended)
        self.judge_data()

    def fired(self, ended):
        """When alerts began to fire: pairs of Unix time and name."""
        first = min(self.started.values())
        for series in self.stack.prometheus.query_range('ALERTS{alertstate="firing"}', first, ended, 1):
            before = 0
            for moment, _ in series["values"]:
                if moment > before + 2 * SCRAPE_S:
                    yield moment, series["metric"]["alertname"]
                before = moment

    def step_at(self, moment):
        return [step for step, started in self.started.items() if started <= moment][-1]

    def judge_alerts(self, ended):
        fired = {step: {} for step in self.steps}
        for moment, name in sorted(self.fired(ended)):
            step = self.step_at(moment)
            fired[step].setdefault(name, moment - self.started[step])
        for step in self.steps:
            due = {name for name in step.must_fire if not self.brief or lasts_s(name) == 0}
            seen = ", ".join(f"{name} after {after:.0f} s" for name, after in fired[step].items()) or "none"
            self.verdict.check(due == set(fired[step]), f"alerts in step \"{step.name}\": {', '.join(due) or 'none'}", seen)

    def judge_requests(self, figures):
        rows = []
        for step in self.steps:
            kinds = figures[step.name]
            failed = sum(kinds[kind]["refused"] + kinds[kind]["unknown"] * (kind != "erasure") for kind in KINDS)
            total = sum(kinds[kind]["acknowledged"] + kinds[kind]["stale"] + kinds[kind]["refused"] + kinds[kind]["unknown"]
                        for kind in KINDS)
            rows.append((step.name, total, failed, kinds["count"]["stale"],
                         *(f"{kinds[kind]['p50_us'] / 1000:.1f} / {kinds[kind]['p99_us'] / 1000:.1f}" for kind in KINDS[:3])))
            if not step.may_fail:
                self.verdict.check(failed == 0, f"no request of a client fails in step \"{step.name}\"", f"{failed} of {total}")
        self.verdict.table("What the crowd got through HAProxy", ("step", "requests", "failed", "stale counts", "writes p50 / p99 ms",
                                                                   "look-ups", "counts"), rows)

    def judge_availability(self, ended):
        self.judge_by_prometheus(ended)
        self.judge_by_balancer()

    def judge_by_prometheus(self, ended):
        lasted = round(ended - min(self.started.values()))
        available = 1 - self.share_bad("availability", lasted)
        self.verdict.check(None if self.brief else available >= AVAILABILITY_MIN,
                           f"availability by Prometheus over {lasted} s is at least {AVAILABILITY_MIN:.1%}", f"{available:.4%}")
        burns = self.stack.prometheus.query(f"max by (slo) (max_over_time(job_slo:rsvpd_burn:rate5m[{lasted}s]))")
        self.verdict.table("Objectives, by Prometheus", ("slo", "share that was bad", "highest burn rate in 5 minutes"), [
            (slo, f"{self.share_bad(slo, lasted):.4%}", f"{float(sample['value'][1]):.2f}")
            for slo, sample in sorted((sample["metric"]["slo"], sample) for sample in burns)])

    def judge_by_balancer(self):
        first, last = self.answers[self.steps[0]], self.haproxy_answers()
        counts = {code: last[code] - first[code] for code in last}
        all_answers = sum(counts.values())
        available = 1 - counts["5xx"] / all_answers
        self.verdict.check(None if self.brief else available >= AVAILABILITY_MIN,
                           f"availability by HAProxy's answers to clients is at least {AVAILABILITY_MIN:.1%}",
                           f"{available:.4%}, {counts['5xx']} of {all_answers}")

    def share_bad(self, slo, seconds):
        """By the rules that record it, over all that time."""
        def sum_of(record):
            [expression] = [rule["expr"] for rule in rules("record") if rule["record"] == record and rule["labels"]["slo"] == slo]
            whole = re.sub(r"rate\(([^\[]*)\[5m\]\)", rf"increase(\1[{seconds}s])", expression)
            return sum(float(sample["value"][1]) for sample in self.stack.prometheus.query(whole))
        return sum_of("job_slo:rsvpd_bad:rate5m") / sum_of("job_slo:rsvpd_all:rate5m")

    def judge_data(self):
        wrong = self.crowd.compare()
        self.verdict.check(not wrong, "no acknowledged write is lost: the database agrees with the ledger", wrong)
        wrong = self.stack.verify()
        self.verdict.check(not wrong, "no counter is wrong: rsvpd verify finds no difference", wrong)


def limit_events(stack):
    """Two events of the crowd's have as many seats as its ledger says (LEDGER_CAPACITY)."""
    for event, waitlist in (("full", "false"), ("queued", "true")):
        status, _, body = stack.ask("PUT", f"/v1/events/{event}", f'{{"capacity":48,"waitlist":{waitlist}}}', headers=stack.headers())
        if status not in (200, 201):
            raise RuntimeError(f"PUT /v1/events/{event}: {status} {body}")
