#!/usr/bin/python3
"""Walks the listing of the event `hot` and compares the cost of its first pages with that of its last.

usage: paging.py PORT USERS ROUNDS
"""
import http.client
import json
import statistics
import sys
import time

PAGES = 20  # at each end


class Listing:
    """The pages of one size, over one connection."""

    def __init__(self, port, page_size):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.path = f"/v1/events/hot/users?page_size={page_size}"

    def get(self, token):
        """The page behind the token (None: the first), and the milliseconds that it took to arrive."""
        path = self.path if token is None else f"{self.path}&page_token={token}"
        began = time.perf_counter()
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {body!r}")
        return json.loads(body), took

    def walk(self):
        """The tokens of all pages in order, and all users."""
        tokens, users, token = [], [], None
        while True:
            page, _ = self.get(token)
            tokens.append(token)
            users += [entry["user_id"] for entry in page["users"]]
            token = page.get("next_page_token")
            if token is None:
                return tokens, users


def measure(port, page_size, users, rounds):
    """One line of the table."""
    listing = Listing(port, page_size)
    began = time.perf_counter()
    tokens, seen = listing.walk()
    walk_s = time.perf_counter() - began
    if len(seen) != users or any(a >= b for a, b in zip(seen, seen[1:])):
        sys.exit(f"the walk gave {len(seen)} users, or not in order; expected {users}")
    pages = min(PAGES, len(tokens) // 2)
    # Full pages only: the very last one may be short.
    first, last = tokens[:pages], tokens[-pages - 1:-1]
    first_ms, last_ms, ratios = [], [], []
    for _ in range(rounds):
        round_first, round_last = [], []
        for a, b in zip(first, last):
            round_first.append(listing.get(a)[1])
            round_last.append(listing.get(b)[1])
        first_ms += round_first
        last_ms += round_last
        ratios.append(statistics.median(round_last) / statistics.median(round_first))
    return (f"{page_size:>9} {len(tokens):>7} {walk_s:>7.1f} {statistics.median(first_ms):>11.3f}"
            f" {statistics.median(last_ms):>10.3f} {statistics.median(ratios):>6.2f}"
            f"   {min(ratios):.2f} to {max(ratios):.2f}")


def main():
    port, users, rounds = (int(argument) for argument in sys.argv[1:])
    print(f"{users} users of one event; first and last {PAGES} pages in turn, {rounds} rounds, medians\n")
    print("page_size   pages  walk s  first 20 ms  last 20 ms  ratio  of rounds")
    for page_size in (1000, 50):
        print(measure(port, page_size, users, rounds), flush=True)


main()
