#!/usr/bin/python3
"""Asks every operation of docs/openapi.yaml for everything that somebody may show, and holds the answers to x-access.

RSVPD_BINARY (build/rsvpd) is the service. A new operation is asked like the others, as its x-access has it;
check_openapi.py holds each operation to having one, and tests/check_docs each route of the service to being described.
"""
import base64
import hashlib
import hmac
import itertools
import json
import re
import signal
import sys
import time
from typing import NamedTuple, Optional

sys.dont_write_bytecode = True
from check_openapi import BINARY, DOCUMENT, Run  # noqa: E402
from document import documented_statuses, load, parse_json  # noqa: E402
from servers import Servers, free_ports, header, send_raw, until  # noqa: E402

SECRET = "a secret of the matrix, for HMAC alone"
SCOPES = ("", "rsvp:read", "rsvp:write", "rsvp:admin")
USER, OTHER = "ann-7Gq2", "bob-9Xw4"  # whom the requests are about, and somebody else; no such words are in any log
ITEM = {True: "matrix-here", False: "matrix-gone"}  # USER is in the first, and not in the second
REALM = 'Bearer realm="rsvpd"'
NEEDS = {"own": "rsvp:read", "act": "rsvp:write", "person": "rsvp:admin", "admin": "rsvp:admin"}
PROVOKED = ("401", "403", "429")


# --- What somebody may show -----------------------------------------------------------------------

def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(subject, scope="", expires_s=3600, secret=SECRET, **more):
    claims = {"sub": subject, "exp": int(time.time()) + expires_s, "scope": scope} | more
    message = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{message}.{encode(hmac.digest(secret.encode(), message.encode(), hashlib.sha256))}"


class Sender(NamedTuple):
    """Who sends a request, by what it shows."""
    what: str
    headers: dict
    scope: Optional[str] = None    # None: shows nothing, or nothing that is good
    subject: Optional[str] = None  # of a token
    fault: str = ""                # what error_description has to say; empty where nothing was shown
    status: int = 401              # where the operation is not open, and this is not good

    @property
    def good(self):
        return self.scope is not None

    def has(self, scope):
        return self.good and SCOPES.index(self.scope) >= SCOPES.index(scope)


def bearer(token, scheme="Bearer"):
    return {"Authorization": f"{scheme} {token}"}


def make_keys(servers):
    """{name: key}; the ones called revoked and expired are."""
    keys = {}
    for name in ("read", "write", "admin", "revoked", "expired"):
        scope = f"rsvp:{name}" if f"rsvp:{name}" in SCOPES else "rsvp:admin"
        created = servers.command("keys", "create", "--name", name, "--scope", scope)
        keys[name] = re.search(r"^rsvpd_.*$", created, re.MULTILINE)[0]
    servers.sql("UPDATE api_keys SET expires_at = now() WHERE name = 'expired'")
    listed = servers.command("keys", "list").splitlines()
    servers.command("keys", "revoke", next(line.split()[0] for line in listed if line.endswith(" revoked")))
    return keys


def good_senders(keys):
    own = make_token(USER)
    senders = [Sender("own token", bearer(own), "", USER),
               Sender("own token, bearer in lower case", bearer(own, "bearer"), "", USER),
               Sender("own token, BEARER in upper case", bearer(own, "BEARER"), "", USER)]
    senders += [Sender(f"another's token with {scope or 'no scope'}", bearer(make_token(OTHER, scope)), scope, OTHER)
                for scope in SCOPES]
    senders.append(Sender("a token with scp", bearer(make_token(OTHER, scp=["x", "rsvp:write"])), "rsvp:write", OTHER))
    return senders + [Sender(f"a key with rsvp:{name}", {"X-API-Key": keys[name]}, f"rsvp:{name}")
                      for name in ("read", "write", "admin")]


