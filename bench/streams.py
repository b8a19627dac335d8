"""Streams of requests: made before the clock starts, sent by wrk (stream.lua) and openloop in their order.

A stream file is: the magic, the number of records, their offsets in the file and the end of the last (each a
64-bit number of this machine's byte order), the records. A record is one HTTP request as it goes over the wire.

Identifiers are decimal numbers, because those are what pgbench can make. A user who must be new has the run's
number in front: a stream is made once per work with a placeholder there, and for_run() puts the number in.
"""
import array
import itertools
import random

MAGIC = b"RSVPREQ1"
PLACEHOLDER = "RUNRUN"  # as long as a run's number, so that no byte moves
RUN_MIN, RUN_MAX = 100000, 999999
USERS_PER_RUN = 10 ** 8


def bearer(token):
    """The field of a token, as post() and find() take it."""
    return f"Authorization: Bearer {token}\r\n"


def post(event, user, fields=""):
    body = f'{{"user_id":"{user}"}}'
    return (f"POST /v1/events/{event}/rsvp HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}")


def delete(event, user):
    return f"DELETE /v1/events/{event}/rsvp?user_id={user} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def find(event, user, fields=""):
    return f"GET /v1/events/{event}/users/{user} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n"


def count(event):
    return f"GET /v1/events/{event}/rsvp_count HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def users_of(event):
    return f"GET /v1/events/{event}/users HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def events_of(user):
    return f"GET /v1/users/{user}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def new_user(number):
    """The user of this number in the run: the run's number, then the user's."""
    assert number < USERS_PER_RUN
    return f"{PLACEHOLDER}{number:08}"


def zipf(population, size, seed):
    """`size` draws out of range(population) by Zipf's law with exponent 1: number k is drawn 1/(k+1) as often as 0."""
    weights = list(itertools.accumulate(1 / rank for rank in range(1, population + 1)))
    return random.Random(seed).choices(range(population), cum_weights=weights, k=size)


def pack(requests):
    """The bytes of a stream file."""
    records = [request.encode("ascii") for request in requests]
    base = len(MAGIC) + 8 + 8 * (len(records) + 1)
    offsets = array.array("Q", itertools.accumulate(map(len, records), initial=base))
    return b"".join((MAGIC, array.array("Q", [len(records)]).tobytes(), offsets.tobytes(), *records))


def unpack(data):
    """The records of a stream file."""
    size = array.array("Q", data[8:16])[0]
    offsets = array.array("Q", data[16:16 + 8 * (size + 1)])
    return [data[begin:end] for begin, end in zip(offsets, offsets[1:])]


def for_run(data, run):
    """The stream with the run's number in the place of the placeholder."""
    assert RUN_MIN <= run <= RUN_MAX
    return data.replace(PLACEHOLDER.encode(), str(run).encode())
