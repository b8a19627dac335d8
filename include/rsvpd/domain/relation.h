/* The two relations that the one engine serves, and the words of each: in paths, in bodies, in SQL.
 */
#ifndef RSVPD_DOMAIN_RELATION_H
#define RSVPD_DOMAIN_RELATION_H

#include <stdbool.h>

enum relation_id { RELATION_RSVP, RELATION_LIKE, RELATION_COUNT };

struct relation {
    enum relation_id id;
    const char *name;
    const char *collection;    /* path segment: events */
    const char *action;        /* path segment: rsvp */
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