def bad_senders(keys):
    good, rubbish = make_token(USER, "rsvp:admin"), "rsvpd_" + encode(bytes(32))
    head, payload, signature = good.split(".")
    forged = encode(json.dumps({"sub": OTHER, "exp": 2**33, "scope": "rsvp:admin"}).encode())
    none = encode(b'{"alg":"none"}')

    def token(what, value, fault):
        return Sender(what, bearer(value), fault=fault)
    return [
        Sender("nothing", {}),
        Sender("another scheme", {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode()}),
        token("an empty token", "", "the token"),
        token("rubbish", "rubbish", "the token is not a JWT"),
        token("a token that is expired", make_token(USER, "rsvp:admin", -3600), "the token is expired"),
        token("a token of another secret", make_token(USER, "rsvp:admin", secret=SECRET[::-1]), "the signature"),
        token("a token with another payload", f"{head}.{forged}.{signature}", "the signature"),
        token("a token without a signature", f"{none}.{payload}.", "the alg of the token"),
        token("a token for nobody", make_token("a b", "rsvp:admin"), "sub is not an identifier"),
        token("a token of tomorrow", make_token(USER, "rsvp:admin", nbf=int(time.time()) + 86400),
              "the token is not valid yet: nbf"),
        Sender("a key that nobody made", {"X-API-Key": rubbish}, fault="the API key is not known or was revoked"),
        Sender("what is no key", {"X-API-Key": "rubbish"}, fault="the API key is not rsvpd_ and 43 characters"),
        Sender("an empty key", {"X-API-Key": ""}, fault="the API key is not rsvpd_ and 43 characters"),
        Sender("a revoked key", {"X-API-Key": keys["revoked"]}, fault="the API key is not known or was revoked"),
        Sender("an expired key", {"X-API-Key": keys["expired"]}, fault="the API key "),
        Sender("a token and a key", bearer(good) | {"X-API-Key": keys["admin"]}, status=400),
    ]


# --- What comes of it -----------------------------------------------------------------------------

class Policy(NamedTuple):
    counts: bool
    lists: bool


def needs(access, policy):
    """The scope asked of whoever is not the user; "": any sender will do that is known; None: anybody will do."""
    if access == "open" or (access == "counts" and policy.counts):
        return None
    if access == "lists" and not policy.lists:
        return "rsvp:read"
    return NEEDS.get(access, "")


def may(access, sender, policy):
    scope = needs(access, policy)
    own = access in ("own", "act", "person") and sender.subject == USER
    return scope is None or (sender.good and (own or sender.has(scope)))


def wanted(access, sender, policy):
    """(status, code, WWW-Authenticate); the status 200 stands for every 2xx."""
    if may(access, sender, policy):
        return 200, None, ""
    if sender.good:
        scope = needs(access, policy)
        return 403, "forbidden", f'{REALM}, error="insufficient_scope", scope="{scope}"'
    if sender.status == 400:
        return 400, "invalid-parameter", ""
    error = f', error="invalid_token", error_description="{sender.fault}' if sender.fault else ""
    return 401, "unauthenticated", REALM + error


# --- Requests -------------------------------------------------------------------------------------

class Request(NamedTuple):
    operation: str
    access: str
    method: str
    target: str
    headers: dict
    body: Optional[bytes]
    port: int


def places(access):
    """How a request names its user: (query, headers, body)."""
    if access != "act":
        return [("", {}, None)]
    body = json.dumps({"user_id": USER}).encode()
    return [(f"?user_id={USER}", {}, None), ("", {"X-User-Id": USER}, None), ("", {}, body),
            (f"?user_id={USER}", {"X-User-Id": USER}, body)]


def requests_of(run, operations, bare=False):
    """Each of these operations, about USER, and each way to name them."""
    for name in operations:
        path, method, operation = run.operations[name]
        access = operation["x-access"]
        names = {"user_id": USER, "code": "forbidden"}
        target = re.sub(r"\{(\w+)\}", lambda part: names.get(part[1], ITEM[not name.startswith("create")]), path)
        target = target.removeprefix("/v1") if bare else target
        query = {"/v1/rsvp_counts": "?event_id=matrix-here", "/v1/like_counts": "?post_id=matrix-here"}.get(
            path.removesuffix("/stream"), "")
        for more, headers, body in places(access):
            if method == "PUT":
                body = b'{"capacity":5,"waitlist":true}'
            port = run.servers.admin_port if path == "/metrics" else run.servers.port
            yield Request(name, access, method, target + query + more, headers, body, port)
            if method == "GET":
                yield Request(name, access, "HEAD", target + query, headers, body, port)


