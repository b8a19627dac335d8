"""The works of scripts/bench --scale: what is asked of a table of any size, about members who are really in it, and what
a run adds and takes away, so that it can be undone."""
import itertools
import random
from dataclasses import dataclass, field

import population
import stores
import streams

SEED = 17  # all streams of a size are the same in every run


@dataclass
class Requests:
    """What one work asks of one database."""

    records: list
    added: list = field(default_factory=list)  # pairs of event and user that may be there afterwards
    cancelled: list = field(default_factory=list)  # and those that may not


@dataclass(frozen=True)
class Sizes:
    requests: int  # in a stream of look-ups, counts or both
    writes: int  # in a stream of nothing but writes
    asked_events: int  # how many events the mix asks about: the same at every size of the table


def strangers(size):
    """Users who are members of nothing, all different, all over the index by user."""
    return [str(user) for user in random.Random(SEED).sample(population.STRANGERS, size)]


def _posts(pairs):
    return Requests([streams.post(*pair) for pair in pairs], added=pairs)


def spread(people, sizes):
    """To the events of random members, so that large ones come more often, as they are."""
    members = itertools.cycle(people.sample(SEED, min(people.rows, sizes.writes)))
    return _posts([(event, user) for (event, _), user in zip(members, strangers(sizes.writes))])


def hot(people, sizes):
    del people
    return _posts([(str(population.LARGEST_EVENT), user) for user in strangers(sizes.writes)])


def cancel(people, sizes):
    members = people.sample(SEED, min(people.rows, sizes.writes))
    return Requests([streams.delete(*member) for member in members], cancelled=members)


def _look_up(generator, member, stranger):
    event, user = member
    return streams.find(event, user if generator.random() < 0.5 else stranger)


def look_up(people, sizes):
    generator = random.Random(SEED)
    members = itertools.cycle(people.sample(SEED, min(people.rows, sizes.requests)))
    return Requests([_look_up(generator, member, stranger) for member, stranger in zip(members, strangers(sizes.requests))])


def count(people, sizes):
    events = random.Random(SEED).sample(range(people.events), min(people.events, stores.EVENTS))
    return Requests([streams.count(event) for event in random.Random(SEED).choices(events, k=sizes.requests)])


def mix(people, sizes):
    """As the mix of works.py; look-ups and cancellations are of random members of the whole table."""
    generator = random.Random(SEED)
    kinds = generator.choices(("count", "find", "post", "delete"), weights=(80, 15, 4, 1), k=sizes.requests)
    events = streams.zipf(sizes.asked_events, sizes.requests, SEED)
    members = itertools.cycle(people.sample(SEED, min(people.rows, sizes.requests // 4)))
    requests = Requests([])
    for kind, event, stranger in zip(kinds, events, strangers(sizes.requests)):
        if kind == "count":
            requests.records.append(streams.count(event))
        elif kind == "find":
            requests.records.append(_look_up(generator, next(members), stranger))
        elif kind == "post":
            requests.records.append(streams.post(event, stranger))
            requests.added.append((str(event), stranger))
        else:
            member = next(members)
            requests.records.append(streams.delete(*member))
            requests.cancelled.append(member)
    return requests


@dataclass(frozen=True)
class Work:
    name: str
    title: str
    requests: object
    new_users: bool = True  # whether the stream may not begin again
    changes: str = ""  # what each good answer did: "added" or "cancelled" one; empty where that cannot be said
    capacity: bool = False  # whether the largest event has one, which is never reached


WORKS = (
    Work("rsvp_spread", "RSVP, new users, events by their size", spread, changes="added"),
    Work("rsvp_hot", "RSVP, new users, the largest event", hot, changes="added"),
    Work("rsvp_capacity", "RSVP, new users, the largest event, with a capacity", hot, changes="added", capacity=True),
    Work("cancel", "cancel, random members", cancel, changes="cancelled"),
    Work("has_rsvped", "has_rsvped, random members, half hits", look_up, new_users=False),
    Work("rsvp_count", "rsvp_count, 1,000 events, warm", count, new_users=False),
    Work("mix", "80 % counts (Zipf), 15 % has_rsvped, 5 % writes", mix),
)
