/* Watches the rules of admission inside the database.
 *
 * DESIGN: The service changes nothing about an event with settings unless it holds the event's row
 * of rsvp_counters, which it locks by an update. A trigger that is deferred to the commit therefore
 * sees the event as that commit leaves it. What it finds goes into a table, so that the service
 * goes on as if nobody watched. */
#include "admission_watch.h"

#include <stddef.h>

#include "pair.h"
#include "process.h"
#include "servers.h"
#include "service.h"

enum { AT_A_COMMIT = 100 }; /* is added to what was broken then */

/* By the number under which the statements below report them. */
static const char *const rules[] = {
    "",
    "the counter is the number of RSVPs",
    "events.waiting is the number of those who wait",
    "an event is managed when it has settings",
    "nobody waits while a seat is free, but while seats are given in steps or after the end",
    "nobody is both in and waiting",
    "no ticket is past the last one given",
    "RSVPs do not grow past the capacity",
    "RSVPs do not grow after the end",
    "who waited longest moves up first",
    "no newcomer passes those who wait",
};

/* The rules that hold at every moment: a row for each that an event breaks. */
#define BROKEN_NOW                                                                                 \
    "SELECT x.rule FROM rsvp_counters AS c"                                                        \
    " FULL JOIN events AS e USING (event_id)"                                                      \
    " FULL JOIN (SELECT event_id, count(*) AS users, max(ticket) AS last FROM waitlist GROUP BY "  \
    "1) AS w"                                                                                      \
    "  USING (event_id)"                                                                           \
    " FULL JOIN (SELECT event_id, count(*) AS users FROM rsvps GROUP BY 1) AS r USING (event_id)"  \
    " CROSS JOIN LATERAL (VALUES"                                                                  \
    "  (1, coalesce(c.count, 0) <> coalesce(r.users, 0)),"                                         \
    "  (2, coalesce(e.waiting, 0) <> coalesce(w.users, 0)),"                                       \
    "  (3, coalesce(c.managed, false) <> (e.waitlist IS NOT NULL)),"                               \
    "  (4, w.users > 0 AND e.promoting_at IS NULL AND coalesce(e.closes_at > now(), true)"         \
    "   AND coalesce(coalesce(r.users, 0) < e.capacity, true)),"                                   \
    "  (5, w.users > 0 AND EXISTS (SELECT FROM waitlist AS q JOIN rsvps AS m USING (event_id, "    \
    "user_id)"                                                                                     \
    "   WHERE q.event_id = c.event_id)),"                                                          \
    "  (6, w.last > e.last_ticket)"                                                                \
    " ) AS x (rule, broken) WHERE x.broken"

