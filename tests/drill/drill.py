#!/usr/bin/python3
"""Runs a drill: starts all that the compose stack has on this machine, loads it, breaks it, and judges.

usage: drill.py [--brief] [--reports DIRECTORY] NAME | --list

RSVPD_BINARY is the service, RSVPD_CROWD the crowd (rsvpd_crowd), RSVPD_WATCHERS who watches counts (rsvpd_watchers). --brief takes
two minutes and not twenty: what needs more time to be seen, such as alerts that wait for minutes, is not judged. Ends with status 1
where a promise did not hold.
"""
import argparse
import functools
import os
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "deploy"), str(HERE.parent / "openapi")]
import apart  # noqa: E402
import mistake  # noqa: E402
import patroni  # noqa: E402
import restore  # noqa: E402
import rolling  # noqa: E402
import sentinel  # noqa: E402
import stack  # noqa: E402
from verdict import Verdict  # noqa: E402

# modules, each with run(settings, verdict)
DRILLS = {"stack": stack, "rolling": rolling, "restore": restore, "mistake": mistake, "sentinel": sentinel,
          "patroni": patroni}


def stop(signal_number, _):
    """So that what was started is ended, undisturbed."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + signal_number)


def main():
    parser = argparse.ArgumentParser(prog="scripts/drill")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--rows", type=int, default=1000000, help="RSVPs that are there before, in restore and mistake (1000000)")
    parser.add_argument("--reports", type=Path, help="where NAME.md is put")
    parser.add_argument("name", nargs="?", choices=DRILLS)
    settings = parser.parse_args()
    if settings.list:
        for name, drill in DRILLS.items():
            print(f"{name:12} {drill.__doc__.splitlines()[0]}")
        return 0
    if not settings.name:
        parser.error("name a drill; --list has them")
    settings.binary = os.environ["RSVPD_BINARY"]
    settings.crowd, settings.watchers = os.environ["RSVPD_CROWD"], os.environ["RSVPD_WATCHERS"]
    drill = DRILLS[settings.name]
    hold = functools.partial(play, drill, settings)
    return apart.run(hold) if getattr(drill, "APART", False) else hold()


def play(drill, settings):
    """Returns the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    verdict = Verdict()
    try:
        drill.run(settings, verdict)
    except (AssertionError, RuntimeError, TimeoutError, OSError) as error:
        verdict.check(False, "the drill comes to its end", str(error))
    held = verdict.end()
    if settings.reports:
        report = settings.reports / f"{settings.name}.md"
        report.write_text("\n".join(verdict.lines) + "\n")
        print(f"the report is in {report}")
    return 0 if held else 1


sys.exit(main())
