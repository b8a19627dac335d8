#!/usr/bin/python3
"""Holds docs/openapi.yaml against the rules of OpenAPI, and the real service against docs/openapi.yaml.

  check_openapi.py               all of it; RSVPD_BINARY (build/rsvpd) is the service
  check_openapi.py --document    the document alone
  check_openapi.py --self-test   whether the checks notice what they are there for
"""
import copy
import itertools
import os
import re
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from string import Template
from typing import NamedTuple, Optional

sys.dont_write_bytecode = True
from answers import check_answer  # noqa: E402
from document import (METHODS, check_document, documented_statuses, load, operations, parse_json,  # noqa: E402
                      problem_codes)
from servers import Answer, Servers, header, send, send_raw, until  # noqa: E402

SOURCE = os.environ.get("RSVPD_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BINARY = os.path.abspath(os.environ.get("RSVPD_BINARY", os.path.join(SOURCE, "build/rsvpd")))
DOCUMENT = os.path.join(SOURCE, "docs/openapi.yaml")

# Pairs of operation and status that the document has and that nothing here can provoke.
UNPROVOKED = [
    (".*", "429", "needs limits of rates: check_access.py sets them"),
    (".*", "500", "needs a fault inside the service"),
    ("getMetrics", "503", "needs a crowd at the admin port"),
    (".*", "401", "needs AUTH_MODE=token: check_access.py sets it"),
    ("(get|list|export).*", "403", "needs AUTH_MODE=token: check_access.py sets it"),
]


class Case(NamedTuple):
    """A request and the answer that it must have. $-names are filled in by Run.request."""
    operation: str            # $R is Rsvp or Like
    status: int
    code: Optional[str] = None  # of the problem; where it is polled for, any part of the body
    item: str = "$item"       # event or post
    user: str = "u1"          # where the path names one
    lines: Optional[str] = None  # the ids (with "=" and the count) in order, and "more" before a next page
    has: dict = {}            # members of the body, with their values
    replayed: str = ""        # the header Idempotency-Replayed; empty where it must not be there
    query: str = ""           # $id is event_id or post_id, $token the last page token that was given
    headers: dict = {}
    body: Optional[bytes] = None
    media_type: Optional[str] = "application/json"  # of the body


U1 = b'{"user_id":"u1"}'
BIG = b'{"user_id":"' + b"u" * 16384 + b'"}'
WRITES = ("create$R", "cancel$R")
AT_ONCE = 12  # requests; fewer than the service takes

USE = [
    Case("create$R", 201, body=U1),
    Case("create$R", 200, body=U1, media_type=None),
    Case("create$R", 200, body=U1, media_type="application/json; charset=utf-8"),
    Case("create$R", 200, query="?user_id=u1"),
    Case("create$R", 200, headers={"X-User-Id": "u1"}),
    Case("create$R", 200, query="?user_id=u%31", headers={"X-User-Id": "u1"}, body=U1),
    Case("create$R", 201, query="?user_id=A-z.0_9~:@"),
    Case("get$R", 200),
    Case("get$R", 200, user="nobody"),
    Case("get${R}Count", 200),
    Case("get${R}Count", 200, query="?max_stale_ms=5000"),
    Case("get${R}Count", 200, query="?max_stale_ms=0"),
    Case("get${R}Count", 304, headers={"If-None-Match": "*"}),
    Case("get${R}Count", 200, query="?max_stale_ms=0", headers={"If-None-Match": 'W/"another"'}),
    Case("get${R}Count", 200, item="nobody-ever"),
    Case("cancel$R", 200, body=U1),
    Case("cancel$R", 200, query="?user_id=u1"),
    Case("cancel$R", 200, headers={"X-User-Id": "u1"}),
    Case("get$R", 200),
]

# What browsers send with the requests of a page of another origin.
FOREIGN = ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://example.org"}, {"Origin": "null"})

INVALID_WRITES = [case._replace(operation=operation) for operation in WRITES for case in (
    Case("", 400, "missing-user-id"),
    Case("", 400, "missing-user-id", body=b"{}"),
    Case("", 400, "conflicting-user-id", body=U1, query="?user_id=u2"),
    Case("", 400, "conflicting-user-id", body=U1, headers={"X-User-Id": "u2"}),
    Case("", 400, "invalid-identifier", body=U1, item="a%20b"),
    Case("", 400, "invalid-identifier", body=U1, item="x" * 129),
    Case("", 400, "invalid-identifier", body=b'{"user_id":"a b"}'),
    Case("", 400, "invalid-identifier", query="?user_id=a%2Fb"),
    Case("", 400, "invalid-identifier", headers={"X-User-Id": "a/b"}),
    Case("", 400, "invalid-json", body=b"user_id"),
    Case("", 400, "invalid-json", body=b'["u1"]'),
    Case("", 400, "invalid-json", body=b'{"user_id":"u1","user_id":"u1"}'),
    Case("", 400, "invalid-json", body=b'{"user_id":"\xff"}'),
    Case("", 400, "invalid-json", body=b'{"user_id":' + b"[" * 4000 + b"]" * 4000 + b"}"),
    Case("", 400, "unknown-field", body=b'{"user_id":"u1","colour":"red"}'),
    Case("", 400, "unknown-field", body='{"a%s":1}'.replace("%s", "\u00fc" * 40).encode()),
    Case("", 400, "invalid-parameter", body=U1, query="?colour=red"),
    *(Case("", 403, "forbidden", body=U1, headers=headers) for headers in FOREIGN),
    Case("", 415, "unsupported-media-type", body=U1, headers={"Content-Encoding": "gzip"}),
    Case("", 413, "payload-too-large", body=BIG),
    Case("", 413, "payload-too-large", body=b"{", headers={"Content-Length": "1000000000"}),
    Case("", 415, "unsupported-media-type", body=b"user_id=u1", media_type="application/x-www-form-urlencoded"),
)]

INVALID_READS = [
    Case("get$R", 400, "invalid-parameter", headers={"Idempotency-Key": "k1"}),
    Case("get$R", 400, "invalid-identifier", item="a%2Fb"),
    Case("get$R", 400, "invalid-identifier", user="%C3%BC"),
    Case("get$R", 400, "invalid-parameter", query="?colour=red"),
    Case("get${R}Count", 400, "invalid-identifier", item="a%00b"),
    Case("get${R}Count", 400, "invalid-parameter", query="?max_stale_ms=5001"),
    Case("get${R}Count", 400, "invalid-parameter", query="?max_stale_ms=-1"),
    Case("get${R}Count", 400, "invalid-parameter", query="?max_stale_ms="),
]

# What the cases below are about. In the order of their bytes the users come as they are here.
USERS = ("U.2", "u-1", "$user")
ITEMS = ("$item-a", "$item-b", "$item-c")
LISTED = [Case("create$R", 201, item=item, query=f"?user_id={user}")
          for item, user in [(ITEMS[0], user) for user in USERS] + [(item, USERS[2]) for item in ITEMS[1:]]]


def many(name, count, last=""):
    """A query that names as many, each as long as may be; the last one of them may be given."""
    ids = [f"{number:0128}" for number in range(count)]
    return "?" + "&".join(f"{name}={id}" for id in (ids[:-1] + [last] if last else ids))


def listing_cases(operation, name, ids):
    """Those of a listing that has these three, and that takes this parameter for which of them."""
    first, second, third = ids
    good = Case(operation, 200, item=ITEMS[0], user=USERS[2])
    other = good._replace(item="nobody-ever", user="nobody-ever")
    bad = good._replace(status=400, code="invalid-parameter")
    odd = good._replace(status=400, code="invalid-identifier")
    return [
        good._replace(lines=f"{first} {second} {third}"),
        good._replace(query="?page_size=1000", lines=f"{first} {second} {third}"),
        good._replace(query="?page_size=3", lines=f"{first} {second} {third}"),
        good._replace(query="?page_size=1", lines=f"{first} more"),
        good._replace(query="?page_size=1&page_token=$token", lines=f"{second} more"),
        good._replace(query="?page_token=$token&page_size=1", lines=f"{third}"),
        good._replace(query="?page_token=$token", lines=f"{third}"),
        other._replace(lines=""),
        good._replace(query=f"?{name}={third}&{name}=nobody&{name}={first}", lines=f"{third} {first}"),
        good._replace(query=f"?{name}={third}&{name}={third}", lines=f"{third} {third}"),
        good._replace(query=f"?{name}=nobody", lines=""),
        good._replace(query=many(name, 100, third), lines=third),
        other._replace(query=f"?{name}={third}", lines=""),
        *(bad._replace(query=query) for query in (
            "?page_size=0", "?page_size=1001", "?page_size=-1", "?page_size=ten", "?page_size=", "?page_size",
            "?page_size=1&page_size=1", "?page_token=", "?page_token=forged", "?page_token=$token.",
            "?page_token=A$token", "?page_token=$token&page_token=$token",
            f"?{name}={first}&page_size=1", f"?page_token=$token&{name}={first}", many(name, 101),
            "?max_stale_ms=0", "?colour=red")),
        bad._replace(item=ITEMS[1], user=USERS[0], query="?page_token=$token"),
        odd._replace(item="a%20b", user="a%20b"),
        odd._replace(item="x" * 129, user="x" * 129),
        odd._replace(query=f"?{name}=a%2Fb"),
        odd._replace(query=f"?{name}={first}&{name}="),
    ]


LISTINGS = listing_cases("list${R}Users", "user_id", USERS) + listing_cases("listUser${R}s", "$id", ITEMS)

COUNTS = [
    Case("get${R}Counts", 200, query="?$id=$item-c&$id=nobody-ever&$id=$item-a&max_stale_ms=0",
         lines="$item-c=1 nobody-ever=0 $item-a=3"),
    Case("get${R}Counts", 200, query="?$id=$item-a&$id=$item-a&max_stale_ms=0", lines="$item-a=3 $item-a=3"),
    Case("get${R}Counts", 200, query="?$id=$item%2Db", lines="$item-b=1"),
    Case("get${R}Counts", 200, query="?max_stale_ms=5000&$id=nobody-ever", lines="nobody-ever=0"),
    Case("get${R}Counts", 200, query="?$id=nobody-ever", headers={"If-None-Match": "*"}, lines="nobody-ever=0"),
    Case("get${R}Counts", 200, query=many("$id", 100)),
]

INVALID_COUNTS = [Case("get${R}Counts", 400, code, query=query) for code, query in (
    ("invalid-parameter", ""),
    ("invalid-parameter", "?max_stale_ms=0"),
    ("invalid-parameter", many("$id", 101)),
    ("invalid-parameter", "?$id=$item&max_stale_ms=5001"),
    ("invalid-parameter", "?$id=$item&max_stale_ms=-1"),
    ("invalid-parameter", "?$id=$item&max_stale_ms="),
    ("invalid-parameter", "?$id=$item&max_stale_ms=0&max_stale_ms=0"),
    ("invalid-parameter", "?$id=$item&page_size=1"),
    ("invalid-parameter", "?$id=$item&user_id=u1"),
    ("invalid-identifier", "?$id=a%2Fb"),
    ("invalid-identifier", "?$id=$item&$id="),
    ("invalid-identifier", "?$id"),
)]

STREAMS = [
    Case("stream${R}Count", 200, item="$item-a"),
    Case("stream${R}Count", 200, item="$item-a", headers={"Last-Event-ID": "x"}),
    Case("stream${R}Count", 400, "invalid-identifier", item="a%20b"),
    Case("stream${R}Count", 400, "invalid-parameter", query="?max_stale_ms=0"),
    Case("stream${R}Counts", 200, query="?$id=$item-a"),
    Case("stream${R}Counts", 400, "invalid-parameter"),
    Case("stream${R}Counts", 400, "invalid-parameter", query=many("$id", 101)),
    Case("stream${R}Counts", 400, "invalid-identifier", query="?$id=a%2Fb"),
]

SLOW_BODIES = [Case(operation, 408, "request-timeout", body=b'{"user', headers={"Content-Length": "20"})
               for operation in WRITES]


def keyed(operation, status, code=None, key="$item-$R", user="keyed", **more):
    """A write that carries an Idempotency-Key."""
    return Case(operation, status, code, query=f"?user_id={user}", headers={"Idempotency-Key": key}, **more)


RETRIES = [
    keyed("create$R", 201),
    keyed("create$R", 201, replayed="true"),
    keyed("create$R", 201, key='"$item-$R"', replayed="true"),
    keyed("create$R", 200, key="$item-$R 2", has={"changed": False}),
    keyed("create$R", 200, key='"$item-$R 2"', has={"changed": False}, replayed="true"),
    keyed("cancel$R", 422, "idempotency-key-reused"),
    keyed("create$R", 422, "idempotency-key-reused", item="$item-b"),
    keyed("cancel$R", 200, key='$item-$R "\\', has={"changed": True}),
    keyed("cancel$R", 200, key=r'"$item-$R \"\\"', has={"changed": True}, replayed="true"),
    keyed("create$R", 201, has={"changed": True}, replayed="true"),  # an old POST, late
    Case("cancel$R", 200, query="?user_id=keyed", has={"changed": False}),  # has not brought the user back
    keyed("create$R", 201, user="another"),
    keyed("create$R", 201, key="k" * 60 + "$R", user="$item"),  # as long as may be
    *(keyed(operation, 400, "invalid-parameter", key) for operation in WRITES for key in (
        "", '""', '"', '"open', '"a"b', '"a\\b"', "k" * 256, '"' + "k" * 256 + '"', "\u00fc", "a\tb")),
]

EVENT = ("getEventSettings", "putEventSettings", "deleteEventSettings")
GET, PUT, DELETE = EVENT
NO_SETTINGS = {"capacity": None, "waitlist": False, "opens_at": None, "closes_at": None, "remaining": None}


def put(body, **has):
    return Case(PUT, 200, body=body.encode(), has=NO_SETTINGS | {"event_id": "$item"} | has)


SETTINGS = [
    Case(GET, 200, item="nobody-ever", has=NO_SETTINGS | {"event_id": "nobody-ever", "rsvp_count": 0,
                                                          "waitlist_count": 0}),
    put("{}"),
    put('{"capacity":null,"waitlist":null,"opens_at":null,"closes_at":null}'),
    put('{"capacity":0}', capacity=0, remaining=0)._replace(media_type=None),
    put('{"capacity":1000000000}', capacity=10**9, remaining=10**9),
    put('{"waitlist":true}', waitlist=True),
    put('{"opens_at":"2020-01-01T01:00:00+01:00","closes_at":"2999-12-31t23:59:59.1239z"}',
        opens_at="2020-01-01T00:00:00.000Z", closes_at="2999-12-31T23:59:59.123Z"),
    Case(GET, 200, has=NO_SETTINGS | {"opens_at": "2020-01-01T00:00:00.000Z", "closes_at": "2999-12-31T23:59:59.123Z"}),
    Case("createRsvp", 201, body=U1),
    put('{"capacity":2}', capacity=2, remaining=1, rsvp_count=1),
    put('{"capacity":1e1}', capacity=10, remaining=9)._replace(headers={"If-Match": "$etag"}),
    put('{"capacity":2.0}', capacity=2, remaining=1)._replace(headers={"If-Match": '"other", $etag'}),
    *(Case(operation, 412, "precondition-failed", body=b"{}", headers=headers) for operation in (PUT, DELETE)
      for headers in ({"If-Match": '"other"'}, {"If-Match": "W/$etag"}, {"If-None-Match": "*"},
                      {"If-None-Match": "$etag"})),
    Case(DELETE, 200, headers={"If-Match": "*"}, has=NO_SETTINGS | {"rsvp_count": 1}),
    Case(DELETE, 412, "precondition-failed", headers={"If-Match": "*"}),
    Case(DELETE, 200, body=b"{}", has=NO_SETTINGS | {"rsvp_count": 1}),
    Case(GET, 200, has=NO_SETTINGS | {"rsvp_count": 1}),
]

INVALID_SETTINGS = [case._replace(operation=operation) for operation in (PUT, DELETE) for case in (
    Case("", 400, "invalid-identifier", body=b"{}", item="a%20b"),
    Case("", 400, "invalid-identifier", body=b"{}", item="x" * 129),
    Case("", 400, "invalid-json", body=b"capacity"),
    Case("", 400, "invalid-json", body=b"[]"),
    Case("", 400, "invalid-json", body=b'{"capacity":1,"capacity":1}'),
    Case("", 400, "invalid-json", body=b'{"capacity":"\xff"}'),
    Case("", 400, "invalid-json", body=b'{"capacity":' + b"[" * 4000 + b"]" * 4000 + b"}"),
    Case("", 400, "unknown-field", body=b'{"colour":"red"}'),
    Case("", 400, "unknown-field", body=U1),
    Case("", 400, "invalid-parameter", body=b"{}", query="?colour=red"),
    Case("", 400, "invalid-parameter", body=b"{}", query="?user_id=u1"),
    *(Case("", 400, "invalid-parameter", body=b"{}", headers=headers)
      for headers in ({"If-Match": "other"}, {"If-None-Match": '"open'}, {"Idempotency-Key": "k1"})),
    *(Case("", 403, "forbidden", body=b"{}", headers=headers) for headers in FOREIGN),
    Case("", 415, "unsupported-media-type", body=b"{}", headers={"Content-Encoding": "gzip"}),
    Case("", 408, "request-timeout", body=b'{"capa', headers={"Content-Length": "20"}),
    Case("", 413, "payload-too-large", body=BIG),
    Case("", 413, "payload-too-large", body=b"{", headers={"Content-Length": "1000000000"}),
    Case("", 415, "unsupported-media-type", body=b"capacity=1", media_type="application/x-www-form-urlencoded"),
)] + [
    Case(PUT, 400, "invalid-json"),
    Case(PUT, 400, "invalid-json", body=b""),
    *(Case(PUT, 400, "invalid-json", body=f'{{"{member}":{value}}}'.encode())
      for member in ("capacity", "waitlist", "opens_at", "closes_at") for value in ("{}", "[]")),
    *(Case(PUT, 400, "invalid-parameter", body=f'{{"capacity":{value}}}'.encode())
      for value in ("-1", "1000000001", "1.5", '"1"', "true")),
    *(Case(PUT, 400, "invalid-parameter", body=f'{{"waitlist":{value}}}'.encode()) for value in ("1", '"true"')),
    *(Case(PUT, 400, "invalid-parameter", body=f'{{"{member}":{value}}}'.encode())
      for member in ("opens_at", "closes_at")
      for value in ("1", "true", '""', '"2026-12-01"', '"2026-02-30T00:00:00Z"', '"2026-12-01T00:00:00"')),
    Case(DELETE, 400, "unknown-field", body=b'{"capacity":1}'),
    Case(GET, 400, "invalid-identifier", item="a%2Fb"),
    Case(GET, 400, "invalid-parameter", query="?colour=red"),
    Case(GET, 400, "invalid-parameter", query="?max_stale_ms=0"),
]


def rsvp(user, wanted, code=None, key=None, **has):
    headers = {"Idempotency-Key": key} if key else {}
    return Case("createRsvp", wanted, code, query=f"?user_id={user}", headers=headers, has=has)


def cancel(user, **has):
    return Case("cancelRsvp", 200, query=f"?user_id={user}", has={"status": "none"} | has)


def is_in(user, status):
    return Case("getRsvp", 200, user=user, has={"has_rsvped": status == "going", "status": status})


ERASE = "eraseUser"
NOTHING = {"rsvps": 0, "likes": 0, "waitlist": 0, "idempotency_keys": 0}

# One of each is held about "gone-$item".
ERASURE = [
    put('{"capacity":1,"waitlist":true}', capacity=1, waitlist=True, remaining=1),
    rsvp("first", 201),
    rsvp("gone-$item", 202, key="k1", waitlist_position=1),
    rsvp("last", 202, waitlist_position=2),
    Case("createRsvp", 201, item="another-$item", query="?user_id=gone-$item"),
    Case("createLike", 201, query="?user_id=gone-$item"),
    Case(ERASE, 200, user="gone-$item", body=b"{}",
         has={"erased": {"rsvps": 1, "likes": 1, "waitlist": 1, "idempotency_keys": 1}, "complete": True}),
    Case(ERASE, 200, user="gone-$item", has={"erased": NOTHING, "complete": True}),
    Case(ERASE, 200, user="nobody-ever", has={"user_id": "nobody-ever", "erased": NOTHING, "complete": True}),
    rsvp("last", 202, waitlist_position=1, changed=False),
]

HELD = [
    Case("exportUser", 200, user="gone-$item"),
    Case("exportUser", 200, user="gone-$item", query="?page_size=1"),
    Case("exportUser", 200, user="nobody-ever", has={"items": []}),
    Case("listEvents", 200),
    Case("listEvents", 200, query="?page_size=1"),
    *(Case(operation, 400, "invalid-parameter", query=query) for operation in ("exportUser", "listEvents")
      for query in ("?page_size=0", "?page_size=1001", "?page_token=", "?page_token=forged", "?colour=red")),
    Case("exportUser", 400, "invalid-identifier", user="a%20b"),
]

INVALID_ERASURE = [
    Case(ERASE, 400, "invalid-identifier", user="a%20b"),
    Case(ERASE, 400, "invalid-identifier", user="x" * 129),
    Case(ERASE, 400, "invalid-json", body=b"user_id"),
    Case(ERASE, 400, "invalid-json", body=b"[]"),
    Case(ERASE, 400, "unknown-field", body=U1),
    Case(ERASE, 400, "invalid-parameter", query="?user_id=u1"),
    Case(ERASE, 400, "invalid-parameter", headers={"Idempotency-Key": "k1"}),
    *(Case(ERASE, 403, "forbidden", headers=headers) for headers in FOREIGN),
    Case(ERASE, 415, "unsupported-media-type", body=b"{}", headers={"Content-Encoding": "gzip"}),
    Case(ERASE, 415, "unsupported-media-type", body=b"a=1", media_type="application/x-www-form-urlencoded"),
    Case(ERASE, 408, "request-timeout", body=b'{"capa', headers={"Content-Length": "20"}),
    Case(ERASE, 413, "payload-too-large", body=BIG),
]

# Leaves z, y and x waiting, in this order, which is not that of their bytes; a has the only seat.
FULL = [
    put('{"capacity":1,"waitlist":true}', capacity=1, waitlist=True, remaining=1),
    rsvp("a", 201, rsvp_count=1),
    rsvp("z", 202, waitlist_position=1, changed=True, rsvp_count=1),
    rsvp("w", 202, waitlist_position=2, changed=True),
    rsvp("y", 202, key="wait-$item", waitlist_position=3, changed=True),
    rsvp("y", 202, key="wait-$item", waitlist_position=3, changed=True)._replace(replayed="true"),
    rsvp("x", 202, waitlist_position=4),
    rsvp("x", 202, waitlist_position=4, changed=False),
    cancel("w", changed=True, rsvp_count=1),
    rsvp("x", 202, waitlist_position=3, changed=False),
    rsvp("a", 200, status="going"),
    is_in("z", "waitlisted"),
    is_in("w", "none"),
    Case(GET, 200, has={"capacity": 1, "waitlist": True, "rsvp_count": 1, "waitlist_count": 3, "remaining": 0}),
]

WAITLIST = [
    Case("listRsvpUsers", 200, lines="a"),
    Case("listEventWaitlist", 200, lines="z y x"),
    Case("listEventWaitlist", 200, query="?page_size=1000", lines="z y x"),
    Case("listEventWaitlist", 200, query="?page_size=3", lines="z y x"),
    Case("listEventWaitlist", 200, query="?page_size=1", lines="z more"),
    Case("listEventWaitlist", 200, query="?page_size=1&page_token=$token", lines="y more"),
    Case("listEventWaitlist", 200, query="?page_token=$token", lines="x"),
    Case("listEventWaitlist", 200, item="nobody-ever", lines=""),
    *(Case("listEventWaitlist", 400, "invalid-parameter", query=query) for query in (
        "?page_size=0", "?page_size=1001", "?page_size=", "?page_token=", "?page_token=forged",
        "?page_token=A$token", "?page_token=$token.", "?user_id=z", "?colour=red")),
    Case("listEventWaitlist", 400, "invalid-parameter", item="nobody-ever", query="?page_token=$token"),
    Case("listRsvpUsers", 400, "invalid-parameter", query="?page_token=$token"),
    Case("listEventWaitlist", 400, "invalid-identifier", item="a%20b"),
]

SEATS = [
    cancel("a", changed=True, rsvp_count=1),
    is_in("z", "going"),
    rsvp("y", 202, waitlist_position=1, changed=False),
    put('{"capacity":2,"waitlist":true}', capacity=2, waitlist=True, remaining=0, rsvp_count=2, waitlist_count=1),
    rsvp("y", 202, key="wait-$item", waitlist_position=3)._replace(replayed="true"),
    is_in("y", "going"),
    put('{"capacity":1}', capacity=1, remaining=0, rsvp_count=2, waitlist_count=1),
    rsvp("a", 409, "event-full", key="seat-$item"),
    rsvp("x", 202, waitlist_position=1, changed=False),
    rsvp("z", 200, changed=False),
    Case(DELETE, 200, has=NO_SETTINGS | {"rsvp_count": 3, "waitlist_count": 0}),
    is_in("x", "going"),
    Case("listEventWaitlist", 200, lines=""),
    rsvp("a", 201, key="seat-$item", rsvp_count=4),  # the 409 was not kept
    put('{"opens_at":"2999-01-01T00:00:00Z"}', opens_at="2999-01-01T00:00:00.000Z"),
    rsvp("b", 409, "rsvp-closed"),
    put('{"capacity":3,"closes_at":"2020-01-01T00:00:00Z"}', capacity=3, closes_at="2020-01-01T00:00:00.000Z",
        remaining=0),
    rsvp("b", 409, "rsvp-closed"),
    rsvp("a", 409, "rsvp-closed"),
    rsvp("a", 201, key="seat-$item", rsvp_count=4)._replace(replayed="true"),
    cancel("a", changed=True, rsvp_count=3),
]

HEALTH = [
    Case("getLiveness", 200),
    Case("getLiveness", 200, query="?verbose"),
    Case("getLiveness", 400, "invalid-parameter", query="?colour=red"),
    Case("getReadiness", 200),
    Case("getReadiness", 200, query="?verbose"),
    Case("getReadiness", 400, "invalid-parameter", query="?colour=red"),
]

ADMIN = HEALTH + [
    Case("getMetrics", 200),
    Case("getMetrics", 400, "invalid-parameter", query="?colour=red"),
]

PROBLEMS = [
    Case("getProblem", 404, "not-found", item="no-such-code"),
    Case("getProblem", 400, "invalid-parameter", item="not-found", query="?colour=red"),
]

WITHOUT_POSTGRES = [
    Case("create$R", 503, "store-unavailable", body=U1),
    Case("cancel$R", 503, "store-unavailable", body=U1),
    Case("get$R", 503, "store-unavailable"),
    Case("get${R}Count", 503, "store-unavailable", item="never-seen"),
    Case("get${R}Count", 200, '"stale":true'),
    Case("list${R}Users", 503, "store-unavailable"),
    Case("list${R}Users", 503, "store-unavailable", query="?user_id=u1"),
    Case("listUser${R}s", 503, "store-unavailable"),
    Case("listUser${R}s", 503, "store-unavailable", query="?$id=$item"),
    Case("get${R}Counts", 503, "store-unavailable", query="?$id=$item-a&$id=never-seen"),
    Case("get${R}Counts", 200, '"stale":true', query="?$id=$item-a&$id=$item-c"),
]

EVENTS_WITHOUT_POSTGRES = [Case(operation, 503, "store-unavailable", body=b"{}" if operation == PUT else None)
                           for operation in (*EVENT, "listEventWaitlist")]

# (status, headers, body), whatever the operation, and where there is none
AT_THE_DOOR = [
    (400, {"Content-Length": "5", "Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
    (413, {"Content-Length": "16385"}, b"{"),
    (431, {"Cookie": "a" * 15000}, b""),
]

RAW = [
    ("anyRequest", 408, b"POST /v1/events/101a/rsvp HTTP/1.1\r\nHost: test\r\nX-Requ"),
    ("getNoPath", 404, b"GET /v1/\xff\"\\ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"),
    ("getRsvpCount", 400, b"GET /v1/events/\xfc/rsvp_count HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"),
    ("createRsvp", 400, b"POST /v1/events/101a/rsvp?user_id=u1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                        b"Content-Length: 0\r\nIdempotency-Key: k1\r\nIdempotency-Key: k1\r\n\r\n"),
]

NO_PATHS = ["/", "/v1", "/v1/", "/v2/events/101a/rsvp", "/v1/posts/p1", "/v1/events/101a/like",
            "/v1/users", "/v1/users/u1/rsvps", "/v1/users/u1/events/101a", "/v1/rsvp_counts/101a",
            "/v1/posts/p1/rsvp_count", "/v1/posts/p1/waitlist", "/v1/events/101a/waitlist/u1",
            "/v1/events/101a/rsvp/", "/v1/events/101a/rsvp/more", "/v1/metrics", "/metrics"]


def lines_of(answer):
    """The ids that a listing has, or many counts with theirs, in order, and "more" before a next page."""
    body = parse_json(answer.body)
    items = next(value for value in body.values() if isinstance(value, list))
    texts = []
    for item in items:
        count = [value for member, value in item.items() if member.endswith("_count")]
        identifier = next(value for member, value in item.items() if member.endswith("_id"))
        texts.append("=".join(map(str, [identifier, *count])))
    return texts + ["more"] * ("next_page_token" in body)


class Run:
    """Sends requests, checks the answers against the document and remembers what was seen."""

    def __init__(self, document, servers):
        self.document, self.servers = document, servers
        self.operations = {name: (path, method.upper(), operation)
                           for name, path, method, operation, _ in operations(document)}
        self.callable = [name for name, path, *_ in operations(document) if path in document["paths"]]
        self.checked, self.complaints, self.seen = 0, [], set()
        self.etag = self.token = ""
        self.request_ids = (f"check-{number}" for number in itertools.count(1))

    def judge(self, where, found, wanted=True):
        """One check: is what was found what is wanted?"""
        self.checked += 1
        if found != wanted:
            self.complaints.append(f"{where}: {found!r} instead of {wanted!r}")

    def look(self, name, answer, where, head=False):
        """Is this answer one that the operation describes?"""
        self.checked += 1
        operation = self.operations[name][2]
        self.complaints += check_answer(self.document, operation, answer, where, head)
        self.seen.add((name, str(answer.status)))

    def plain(self, name):
        """(port, method, target) of an operation, whatever it is about."""
        path, method, _ = self.operations[name]
        port = self.servers.admin_port if path == "/metrics" else self.servers.port
        return port, method, re.sub(r"\{\w+\}", "not-found", path)

    def check(self, name, method, target, headers=None, body=None, port=None):
        """A request whose answer has to be one that the operation describes; (answer, where)."""
        request_id = next(self.request_ids)
        where = f"{name}: {method} {target} {headers or ''} {(body or b'')[:60]!r}"
        answer = send(port or self.servers.port, method, target,
                      {"X-Request-Id": request_id} | (headers or {}), body)
        self.look(name, answer, where, head=method == "HEAD")
        self.judge(f"{where}: X-Request-Id", header(answer, "X-Request-Id"), request_id)
        return answer, where

    def request(self, case, bare=False, port=None, **names):
        """Sends a case and holds the answer against the document; (answer, where, target)."""
        names = {"etag": self.etag, "token": self.token, "R": "", "item": "", **names}
        names["id"] = {"Rsvp": "event_id", "Like": "post_id"}.get(names["R"])

        def fill(text):
            return Template(text).substitute(names)
        name = fill(case.operation)
        path, method, _ = self.operations[name]
        target = re.sub(r"\{(\w+)\}", lambda part: fill(case.user if part[1] == "user_id" else case.item), path)
        target = target.removeprefix("/v1") if bare else target
        headers = {key: fill(value) for key, value in case.headers.items()}
        if case.body is not None and case.media_type:
            headers["Content-Type"] = case.media_type
        answer, where = self.check(name, method, target + fill(case.query), headers, case.body, port)
        self.etag = header(answer, "ETag") or self.etag
        if case.lines is not None and answer.status == case.status:
            self.judge(where, lines_of(answer), fill(case.lines).split())
            self.token = parse_json(answer.body).get("next_page_token", self.token)
        return answer, where, target

    def send(self, case, bare=False, port=None, **names):
        """Sends a case and holds the answer against the case as well."""
        answer, where, target = self.request(case, bare, port, **names)
        found, wanted = [answer.status, header(answer, "Idempotency-Replayed")], [case.status, case.replayed]
        members = case.has | ({"code": case.code, "instance": target} if case.code else {})
        if members and answer.status == case.status:
            body = parse_json(answer.body)
            found.append({member: body.get(member, "nothing") for member in members})
            wanted.append({member: names["item"] if value == "$item" else value for member, value in members.items()})
        self.judge(f"{where}: {answer.body[:300]!r}", found, wanted)
        return answer

    def poll(self, case, port=None, **names):
        """Sends a case until its status and code come; what comes before has to be described as well."""
        def probe():
            answer, _, _ = self.request(case, port=port, **names)
            return answer.status == case.status and case.code.encode() in answer.body
        until(f"{case.operation} {case.status} {case.code}", probe)


def check_relations(run):
    for relation, bare in itertools.product(("Rsvp", "Like"), (False, True)):
        names = {"R": relation, "item": f"item-{'bare' if bare else 'v1'}"}
        for case in USE + INVALID_WRITES + INVALID_READS:
            run.send(case, bare, **names)
        for case in RETRIES + ([] if bare else SLOW_BODIES):
            run.send(case, bare, **names)


def check_many(run):
    """Listings, which-of-these and many counts."""
    for relation, bare in itertools.product(("Rsvp", "Like"), (False, True)):
        prefix = "bare" if bare else "v1"
        names = {"R": relation, "item": f"many-{prefix}", "user": f"user-{prefix}"}
        for case in LISTED + LISTINGS + COUNTS + INVALID_COUNTS + STREAMS:
            run.send(case, bare, **names)
        for case in (case for case in LISTINGS if case.query == "?page_size=1"):
            answer, where, _ = run.request(case, bare, **names)
            follow_links(run, Template(case.operation).substitute(names), answer, where)


def follow_links(run, name, answer, where):
    """Goes on from the first page, by GET and by HEAD, as long as there is a next one."""
    pages = 1
    while link := header(answer, "Link"):
        target = link[1:link.index(">")]
        head, _ = run.check(name, "HEAD", target)
        answer, where = run.check(name, "GET", target)
        run.judge(f"{where}: what HEAD says", (head.status, header(head, "Link")), (200, header(answer, "Link")))
        pages += 1
    run.judge(f"{where}: pages", pages, 3)


def check_events(run):
    """Settings, seats and waiting lists."""
    for bare in (False, True):
        names = {"R": "Rsvp", "item": f"event-{'bare' if bare else 'v1'}"}
        for case in SETTINGS + INVALID_SETTINGS:
            run.send(case, bare, **names)
        names["item"] += "-full"
        for case in FULL + WAITLIST:
            run.send(case, bare, **names)
        answer, where, _ = run.request(Case("listEventWaitlist", 200, query="?page_size=1"), bare, **names)
        follow_links(run, "listEventWaitlist", answer, where)
        for case in SEATS:
            run.send(case, bare, **names)


def check_erasure(run):
    """Everything about a user goes, or as much as there is time for."""
    for bare in (False, True):
        first = next(at for at, case in enumerate(ERASURE) if case.operation == ERASE)
        for case in ERASURE[:first] + HELD + ERASURE[first:] + INVALID_ERASURE:
            run.send(case, bare, item=f"erasure-{'bare' if bare else 'v1'}")
    run.servers.make_likes("fond", 150000)  # more than there is time for
    run.send(Case(ERASE, 202, user="fond", has={"complete": False}))


def check_long_lists(run):
    """More who wait than places are counted for, and than are moved in while a request waits."""
    for operation, body in ((PUT, b'{"capacity":1000000}'), (DELETE, None)):
        name = {"R": "Rsvp", "item": f"long-{operation}"}
        run.servers.make_waiting(name["item"], 100000)
        run.send(rsvp("w20000", 202, waitlist_position=20000, waitlist_position_exact=False, changed=False), **name)
        run.send(Case(operation, 202, body=body, has={"complete": False}), **name)
        run.send(Case("createRsvp", 201, query="?past_capacity=true", body=U1), **name)


def check_keys_in_flight(run):
    """One key for many writes at once: one is done at most, and those that share its batch must wait for its end."""
    rounds = itertools.count(1)

    def collide(relation, operation):
        name = Template(operation).substitute(R=relation)
        path, method, _ = run.operations[name]
        key = {"Idempotency-Key": f"{name}-{next(rounds)}"}
        targets = [re.sub(r"\{\w+\}", f"flight-{number}", path) + "?user_id=keyed" for number in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda target: send(run.servers.port, method, target, key), targets))
        for target, answer in zip(targets, answers):
            run.look(name, answer, f"{name}: {method} {target} {key}")
        run.judge(f"{name}: one at most done under {key}", sum(answer.status < 300 for answer in answers) <= 1)
        return any(answer.status == 409 for answer in answers)

    for relation, operation in itertools.product(("Rsvp", "Like"), WRITES):
        until(f"{operation} 409", lambda: collide(relation, operation))


def check_health_and_problems(run):
    for case in ADMIN:
        run.send(case, port=run.servers.admin_port)
    for case in HEALTH + PROBLEMS:
        run.send(case)
    for code, status in problem_codes(run.document).items():
        told = parse_json(run.send(Case("getProblem", 200, item=code)).body)
        run.judge(f"/problems/{code}", (told["code"], told["status"]), (code, status))


def check_every_path(run):
    """HEAD, OPTIONS and a method that is not there, on every path; and what is no path."""
    for path, item in run.document["paths"].items():
        port = run.servers.admin_port if path == "/metrics" else run.servers.port
        target = re.sub(r"\{\w+\}", "not-found", path)
        methods = {method.upper() for method in item if method in METHODS} | {"OPTIONS"}
        if "get" in item:
            methods.add("HEAD")
            run.check(item["get"]["operationId"], "HEAD", target, port=port)
            run.seen.add(("headAnyPath", "default"))
        for name, method in (("optionsAnyPath", "OPTIONS"), ("otherMethodOnAnyPath", "PATCH")):
            answer, where = run.check(name, method, target, port=port)
            run.judge(f"{where}: Allow", set(header(answer, "Allow").split(", ")), methods)
    for target, method in itertools.product(NO_PATHS, ("GET", "POST", "OPTIONS")):
        run.check("getNoPath", method, target)
    for bad in ("a b", "x" * 65, "\xfc"):
        answer = send(run.servers.port, "GET", "/v1/events/101a/rsvp_count", {"X-Request-Id": bad})
        run.look("getRsvpCount", answer, f"X-Request-Id: {bad}")


def check_the_door(run):
    """What is refused before its path is looked at, and requests that no HTTP library would send."""
    targets = ("/v1/events/101a/rsvp_count", "/nowhere")
    for target, (status, headers, body) in itertools.product(targets, AT_THE_DOOR):
        answer, where = run.check("anyRequest", "PUT", target, headers, body)
        run.judge(where, answer.status, status)
    for name, status, data in RAW:
        answer = send_raw(run.servers.port, data)
        run.look(name, answer, repr(data))
        run.judge(repr(data), answer.status, status)
    for name, (status, headers, body) in itertools.product(run.callable, AT_THE_DOOR):
        port, method, target = run.plain(name)
        answer, where = run.check(name, method, target, headers, body, port)
        run.judge(where, answer.status, status)
    with run.servers.all_connections():
        until("too many connections", lambda: send(run.servers.port, "GET", "/nowhere").status == 503)
        run.check("anyRequest", "GET", "/nowhere")
    until("connections again", lambda: send(run.servers.port, "GET", "/nowhere").status == 404)


def check_slow_requests(run):
    """A body that does not come whole, whatever the operation: many at once, since each takes the deadline."""
    def send_slowly(name):
        return send(*run.plain(name), {"Content-Length": "20"}, b"{")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(send_slowly, run.callable))
    for name, answer in zip(run.callable, answers):
        run.look(name, answer, f"{name}: a slow body")
        run.judge(f"{name}: a slow body", answer.status, 408)


def check_crowd(run):
    """Each operation without a connection for it. Whoever holds one idly loses it soon, so this may take some turns."""
    left = [name for name in run.callable if name != "getMetrics"]

    def refuse_all():
        with run.servers.all_connections():
            for name in list(left):
                answer = send(*run.plain(name))
                run.look(name, answer, f"{name}: one connection too many")
                if answer.status == 503:
                    left.remove(name)
        return not left

    until("each operation refused in a crowd", refuse_all)
    until("connections again", lambda: send(run.servers.port, "GET", "/nowhere").status == 404)


def check_outages(run):
    """With a PostgreSQL that does not get on, without Redis, without PostgreSQL, and on the way out."""
    with run.servers.locked_tables():
        for relation, operation in itertools.product(("Rsvp", "Like"), WRITES):
            run.poll(Case(operation, 504, "outcome-unknown", body=U1), R=relation, item="locked")
        for operation in (PUT, DELETE):
            run.poll(Case(operation, 504, "outcome-unknown", body=b"{}"), item="locked")
    admin = {"port": run.servers.admin_port}
    run.servers.stop("redis", signal.SIGKILL)
    for query in ("", "?verbose"):
        run.poll(Case("getReadiness", 200, "degraded", query=query), **admin)
    for relation, case in itertools.product(("Rsvp", "Like"), USE + LISTED + COUNTS):
        run.send(case, R=relation, item="without-redis", user="user")
    run.servers.stop("postgres", signal.SIGQUIT)
    for query in ("", "?verbose"):
        run.poll(Case("getReadiness", 503, "unavailable", query=query), **admin)
    for relation, case in itertools.product(("Rsvp", "Like"), WITHOUT_POSTGRES):
        run.poll(case, R=relation, item="without-redis")  # each worker has to notice by itself
    for case in EVENTS_WITHOUT_POSTGRES:
        run.poll(case, item="without-redis")
    for operation in (ERASE, "exportUser", "listEvents"):
        run.poll(Case(operation, 503, "store-unavailable"))
    run.servers.children["rsvpd"].send_signal(signal.SIGTERM)
    run.poll(Case("getReadiness", 503, "draining"), **admin)
    run.judge("rsvpd's exit status", run.servers.stop("rsvpd", signal.SIGTERM), 0)


PARTS = (check_relations, check_many, check_events, check_erasure, check_long_lists, check_keys_in_flight,
         check_health_and_problems, check_every_path, check_the_door, check_slow_requests, check_crowd,
         check_outages)


def check_coverage(documented, seen, unprovoked):
    complaints = []
    for name, status in sorted(documented):
        reasons = [reason for names, other, reason in unprovoked if other == status and re.fullmatch(names, name)]
        if (name, status) not in seen and not reasons:
            complaints.append(f"{name} {status} is described, and nothing here provokes it")
        if (name, status) in seen and reasons:
            complaints.append(f"{name} {status} does come; it is no longer one that nothing can provoke")
    return complaints


# --- The checks, checked --------------------------------------------------------------------------

def mutations(document):
    """(what is broken, how, what the complaint has to say)."""
    operation = lambda d: d["paths"]["/v1/events/{event_id}/rsvp"]["post"]  # noqa: E731
    schemas = lambda d: d["components"]["schemas"]  # noqa: E731
    responses = lambda d: d["components"]["responses"]  # noqa: E731
    return [
        ("a member is missing", lambda d: d["info"].pop("title"), "'title' is a required"),
        ("a key is misspelt", lambda d: operation(d).update(sumary="x"), "'sumary'"),
        ("a status is no status", lambda d: operation(d)["responses"].update(ok={"description": "x"}), "'ok'"),
        ("a reference is of another kind",
         lambda d: operation(d).update(requestBody={"$ref": "#/components/responses/NotFound"}), "does not match"),
        ("a reference leads nowhere",
         lambda d: operation(d)["responses"].update({"200": {"$ref": "#/components/responses/Nothing"}}),
         "leads nowhere"),
        ("a part is used nowhere", lambda d: schemas(d).update(Lonely={"type": "string"}), "used nowhere"),
        ("a schema is none", lambda d: schemas(d)["Count"].update(minimum="zero"), "'zero' is not"),
        ("a keyword is misspelt", lambda d: schemas(d)["Count"].update(minimun=0), "'minimun'"),
        ("an object is open", lambda d: schemas(d)["Problem"].pop("additionalProperties"), "does not name"),
        ("something stands beside a reference",
         lambda d: responses(d)["RsvpCount"]["content"]["application/json"]["schema"].update(properties={}),
         "beside $ref"),
        ("a response is a reference and more",
         lambda d: operation(d)["responses"]["200"].update(description="x"), "'description' was unexpected"),
        ("nothing is said of security", lambda d: d.pop("security"), "'security' is a required"),
        ("an example does not fit",
         lambda d: responses(d)["RsvpAdded"]["content"]["application/json"]["example"].pop("changed"),
         "'changed' is a required"),
        ("a line of an example does not fit",
         lambda d: responses(d)["Ready"]["content"]["application/x-ndjson"].update(
             example='{"status":"ready"}\n{}\n'),
         "'dependency' is a required"),
        ("two operations have one name", lambda d: operation(d).update(operationId="cancelRsvp"), "used twice"),
        ("a path parameter is not declared",
         lambda d: d["paths"]["/v1/events/{event_id}/rsvp"]["parameters"].pop(0), "event_id is not both"),
        ("a tag is not declared", lambda d: operation(d).update(tags=["RSVP"]), "'RSVP' is not declared"),
        ("a response has no request id", lambda d: responses(d)["RsvpCount"]["headers"].pop("X-Request-Id"),
         "no X-Request-Id"),
        ("a response lets browsers guess", lambda d: responses(d)["RsvpCount"]["headers"].pop("X-Content-Type-Options"),
         "no X-Content-Type-Options"),
        ("a problem is under another status",
         lambda d: operation(d)["responses"].update({"418": {"$ref": "#/components/responses/NotFound"}}),
         "its problem has status 404"),
        ("an operation does not describe what any request may be answered",
         lambda d: operation(d)["responses"].pop("431"), "createRsvp: 431"),
        ("any request may be answered more",
         lambda d: d["components"]["pathItems"]["AnyRequest"]["get"]["responses"].update(
             {"404": {"$ref": "#/components/responses/NotFound"}}), "getRsvp: 404"),
        ("an operation does not say what it asks", lambda d: operation(d).pop("x-access"), "createRsvp: no x-access"),
        ("an operation asks what nobody knows", lambda d: operation(d).update({"x-access": "friends"}), "'friends'"),
        ("an operation says it is open, and is not", lambda d: operation(d).update(security=[]),
         "createRsvp: security"),
        ("who is refused is not told how", lambda d: operation(d)["responses"].pop("401"), "createRsvp: 401"),
        ("a security scheme is missing", lambda d: d["components"]["securitySchemes"].pop("key"), "scheme key"),
        ("a code is never answered", lambda d: schemas(d)["ProblemCode"]["enum"].append("teapot"), "teapot"),
        ("a server variable is missing", lambda d: d["servers"][0]["variables"].pop("port"), "{port}"),
    ]


def check_mutations(document):
    """Each broken document and each broken answer has to be complained about, in the right words."""
    complaints = []

    def expect(what, complaint, found):
        if not any(complaint in line for line in found):
            complaints.append(f"self-test: {what}: not noticed; found {found}")

    for what, mutate, complaint in mutations(document):
        broken = copy.deepcopy(document)
        mutate(broken)
        expect(what, complaint, check_document(broken))

    body = b'{"event_id":"e","rsvp_count":2,"as_of":"2026-11-22T10:15:30.123Z","stale":false}'
    nosniff = ("X-Content-Type-Options", "nosniff")
    headers = [("X-Request-Id", "r"), ("ETag", 'W/"2"'), ("Cache-Control", "public, max-age=1"),
               ("Content-Type", "application/json"), ("Date", "today"), nosniff]
    good = Answer(200, headers, body)
    problem = (b'{"type":"/problems/invalid-parameter","title":"t","status":400,"detail":"d","instance":"/",'
               b'"code":"invalid-parameter","request_id":"r","retryable":false}')
    plain = [("X-Request-Id", "r"), ("Cache-Control", "no-store"), nosniff]
    bad = Answer(400, [*plain, ("Content-Type", "application/problem+json")], problem)
    named = {name: operation for name, _, _, operation, _ in operations(document)}
    count, ready = named["getRsvpCount"], named["getReadiness"]
    verbose = Answer(200, [*plain, ("Content-Type", "application/x-ndjson")],
                     b'{"status":"ready"}\n{"dependency":"postgres","status":"up","latency_ms":0.4}\n')
    listing = named["listRsvpUsers"]
    token, link = b',"next_page_token":"T"', ("Link", '</v1/events/e/users?page_size=1&page_token=T>; rel="next"')
    private = [("X-Request-Id", "r"), ("Cache-Control", "private, no-cache"), ("Vary", "Accept-Encoding"),
               ("Content-Type", "application/json"), nosniff]
    page = Answer(200, [*private, link], b'{"event_id":"e","users":[{"user_id":"u",'
                  b'"created_at":"2026-11-22T10:15:30.123Z"}],"next_page_token":"T"}')
    last = Answer(200, private, page.body.replace(token, b""))
    create, json = named["createRsvp"], [*plain, ("Content-Type", "application/json")]
    waiting = Answer(202, [*json, ("Idempotency-Replayed", "true")],
                     b'{"event_id":"e","user_id":"u","has_rsvped":false,"status":"waitlisted","waitlist_position":1,'
                     b'"changed":true,"rsvp_count":2}')
    full = Answer(409, bad.headers, problem.replace(b"invalid-parameter", b"event-full").replace(b"400", b"409"))
    settings = named["getEventSettings"]
    state = Answer(200, [plain[0], ("Cache-Control", "no-cache"), ("ETag", '"2.1.."'), nosniff, json[-1]],
                   b'{"event_id":"e","capacity":2,"waitlist":true,"opens_at":null,'
                   b'"closes_at":"2026-12-01T00:00:00.000Z","rsvp_count":2,"waitlist_count":1,"remaining":0}')
    for operation, answer in ((count, good), (count, bad), (ready, verbose), (listing, page), (listing, last),
                              (create, waiting), (create, full), (settings, state)):
        complaints += [f"self-test: a good answer: {line}" for line in check_answer(document, operation, answer, "")]
    answers = [
        ("a member is missing", count, good._replace(body=body.replace(b'"stale":false', b'"x":0')), "'stale'"),
        ("a member too many", count, good._replace(body=body.replace(b"{", b'{"x":1,')), "'x'"),
        ("a member twice", count, good._replace(body=body.replace(b"{", b'{"stale":true,')), "repeated"),
        ("no JSON", count, good._replace(body=b"2"), "is not of type 'object'"),
        ("not UTF-8", count, good._replace(body=b"\xff"), "utf-8"),
        ("a time without milliseconds", count, good._replace(body=body.replace(b".123", b"")), "does not match"),
        ("an unknown status", count, good._replace(status=418), "418 is not described"),
        ("content with a 304", count, good._replace(status=304), "must be none"),
        ("a missing header", count, good._replace(headers=headers[1:]), "x-request-id is there 0 times"),
        ("a header twice", count, good._replace(headers=headers + headers[1:2]), "etag is there 2 times"),
        ("a strong ETag", count, good._replace(headers=[*headers[:1], ("ETag", '"2"'), *headers[2:]]), "header etag"),
        ("an unknown header", count, good._replace(headers=[*headers, ("Server", "x")]), "server is not described"),
        ("another media type", count, good._replace(headers=[*headers[:3], ("Content-Type", "text/html")]),
         "'text/html' is not described"),
        ("an unknown code", count, bad._replace(body=problem.replace(b"meter", b"meters")), "invalid-parameters"),
        ("a type of another code", count, bad._replace(body=problem.replace(b"s/invalid", b"s/in")), "type and code"),
        ("another request id", count, bad._replace(body=problem.replace(b'"r"', b'"s"')), "is not X-Request-Id"),
        ("retryable, but it is not", count, bad._replace(body=problem.replace(b"false", b"true")), "False was"),
        ("a bad line", ready, verbose._replace(body=b'{"status":"ready"}\n{"dependency":"x"}\n'), "'x' is not"),
        ("an open line", ready, verbose._replace(body=verbose.body[:-1]), "does not end"),
        ("a page without Link", listing, page._replace(headers=private), "next_page_token differ"),
        ("a last page with Link", listing, last._replace(headers=page.headers), "next_page_token differ"),
        ("a Link to another page", listing, page._replace(body=page.body.replace(b'"T"', b'"U"')), "differ"),
        ("a Link to elsewhere", listing, page._replace(headers=[*private, ("Link", link[1][:-6] + '"last"')]),
         "header link"),
        ("a token with a blank", listing, page._replace(body=page.body.replace(b'"T"', b'"T "')), "does not match"),
        ("a line without a time", listing, last._replace(body=last.body.replace(b"created", b"x")), "'created_at'"),
        ("a place before the first", create, waiting._replace(body=waiting.body.replace(b":1", b":0")), "minimum of 1"),
        ("in, and on the waiting list", create, waiting._replace(body=waiting.body.replace(b"false", b"true")),
         "False was"),
        ("a place, and in", create, waiting._replace(status=200), "'waitlist_position'"),
        ("a header that says nothing", create, waiting._replace(headers=[*json, ("Idempotency-Replayed", "false")]),
         "header idempotency-replayed"),
        ("full, and retryable", create, full._replace(body=full.body.replace(b"false", b"true")), "False was"),
        ("a key in flight, not retryable", create,
         full._replace(body=full.body.replace(b"event-full", b"request-in-flight")), "True was"),
        ("a capacity that is none", settings, state._replace(body=state.body.replace(b'y":2', b'y":"2"')),
         "'2' is not"),
        ("settings without a member", settings, state._replace(body=state.body.replace(b'"opens_at":null,', b"")),
         "'opens_at'"),
        ("a weak tag of settings", settings,
         state._replace(headers=[*state.headers[:2], ("ETag", 'W/"2"'), state.headers[-1]]), "header etag"),
        ("another zone", settings, state._replace(body=state.body.replace(b".000Z", b".000+00:00")),
         "not valid under any"),
    ]
    for what, operation, answer, complaint in answers:
        expect(what, complaint, check_answer(document, operation, answer, ""))

    both = {("a", "200"), ("a", "500")}
    expect("a pair without a case", "nothing here provokes", check_coverage(both, {("a", "200")}, []))
    expect("a reason that is none", "does come", check_coverage(both, both, [("a", "500", "why")]))
    return len(mutations(document)) + len(answers) + 8, complaints


def main(arguments):
    if arguments not in ([], ["--document"], ["--self-test"]):
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped as well
    document = load(DOCUMENT)
    checked, complaints = check_mutations(document)
    if arguments != ["--self-test"]:
        complaints += check_document(document)
        checked += 1
    if not arguments and not complaints:
        with Servers(BINARY) as servers:
            run = Run(document, servers)
            try:
                for part in PARTS:
                    part(run)
            except Exception as error:  # what was found until then is told as well
                complaints.append(f"the run broke off: {type(error).__name__}: {error}")
            if run.complaints or complaints:
                print(f"--- the end of rsvpd's log\n{servers.log('rsvpd')[-4000:]}---")
        complaints += run.complaints + check_coverage(documented_statuses(document), run.seen, UNPROVOKED)
        checked += run.checked + 1
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"{checked} checks, {len(complaints)} complaints" if complaints else f"{checked} checks passed")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