static const char *const statements[] = {
    "CREATE TABLE watched (rule int, event_id text, at timestamptz DEFAULT clock_timestamp())",
    "CREATE TABLE watched_departures (tx xid8, event_id text, user_id text,"
    " PRIMARY KEY (tx, event_id, user_id))",

    /* Deferred, for each update of a counter: the commit's own view of the event. */
    "CREATE FUNCTION watch_counter() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$\n"
    "DECLARE\n"
    "  e events; now_in bigint; waiting bigint; last bigint; before bigint := 0;\n"
    "  c rsvp_counters;\n"
    "BEGIN\n"
    "  SELECT * INTO c FROM rsvp_counters WHERE event_id = NEW.event_id;\n"
    "  SELECT * INTO e FROM events WHERE event_id = NEW.event_id;\n"
    "  SELECT count(*) INTO now_in FROM rsvps WHERE event_id = NEW.event_id;\n"
    "  SELECT count(*), max(ticket) INTO waiting, last FROM waitlist WHERE event_id = "
    "NEW.event_id;\n"
    "  IF TG_OP = 'UPDATE' THEN before := OLD.count; END IF;\n"
    "  INSERT INTO watched (rule, event_id)\n"
    "  SELECT x.rule, NEW.event_id FROM (VALUES\n"
    "    (1, c.count <> now_in),\n"
    "    (2, coalesce(e.waiting, 0) <> waiting),\n"
    "    (3, c.managed <> (e.event_id IS NOT NULL)),\n"
    "    (4, waiting > 0 AND e.promoting_at IS NULL AND coalesce(e.closes_at > now(), true)\n"
    "        AND coalesce(now_in < e.capacity, true)),\n"
    "    (5, waiting > 0 AND EXISTS (SELECT FROM waitlist AS q JOIN rsvps AS m USING (event_id, "
    "user_id)\n"
    "        WHERE q.event_id = NEW.event_id)),\n"
    "    (6, last > e.last_ticket),\n"
    "    (7, NEW.count > before AND NEW.count > e.capacity),\n"
    "    (8, NEW.count > before AND e.closes_at <= now())\n"
    "  ) AS x (rule, broken) WHERE x.broken;\n"
    "  RETURN NULL;\n"
    "END $$",
    "CREATE CONSTRAINT TRIGGER watch_counter AFTER INSERT OR UPDATE ON rsvp_counters"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch_counter()",

    /* Who left the waiting list in which transaction, and at its end: to move up, and rightly? */
    "CREATE FUNCTION watch_departure() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$\n"
    "BEGIN\n"
    "  INSERT INTO watched_departures VALUES (pg_current_xact_id(), OLD.event_id, OLD.user_id);\n"
    "  RETURN NULL;\n"
    "END $$",
    "CREATE TRIGGER watch_departure AFTER DELETE ON waitlist"
    " FOR EACH ROW EXECUTE FUNCTION watch_departure()",
    "CREATE FUNCTION watch_order() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$\n"
    "BEGIN\n"
    "  IF EXISTS (SELECT FROM rsvps WHERE event_id = OLD.event_id AND user_id = OLD.user_id)\n"
    "    AND EXISTS (SELECT FROM waitlist WHERE event_id = OLD.event_id AND ticket < OLD.ticket)\n"
    "  THEN INSERT INTO watched (rule, event_id) VALUES (9, OLD.event_id); END IF;\n"
    "  RETURN NULL;\n"
    "END $$",
    "CREATE CONSTRAINT TRIGGER watch_order AFTER DELETE ON waitlist"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch_order()",

    /* Who came in without having waited, while somebody waits who did before this transaction. */
    "CREATE FUNCTION watch_newcomer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$\n"
    "BEGIN\n"
    "  IF EXISTS (SELECT FROM rsvps WHERE event_id = NEW.event_id AND user_id = NEW.user_id)\n"
    "    AND EXISTS (SELECT FROM waitlist AS w WHERE w.event_id = NEW.event_id\n"
    "                AND w.xmin <> pg_current_xact_id()::xid)\n"
    "    AND NOT EXISTS (SELECT FROM watched_departures AS d WHERE d.tx = pg_current_xact_id()\n"
    "                    AND d.event_id = NEW.event_id AND d.user_id = NEW.user_id)\n"
    "  THEN INSERT INTO watched (rule, event_id) VALUES (10, NEW.event_id); END IF;\n"
    "  RETURN NULL;\n"
    "END $$",
    "CREATE CONSTRAINT TRIGGER watch_newcomer AFTER INSERT ON rsvps"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watch_newcomer()",
};

void admission_watch(const char *database_url)
{
    /* Citus has no triggers on distributed tables. */
    for (size_t i = 0; citus_url() == NULL && i < sizeof statements / sizeof statements[0]; i++) {
        pg_execute(database_url, "%s", statements[i]);
    }
}

int admission_watch_pair(void **state)
{
    pair_setup(state);
    admission_watch(pair.database_url);
    return 0;
}

/* Where there are no triggers: by `rsvpd verify`. */
static void expect_verified(const char *database_url)
{
    char *entry = NULL;
    if (asprintf(&entry, "DATABASE_URL=%s", database_url) < 0) {
        process_fail("out of memory");
    }
    struct service_run run =
        service_run((const char *const[]){"verify", NULL}, (const char *const[]){entry, NULL});
    if (run.status != 0) {
        process_fail("verify: status %d\n%s%s", run.status, run.out, run.err);
    }
    service_run_free(&run);
    free(entry);
}

void expect_admission_sound(const char *database_url)
{
    if (citus_url() != NULL) {
        expect_verified(database_url);
        return;
    }
    const int64_t broken = pg_query_int64(database_url,
                                          "SELECT coalesce((SELECT %d + min(rule) FROM watched),"
                                          " (SELECT min(rule) FROM (" BROKEN_NOW ") AS b), 0)",
                                          AT_A_COMMIT);
    if (broken != 0) {
        process_fail("%s: %s",
                     broken > AT_A_COMMIT ? "broken at a commit" : "broken at this moment",
                     rules[broken % AT_A_COMMIT]);
    }
}

void expect_settings_stored(const char *database_url, const char *event_id, bool stored)
{
    if (pg_query_int64(database_url, "SELECT count(*) FROM events WHERE event_id = '%s'",
                       event_id) != stored ||
        pg_query_int64(database_url,
                       "SELECT count(*) FROM rsvp_counters WHERE event_id = '%s' AND managed",
                       event_id) != stored) {
        process_fail("%s is stored as one %s settings", event_id, stored ? "without" : "with");
    }
}
