"""The works: what is asked, what it starts from, who does it, and what must come out."""
import collections
import random
from dataclasses import dataclass, field

import contestants
import stores
import streams

SEED = 17  # all streams are the same in every run
CANCELLED_AFTER = 100  # RSVPs of the mix, so that the one to be cancelled has been answered


@dataclass(frozen=True)
class Scale:
    """How much of everything: one for a full run, one for a quick one."""

    rounds: int
    measure_s: int
    start_warmup_s: int  # of a service that compiles itself while it runs, after each start
    warmup_s: int
    warm_rounds: int  # how many rounds have a warm-up before each measurement
    calibrate_s: int
    calibrate: tuple  # connections to PostgreSQL to choose the best of
    latency_rounds: int
    latency_s: int
    curve: tuple  # numbers of clients
    curve_s: int
    requests: int  # in a stream
    cancel_requests: int  # in the stream of cancellations, whose rows have to be there
    rows: int  # of the look-ups' table
    members: int  # of each event there
    mix_events: int
    mix_members: int  # of each event there


FULL = Scale(rounds=5, measure_s=6, start_warmup_s=6, warmup_s=1, warm_rounds=5, calibrate_s=3, calibrate=(16, 32, 64),
             latency_rounds=5, latency_s=4, curve=(1, 4, 16, 64, 256), curve_s=2, requests=1_200_000, cancel_requests=500_000,
             rows=10_000_000, members=100, mix_events=100_000, mix_members=10)
QUICK = Scale(rounds=2, measure_s=1, start_warmup_s=3, warmup_s=1, warm_rounds=1, calibrate_s=1, calibrate=(32,),
              latency_rounds=2, latency_s=1, curve=(1, 256), curve_s=1, requests=300_000, cancel_requests=120_000,
              rows=1_000_000, members=100, mix_events=100_000, mix_members=1)


def spread_stream(scale):
    events = random.Random(SEED).choices(range(stores.EVENTS), k=scale.requests)
    return (streams.post(event, streams.new_user(number)) for number, event in enumerate(events))


def hot_stream(scale):
    return (streams.post(stores.HOT_EVENT, streams.new_user(number)) for number in range(scale.requests))


def cancel_stream(scale):
    return (streams.delete(number % stores.EVENTS, streams.new_user(number)) for number in range(scale.cancel_requests))


def _look_up(generator, rows, members):
    """A member, or with even odds a user of the same event who is not."""
    number = generator.randrange(rows)
    return streams.find(number // members, number + generator.randrange(2) * rows)


def look_up_stream(scale):
    generator = random.Random(SEED)
    return (_look_up(generator, scale.rows, scale.members) for _ in range(scale.requests))


def list_stream(scale):
    """First pages: an event's users, or with even odds a user's events."""
    generator = random.Random(SEED)
    return (streams.users_of(number // scale.members) if generator.randrange(2) else streams.events_of(number)
            for number in (generator.randrange(scale.rows) for _ in range(scale.requests)))


def count_stream(scale):
    return (streams.count(event) for event in random.Random(SEED).choices(range(stores.EVENTS), k=scale.requests))


def mix_stream(scale):
    """80 % counts, 15 % look-ups, 4 % RSVPs of new users, 1 % cancellations of such; counts and RSVPs by a Zipf law."""
    generator = random.Random(SEED)
    kinds = generator.choices(("count", "find", "post", "delete"), weights=(80, 15, 4, 1), k=scale.requests)
    rows = scale.mix_events * scale.mix_members
    posted = collections.deque(maxlen=CANCELLED_AFTER)
    for number, (kind, event) in enumerate(zip(kinds, streams.zipf(scale.mix_events, scale.requests, SEED))):
        if kind == "count":
            yield streams.count(event)
        elif kind == "find":
            yield _look_up(generator, rows, scale.mix_members)
        elif kind == "post" or not posted:
            posted.append((event, streams.new_user(number)))
            yield streams.post(*posted[-1])
        else:
            yield streams.delete(*posted.popleft())


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    stream: object
    targets: dict  # the ratio to reach against each contestant
    fixture: str  # the database that each contestant gets a copy of
    p95_target_ms: float = None
    new_users: bool = False  # whether the stream has users who must be new in every run
    starts_empty: bool = False  # whether the tables are emptied before each measurement
    asks_postgres: bool = True  # so much that the number of connections matters
    contestants: tuple = field(default=())


WORKS = (
    Work("rsvp_spread", "RSVP, new users, 1,000 events", spread_stream, {"pgbench": 3.5, "fastify": 7}, "schema", 30,
         new_users=True, starts_empty=True, contestants=(contestants.Rsvpd, contestants.Pgbench, contestants.Fastify)),
    Work("rsvp_hot", "RSVP, new users, one event", hot_stream, {"pgbench": 30, "fastify": 20}, "schema", 30,
         new_users=True, starts_empty=True, contestants=(contestants.Rsvpd, contestants.Pgbench, contestants.Fastify)),
    Work("rsvp_capacity", "RSVP, new users, one event with a capacity", hot_stream, {"pgbench": 20}, "schema", 30,
         new_users=True, starts_empty=True, contestants=(contestants.Rsvpd, contestants.Pgbench)),
    Work("cancel", "cancel, 1,000 events", cancel_stream, {}, "schema", 30,
         new_users=True, starts_empty=True, contestants=(contestants.Rsvpd,)),
    Work("has_rsvped", "has_rsvped, random, half hits", look_up_stream, {"pgbench": 2, "fastify": 6}, "look_ups", 10,
         contestants=(contestants.Rsvpd, contestants.Pgbench, contestants.Fastify)),
    Work("rsvp_count", "rsvp_count, 1,000 events, warm", count_stream, {"nginx": 1, "fastify": 3.5}, "counts", 5,
         asks_postgres=False, contestants=(contestants.Rsvpd, contestants.Nginx, contestants.Fastify)),
    Work("mix", "80 % counts (Zipf), 15 % has_rsvped, 5 % writes", mix_stream, {"fastify": 5}, "mix",
         new_users=True, contestants=(contestants.Rsvpd, contestants.Fastify)),
)

LISTS = Work("lists", "lists, users of events and events of users", list_stream, {}, "look_ups", contestants=(contestants.Rsvpd,))


def fixture_size(fixture, scale):
    """(events, members of each) that a fixture is filled with."""
    return {"schema": (0, 0), "look_ups": (scale.rows // scale.members, scale.members),
            "counts": (stores.EVENTS, stores.COUNT_MEMBERS), "mix": (scale.mix_events, scale.mix_members)}[fixture]