def once(requests):
    """One for each operation."""
    return {request.operation: request for request in requests}.values()


def ask(run, request, sender, policy):
    """Sends it, and holds the answer to what is wanted and to the document."""
    headers = request.headers | sender.headers
    if request.body is not None:
        headers = headers | {"Content-Type": "application/json"}
    answer, where = run.check(request.operation, request.method, request.target, headers, request.body, request.port)
    status, code, challenge = wanted(request.access, sender, policy)
    where = f"{sender.what}, {policy}: {where}"
    run.judge(where, 200 if 200 <= answer.status < 300 else answer.status, status)
    shown = header(answer, "WWW-Authenticate")
    begins = status == 401 and sender.fault != ""  # the rest of its sentence may change
    run.judge(f"{where}: WWW-Authenticate", shown[:len(challenge)] if begins else shown, challenge)
    if code is not None and request.method != "HEAD" and answer.status == status:
        run.judge(f"{where}: code", parse_json(answer.body)["code"], code)
    if request.access == "counts" and answer.status == 200:
        run.judge(f"{where}: Cache-Control", header(answer, "Cache-Control"),
                  "no-store" if request.operation.startswith("stream") else
                  "public, max-age=1" if policy.counts else "private")
    told = json.dumps([answer.headers, answer.body.decode(errors="replace")])
    for secret in secrets_of(sender):
        run.judge(f"{where}: the answer repeats {secret[:12]}…", secret in told, False)
    return answer


def secrets_of(sender):
    """What of it no answer and no log may repeat."""
    shown = [value.split(" ")[-1] for value in sender.headers.values()]
    parts = [part for value in shown for part in value.split(".") + [value]]
    return {part for part in parts if len(part) > 16 and not part.startswith(encode(b'{"alg"'))}


def state_of(servers):
    """All that is in the tables, as text."""
    tables = ("rsvps", "likes", "events", "waitlist", "rsvp_counters", "like_counters", "idempotency_keys")
    rows = " UNION ALL ".join(f"SELECT '{table}' || t::text FROM {table} AS t" for table in tables)
    return servers.sql(f"{rows} ORDER BY 1")


def prepare(servers):
    """USER is in, and has something of each kind; the event has settings."""
    servers.sql(f"""
        INSERT INTO rsvps (event_id, user_id) VALUES ('{ITEM[True]}', '{USER}');
        INSERT INTO likes (post_id, user_id) VALUES ('{ITEM[True]}', '{USER}');
        INSERT INTO events (event_id, capacity, waitlist) VALUES ('{ITEM[True]}', 100, true);
        INSERT INTO rsvp_counters (event_id, count, version, managed) VALUES ('{ITEM[True]}', 1, 1, true);
        INSERT INTO like_counters (post_id, count, version) VALUES ('{ITEM[True]}', 1, 1)""")


# --- The matrix -----------------------------------------------------------------------------------

def check_policy(run, policy, good, bad):
    """Every operation by every sender: first those who are refused, which leaves everything as it was."""
    before = state_of(run.servers)
    asked = [(request, sender) for request in requests_of(run, run.callable) for sender in good + bad[:1]]
    asked += [(request, sender) for request in requests_of(run, run.callable, bare=True)
              for sender in (good[3], bad[0])]
    asked += [(request, sender) for request in once(requests_of(run, run.callable)) for sender in bad[1:]]
    refused = [one for one in asked if not may(one[0].access, one[1], policy)]
    reading = [one for one in asked if may(one[0].access, one[1], policy) and one[0].method in ("GET", "HEAD")]
    for request, sender in refused + reading:
        ask(run, request, sender, policy)
    run.judge(f"{policy}: what was refused, or only read, changed nothing", state_of(run.servers), before)
    check_before_body(run, refused)
    writing = [one for one in asked if may(one[0].access, one[1], policy) and one[0].method not in ("GET", "HEAD")]
    for request, sender in writing:
        answer = ask(run, request, sender, policy)
        if request.access == "act" and answer.status < 300:
            run.judge(f"{sender.what}: {request.operation}: who acted", parse_json(answer.body)["user_id"], USER)


