"""The stories that docs/design tells by what really happens. STORIES has them by name; each takes the servers, and which attempt
it is."""
from story import Story, Untimely
from watched import Receiver


def path(event, rest="rsvp"):
    return f"/v1/events/{event}/{rest}"


def join(user, event):
    """What story.ask and story.prepare take for an RSVP at A."""
    return user, "A", "POST", path(event), {"user_id": user}


def leave(user, event):
    return user, "A", "DELETE", path(event), {"user_id": user}


def count(instance, event):
    return "a visitor", instance, "GET", path(event, "rsvp_count")


def expect(story, asks, *stores):
    """Which of the stores the last request asked: a count that is older than 1 s is in no memory any more, and after 2.5 s not in
    Redis."""
    asked = tuple(store for store in ("Redis", "PostgreSQL") if story.last_asked(store))
    if asked != stores:
        raise Untimely(f"{story.name}: {asks} asked {asked}, not {stores}")


def tell_rsvp(watched, attempt):
    """The first RSVP of a user."""
    story = Story(watched, "rsvp", attempt, "101a")
    (event,) = story.entities
    story.ask(*join("alice", event), status=201, publishes=event, spans=True)
    return story


def tell_batch(watched, attempt):
    """A hot event: while the first RSVP is with PostgreSQL four others come, and are one transaction."""
    story = Story(watched, "batch", attempt, "102b")
    (event,) = story.entities
    story.prepare(*join("zoe", event), status=201, publishes=event)
    story.ask_many("A", "POST", path(event), ("alice", "bob", "carol", "dave", "erin"), 201, event)
    return story


def tell_count_hit(watched, attempt):
    """A count that Redis has, then one that the instance's own memory has."""
    story = Story(watched, "count-hit", attempt, "103c")
    (event,) = story.entities
    story.prepare(*join("alice", event), status=201, publishes=event)
    story.tell("before: by alice's RSVP at A the count is in Redis, for 2500 ms; B does not know it")
    story.ask(*count("B", event))
    expect(story, "the first read", "Redis")
    story.ask(*count("B", event))
    expect(story, "the second read")
    return story


def tell_count_miss(watched, attempt):
    """A count that neither the instance nor Redis has."""
    story = Story(watched, "count-miss", attempt, "104d")
    (event,) = story.entities
    watched.sql(f"INSERT INTO rsvps SELECT '{event}', 'user-' || i FROM generate_series(1, 3) AS i;"
                f" INSERT INTO rsvp_counters VALUES ('{event}', 3, 3)")
    story.tell(f"before: {event} has three RSVPs, and nobody has asked for its count for some time")
    story.ask(*count("B", event), publishes=event, spans=True)
    expect(story, "the read", "Redis", "PostgreSQL")
    return story


def tell_redis_down(watched, attempt):
    """Counts while Redis is stopped, and after it came back with nothing in it."""
    story = Story(watched, "redis-down", attempt, "105e", "106f")
    for event in story.entities:
        story.prepare(*join("alice", event), status=201, publishes=event)
    event, other = story.entities
    with watched.stopped_redis():
        story.tell("the operator stops Redis")
        story.tell_event("B", "redis is unavailable, counts come from postgres")
        story.tell_readiness("B", "degraded")
        story.ask(*count("B", event))
        expect(story, "the first read", "PostgreSQL")
        story.ask(*count("B", event))
        expect(story, "the second read")
        story.ask(*join("bob", event), status=201)
    story.tell("the operator starts Redis again, which has forgotten everything")
    story.tell_readiness("B", "ready")
    story.marks = watched.mark_statements(), watched.mark_commands()
    story.ask(*count("B", other), publishes=other)
    expect(story, "the last read", "Redis", "PostgreSQL")
    return story


def tell_redis_frozen(watched, attempt):
    """Counts while Redis takes commands and answers none."""
    story = Story(watched, "redis-frozen", attempt, "110j", "111k")
    for event in story.entities:
        story.prepare(*join("alice", event), status=201, publishes=event)
    event, other = story.entities
    with watched.frozen_redis():
        story.tell("Redis stops answering; its connections stay open")
        story.ask(*count("B", event))
        expect(story, "the first read", "PostgreSQL")
        if not 50 <= story.line["duration_ms"]:
            raise AssertionError(f"nobody waited for Redis: {story.line}")
        story.tell("that took 50 ms and a little: B waits so long for Redis, once")
        story.tell_event("B", "redis is unavailable, counts come from postgres")
        story.ask(*count("B", other))
        expect(story, "the read of another event", "PostgreSQL")
        if story.line["duration_ms"] >= 50:
            raise Untimely("the breaker is open, but the answer took long")
        story.tell("that took less than 50 ms: the breaker is open, and Redis is not asked")
        story.tell_readiness("B", "degraded")
    story.tell("Redis goes on; a probe of B's finds that out")
    story.tell_readiness("B", "ready")
    return story


