/* The relations that the one engine serves, and the words of each: in paths, in bodies, in SQL. */
#ifndef RSVPD_DOMAIN_RELATION_H
#define RSVPD_DOMAIN_RELATION_H

#include <stdbool.h>

/* A relation is a row here, and a migration that makes its two tables and the index by user.
 * Routes, statements, keys, imports, exports and checks follow from it. `name` is the word of the
 * path that a write goes to, and makes <name>_count, <name>_counts, the table <name>_counters. */
/* clang-format off */
#define RELATIONS(ROW) \
    /*   id    name    collection id_member   flag_member   has_settings members_table */ \
    ROW(RSVP, "rsvp", "events",  "event_id", "has_rsvped", true,        "rsvps") \
    ROW(LIKE, "like", "posts",   "post_id",  "has_liked",  false,       "likes")
/* clang-format on */

enum relation_id {
#define RELATION_ID(ID, ...) RELATION_##ID,
    RELATIONS(RELATION_ID)
#undef RELATION_ID
        RELATION_COUNT
};

struct relation {
    enum relation_id id;
    const char *name;          /* also a path segment: rsvp */
    const char *collection;    /* path segment: events */
    const char *id_member;     /* JSON member, and column of both tables: event_id */
    const char *count_member;  /* path segment, JSON member: rsvp_count */
    const char *flag_member;   /* JSON member: has_rsvped */
    bool has_settings;         /* capacity, waiting list, windows; answers carry `status` */
    const char *members_table; /* one row a member */
    const char *counters_table;
};

/* Indexed by enum relation_id. */
extern const struct relation relations[RELATION_COUNT];

#endif