def check_before_body(run, refused):
    """Whom the head tells that they may not do it are told so before the body is there, which never comes."""
    seen = set()
    for request, sender in refused:
        needs_body = request.access == "act" and sender.good  # it may name the user, who may be the sender
        if request.method in ("GET", "HEAD") or needs_body or (request.operation, sender.what) in seen:
            continue
        seen.add((request.operation, sender.what))
        headers = {"Host": "test", "Content-Length": "30"} | sender.headers
        head = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        answer = send_raw(request.port, "".join(f"{line}\r\n" for line in [*head, ""]).encode())
        where = f"{sender.what}: {request.operation} without its body"
        run.look(request.operation, answer, where)
        run.judge(where, answer.status, wanted(request.access, sender, Policy(True, True))[0])


def check_users(run, senders):
    """A token names its user by itself; a key does not; nobody's header counts for more than the token."""
    for relation, item in (("rsvp", f"/v1/events/{ITEM[False]}"), ("like", f"/v1/posts/{ITEM[False]}")):
        name = f"create{relation.capitalize()}"
        for sender in senders:
            answer, where = run.check(name, "POST", f"{item}/{relation}", sender.headers)
            acted = parse_json(answer.body).get("user_id") or parse_json(answer.body)["code"]
            status, who = (answer.status, sender.subject) if sender.subject else (400, "missing-user-id")
            if sender.subject is None and not sender.has("rsvp:write"):
                status, who = 403, "forbidden"
            run.judge(f"{sender.what}: {where}", (answer.status, acted), (status, who))
            answer, where = run.check(name, "POST", f"{item}/{relation}?user_id={USER}",
                                      sender.headers | {"X-User-Id": OTHER})
            refused = (403, "forbidden") if status == 403 else (400, "conflicting-user-id")
            run.judge(f"{sender.what}: {where}", (answer.status, parse_json(answer.body)["code"]), refused)


def check_past_capacity(run, senders):
    """Past the capacity only with rsvp:admin, also for oneself."""
    for sender in senders:
        if not sender.subject == USER and not sender.has("rsvp:write"):
            continue
        before = state_of(run.servers)
        target = f"/v1/events/{ITEM[False]}/rsvp?past_capacity=true&user_id={USER}"
        answer, where = run.check("createRsvp", "POST", target, sender.headers)
        run.judge(f"{sender.what}: {where}", answer.status < 300, sender.has("rsvp:admin"))
        if not sender.has("rsvp:admin"):
            run.judge(f"{where}: WWW-Authenticate", header(answer, "WWW-Authenticate"),
                      f'{REALM}, error="insufficient_scope", scope="rsvp:admin"')
            run.judge(f"{where}: nothing was done", state_of(run.servers), before)


def check_paths(run):
    """Paths and methods are told to everybody."""
    for path in run.document["paths"]:
        port = run.servers.admin_port if path == "/metrics" else run.servers.port
        target = re.sub(r"\{\w+\}", "not-found", path)
        for name, method, status in (("optionsAnyPath", "OPTIONS", 204), ("otherMethodOnAnyPath", "PATCH", 405)):
            answer, where = run.check(name, method, target, port=port)
            run.judge(where, answer.status, status)
    answer, where = run.check("getNoPath", "GET", "/nowhere")
    run.judge(where, answer.status, 404)


def check_logs(run, senders):
    log = run.servers.log("rsvpd")
    run.judge("there is a log at debug", '"level":"debug"' in log)
    for sender in senders:
        for secret in secrets_of(sender):
            run.judge(f"the log repeats what {sender.what} showed", secret in log, False)
    for word in (USER, OTHER):
        run.judge(f"the log names the user {word}", word in log, False)


def check_token_modes(run, servers):
    """Counts and lists, open or not."""
    keys = make_keys(servers)
    good, bad = good_senders(keys), bad_senders(keys)
    prepare(servers)
    for counts, lists in itertools.product((True, False), repeat=2):
        policy = Policy(counts, lists)
        servers.restart_rsvpd({
            "AUTH_MODE": "token", "AUTH_JWT_SECRET": SECRET, "LOG_LEVEL": "debug", "LOG_FORMAT": "json",
            "AUTH_OPEN_COUNTS": str(counts).lower(), "AUTH_OPEN_LISTINGS": str(lists).lower()})
        check_policy(run, policy, good, bad if counts == lists else bad[:1])
        if policy == Policy(True, True):
            check_users(run, good)
            check_past_capacity(run, good)
            check_paths(run)
    check_logs(run, good + bad)
    return good, bad


