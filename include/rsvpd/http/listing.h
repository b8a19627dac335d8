/* Listings, and answers about many users, entities or counts at once. */
#ifndef RSVPD_HTTP_LISTING_H
#define RSVPD_HTTP_LISTING_H

#include "rsvpd/http/request.h"

/* GET /v1/events/{event_id}/users, /v1/users/{user_id}/events: who is in, or what the user is in,
 * page by page; or which of those that the query names. */
void handle_listing(struct request *request);

/* GET /v1/events/{event_id}/waitlist: who waits for a seat, in the order in which they get one. */
void handle_waitlist(struct request *request);

/* GET /v1/rsvp_counts?event_id=…: many counts. */
void handle_counts(struct request *request);

#endif
