#!/usr/bin/python3
"""Users RSVP with the tokens of a real identity provider while its keys change: no good token may be refused.

RSVPD_BINARY is the service, OIDC_PROVIDER the provider's program, which scripts/oidc installs.
"""
import base64
import json
import os
import signal
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../openapi"))
from servers import Servers, free_ports, header, send, until  # noqa: E402

USERS = 8      # threads, each with users of its own
ROTATIONS = 2  # while they are at work
ROUNDS = 150   # of each thread, at the least: then until all keys have changed


def get_token(port, user, scope=""):
    basic = base64.b64encode(b"demo:demo-secret").decode()
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "user": user, "scope": scope})
    answer = send(port, "POST", "/token", {"Authorization": f"Basic {basic}",
                                           "Content-Type": "application/x-www-form-urlencoded"}, form)
    return json.loads(answer.body)["access_token"]


def key_of(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


class Users(threading.Thread):
    """RSVPs with a new token each time, and again with the first one, whose key the provider shows all the time."""

    def __init__(self, number, servers, provider, goal):
        super().__init__()
        self.number, self.servers, self.provider, self.goal = number, servers, provider, goal
        self.refused, self.keys, self.requests = [], set(), 0

    def run(self):
        first = get_token(self.provider, f"user-{self.number}")
        while self.requests < ROUNDS or len(self.goal) < ROTATIONS or len(self.keys) <= ROTATIONS:
            token = get_token(self.provider, f"user-{self.number}-{self.requests}")
            self.keys.add(key_of(token))
            for shown in (token, first):
                answer = send(self.servers.port, "POST", f"/v1/events/oidc-{self.requests % 10}/rsvp",
                              {"Authorization": f"Bearer {shown}"})
                if answer.status not in (200, 201):
                    self.refused.append((answer.status, key_of(shown), header(answer, "WWW-Authenticate")))
            self.requests += 1
            if len(self.refused) > 20:
                return


def check_rotations(servers, provider):
    goal = []
    users = [Users(number, servers, provider, goal) for number in range(USERS)]
    for one in users:
        one.start()
    for rotation in range(1, ROTATIONS + 1):
        until("enough requests", lambda: min(one.requests for one in users) >= rotation * ROUNDS // (ROTATIONS + 1)
              or any(one.refused for one in users))
        time.sleep(10.5)  # an unknown kid makes the service read the keys at most every 10 s
        servers.children["provider"].send_signal(signal.SIGHUP)
        goal.append(rotation)
    for one in users:
        one.join()
    return [f"refused: {refusal}" for one in users for refusal in one.refused], users


def check_claims(servers, provider):
    """What the provider puts into a token is what counts: the user, and the scopes."""
    def status(method, target, token):
        return send(servers.port, method, target, {"Authorization": f"Bearer {token}"}).status
    ann, back_office = get_token(provider, "ann"), get_token(provider, "bob", "rsvp:write")
    wanted = [
        ("ann acts for ann", "POST", "/v1/events/claims/rsvp", ann, 201),
        ("ann does not act for bob", "POST", "/v1/events/claims/rsvp?user_id=bob", ann, 403),
        ("ann looks at ann", "GET", "/v1/events/claims/users/ann", ann, 200),
        ("ann does not look at bob", "GET", "/v1/events/claims/users/bob", ann, 403),
        ("with rsvp:write bob acts for carl", "POST", "/v1/events/claims/rsvp?user_id=carl", back_office, 201),
        ("a token that was changed", "POST", "/v1/events/claims/rsvp", ann[:-8] + ann[-4:] * 2, 401),
    ]
    return [f"{what}: {found} instead of {status_wanted}" for what, method, target, token, status_wanted in wanted
            if (found := status(method, target, token)) != status_wanted]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped as well
    with Servers(os.path.abspath(os.environ["RSVPD_BINARY"])) as servers:
        provider, = free_ports(1)
        servers.spawn("provider", ["node", os.path.abspath(os.environ["OIDC_PROVIDER"]), str(provider)])
        url = f"http://127.0.0.1:{provider}"
        until("the provider", lambda: answers(provider))
        servers.restart_rsvpd({"AUTH_MODE": "token", "AUTH_JWKS_URL": f"{url}/jwks", "AUTH_JWT_ISSUER": url,
                               "AUTH_JWT_AUDIENCE": "rsvpd", "REQUEST_DEADLINE_MS": "5000", "MAX_CONNECTIONS": "200"})
        complaints = check_claims(servers, provider)
        refused, users = check_rotations(servers, provider)
    complaints += refused
    print(*complaints[:30], sep="\n", end="\n" if complaints else "")
    requests = sum(2 * one.requests for one in users)
    keys = sorted(set().union(*(one.keys for one in users)))
    print(f"{requests} requests with tokens of {', '.join(keys)}, {len(complaints)} complaints")
    return 1 if complaints else 0


def answers(port):
    try:
        return send(port, "GET", "/jwks").status == 200
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