def check_without_keys(run, servers, good, bad):
    """Before the first keys of tokens are here: a provider that does not answer."""
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}/jwks"
    servers.restart_rsvpd({"AUTH_MODE": "token", "AUTH_JWKS_URL": nowhere}, ready=503)
    token = next(sender for sender in good if sender.what == "own token")
    key = next(sender for sender in good if sender.what == "a key with rsvp:admin")
    for request in requests_of(run, run.callable):
        if request.method != "GET" or request.access in ("open", "counts"):
            continue
        answer, where = run.check(request.operation, request.method, request.target, token.headers, port=request.port)
        run.judge(f"no keys yet: {where}", (answer.status, parse_json(answer.body)["code"]), (503, "keys-unavailable"))
        run.judge(f"no keys yet: {where}: Retry-After", header(answer, "Retry-After").isdecimal())
        ask(run, request, bad[0], Policy(True, True))
        ask(run, request, key, Policy(True, True))
    for name, target in (("getRsvpCount", f"/v1/events/{ITEM[True]}/rsvp_count"), ("getLiveness", "/livez")):
        answer, where = run.check(name, "GET", target)
        run.judge(f"no keys yet: {where}", answer.status, 200)


def check_trusting(run, servers, senders):
    """AUTH_MODE=none: whatever is shown makes no difference."""
    servers.restart_rsvpd({"AUTH_MODE": "none"})
    for request, sender in itertools.product(once(requests_of(run, run.callable)), senders):
        answer, where = run.check(request.operation, request.method, request.target,
                                  request.headers | sender.headers, request.body, request.port)
        run.judge(f"AUTH_MODE=none: {sender.what}: {where}", answer.status < 300)


def check_rates(run, servers):
    """One request an hour and address: whatever comes then is refused, but for health and metrics."""
    servers.restart_rsvpd({"AUTH_MODE": "none", "RATE_LIMIT_ADDRESS": "1/3600"})
    run.check("getNoPath", "GET", "/nowhere")
    requests = [(one.operation, one.method, one.target, one.port) for one in requests_of(run, run.callable)]
    requests += [(name, method, target, run.servers.port) for name, method, target in (
        ("optionsAnyPath", "OPTIONS", "/v1/rsvp_counts"), ("getNoPath", "GET", "/nowhere"),
        ("otherMethodOnAnyPath", "PATCH", "/v1/rsvp_counts"))]
    for name, method, target, port in requests:
        answer, where = run.check(name, method, target, port=port)
        exempt = name in ("getLiveness", "getReadiness", "getMetrics")
        run.judge(f"past the limit: {where}", answer.status, 200 if exempt else 429)


def check_coverage(run):
    documented = {(name, status) for name, status in documented_statuses(run.document) if status in PROVOKED}
    for name, status in sorted(documented - run.seen):
        run.complaints.append(f"{name} {status} is described, and nothing here provokes it")


def check_all(run, servers):
    good, bad = check_token_modes(run, servers)
    check_without_keys(run, servers, good, bad)
    check_trusting(run, servers, good + bad)
    check_rates(run, servers)
    check_coverage(run)


def run_checks(arguments, usage, check):
    """Has servers checked by check(run, servers), tells what was found and returns the exit status."""
    if arguments:
        sys.exit(usage)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped as well
    with Servers(BINARY) as servers:
        run = Run(load(DOCUMENT), servers)
        try:
            check(run, servers)
        except Exception as error:  # what was found until then is told as well
            run.complaints.append(f"the run broke off: {type(error).__name__}: {error}")
        if run.complaints:
            print(f"--- the end of rsvpd's log\n{servers.log('rsvpd')[-4000:]}---")
    print(*run.complaints[:100], sep="\n", end="\n" if run.complaints else "")
    print(f"{run.checked} checks" + (f", {len(run.complaints)} complaints" if run.complaints else " passed"))
    return 1 if run.complaints else 0


if __name__ == "__main__":
    sys.exit(run_checks(sys.argv[1:], __doc__, check_all))