def tell_journey(watched, attempt):
    """RSVP, look-up, count, cancel, look-up."""
    story = Story(watched, "journey", attempt, "107g")
    (event,) = story.entities
    look_up = "alice", "B", "GET", path(event, "users/alice")
    story.ask(*join("alice", event), status=201, publishes=event)
    story.ask(*count("A", event))
    expect(story, "the count")
    story.ask(*look_up)
    story.ask(*leave("alice", event), publishes=event)
    story.ask(*look_up)
    return story


def tell_waitlist(watched, attempt):
    """One seat for two users."""
    story = Story(watched, "waitlist", attempt, "108h")
    (event,) = story.entities
    story.ask("the organizer", "A", "PUT", f"/v1/events/{event}", {"capacity": 1, "waitlist": True}, publishes=event)
    story.ask(*join("alice", event), status=201, publishes=event)
    story.ask(*join("bob", event), status=202, publishes=event)
    story.ask(*leave("alice", event), publishes=event)
    story.ask("bob", "B", "GET", path(event, "users/bob"))
    return story


def tell_retry(watched, attempt):
    """An RSVP that is sent again, to another instance, when the user has cancelled meanwhile."""
    value = f"8e03978e-40d5-43dd-bc93-6894a57f93{attempt:02}"
    story = Story(watched, "retry", attempt, "109i", also=[value])
    story.shown[value] = f"{value[:-2]}00"
    (event,) = story.entities
    key = {"Idempotency-Key": value}
    story.ask(*join("alice", event), headers=key, status=201, publishes=event)
    story.ask(*leave("alice", event), publishes=event)
    story.tell("the answer of the RSVP was lost on the way: its sender tries again")
    story.ask("alice", "B", "POST", path(event), {"user_id": "alice"}, headers=key, status=201)
    story.ask("alice", "B", "GET", path(event, "users/alice"))
    return story


def tell_like(watched, attempt):
    """Like, like again, has liked, count, which friends like it, unlike."""
    story = Story(watched, "like", attempt, "201p")
    (post,) = story.entities
    target, like = f"/v1/posts/{post}", {"user_id": "alice"}
    story.ask("alice", "A", "POST", f"{target}/like", like, status=201, publishes=post)
    story.ask("a visitor", "A", "GET", f"{target}/like_count")
    expect(story, "the count")
    story.ask("alice", "B", "POST", f"{target}/like", like, publishes=post)
    story.ask("alice", "B", "GET", f"{target}/users/alice")
    story.ask("bob", "A", "GET", f"{target}/users?user_id=alice&user_id=carol")
    story.ask("alice", "A", "DELETE", f"{target}/like", like, publishes=post)
    return story


def tell_relay(watched, attempt):
    """What another system is told of an event with one seat; it fails once."""
    story, receiver = Story(watched, "relay", attempt, "112l"), Receiver(500)
    (event,) = story.entities
    story.prepare("the organizer", "A", "PUT", f"/v1/events/{event}", {"capacity": 1, "waitlist": True}, publishes=event)
    with watched.relay(receiver):
        for asks, status, webhooks in ((join("alice", event), 201, 2), (join("bob", event), 202, 3), (leave("alice", event), 200, 4)):
            story.ask(*asks, status=status, publishes=event)
            story.tell_webhooks(receiver, webhooks)
    return story


def tell_promotion(watched, attempt):
    """What another system is told when a seat comes free; it fails once."""
    story, receiver = Story(watched, "promotion", attempt, "113m"), Receiver(500)
    (event,) = story.entities
    story.prepare("the organizer", "A", "PUT", f"/v1/events/{event}", {"capacity": 1, "waitlist": True}, publishes=event)
    story.prepare(*join("alice", event), status=201, publishes=event)
    story.prepare(*join("bob", event), status=202, publishes=event)
    with watched.relay(receiver):
        story.ask(*leave("alice", event), publishes=event)
        story.tell_webhooks(receiver, 2)
    return story


STORIES = {
    "rsvp": tell_rsvp, "batch": tell_batch, "count-hit": tell_count_hit, "count-miss": tell_count_miss,
    "redis-down": tell_redis_down, "redis-frozen": tell_redis_frozen, "journey": tell_journey,
    "waitlist": tell_waitlist, "retry": tell_retry, "like": tell_like, "relay": tell_relay,
    "promotion": tell_promotion,
}
