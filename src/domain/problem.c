/* The errors that clients can meet. */
#include "rsvpd/domain/problem.h"
#include "rsvpd/domain/identifier.h"

/* clang-format off */
const struct problem_type problem_types[PROBLEM_COUNT] = {
    [PROBLEM_NONE] = {"", 200, false, false, "", ""},
    [PROBLEM_INVALID_IDENTIFIER] = {"invalid-identifier", 400, false, false, "Invalid identifier",
        "An identifier is " IDENTIFIER_RULE ", after percent-decoding; in a query a plus is written %2B. Correct it and send the request again."},
    [PROBLEM_INVALID_JSON] = {"invalid-json", 400, false, false, "Invalid JSON",
        "The body must be one JSON object in UTF-8, without duplicate keys and no deeper than the request needs."},
    [PROBLEM_INVALID_PARAMETER] = {"invalid-parameter", 400, false, false, "Invalid parameter",
        "A parameter of the query, a header or a member of the body is unknown here, given more often than it may be, or out of range."},
    [PROBLEM_UNKNOWN_FIELD] = {"unknown-field", 400, false, false, "Unknown member in the body",
        "The body has a member that this request does not know. Remove it or correct its name."},
    [PROBLEM_MISSING_USER_ID] = {"missing-user-id", 400, false, false, "No user named",
        "Name the user who acts: in the JSON body as user_id, in the query as user_id, or in the header X-User-Id."},
    [PROBLEM_CONFLICTING_USER_ID] = {"conflicting-user-id", 400, false, false, "Two different users named",
        "The body, the query and the header X-User-Id may each name the user who acts, but they must agree."},
    [PROBLEM_UNAUTHENTICATED] = {"unauthenticated", 401, false, false, "Not authenticated",
        "This request must show who sends it: Authorization: Bearer with a token, or X-API-Key with a key. WWW-Authenticate says what is wrong with the one that came, if any."},
    [PROBLEM_FORBIDDEN] = {"forbidden", 403, false, false, "Forbidden",
        "Whoever sends this request may not do it, or it comes from a page of another origin. Nothing was done. WWW-Authenticate names the scope that would do, if one would."},
    [PROBLEM_NOT_FOUND] = {"not-found", 404, false, false, "No such resource",
        "Nothing is served at this path. Events, posts and users are never missing: check the path itself."},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", 405, false, false, "Method not allowed",
        "This path does not take this method. The Allow header lists those that it takes."},
    [PROBLEM_REQUEST_TIMEOUT] = {"request-timeout", 408, true, false, "The request did not arrive in time",
        "The request did not arrive whole within the deadline. Nothing was done; send it again."},
    [PROBLEM_EVENT_FULL] = {"event-full", 409, false, false, "The event is full",
        "Every seat is taken and the event has no waiting list. Nothing was done; a seat may come free when somebody cancels."},
    [PROBLEM_RSVP_CLOSED] = {"rsvp-closed", 409, false, false, "The event takes no RSVPs now",
        "The event takes RSVPs from its opens_at until its closes_at only: GET the event for both. Nothing was done; cancelling works at any time."},
    [PROBLEM_REQUEST_IN_FLIGHT] = {"request-in-flight", 409, true, false, "The idempotency key is being worked on",
        "Another request with this Idempotency-Key has not been answered yet. Nothing was done; send the request again."},
    [PROBLEM_PRECONDITION_FAILED] = {"precondition-failed", 412, false, false, "The settings are not as the request has them",
        "The event's settings are not what If-Match or If-None-Match asks for: somebody else has changed them. Nothing was done; GET the event, and send the change again with its ETag."},
    [PROBLEM_PAYLOAD_TOO_LARGE] = {"payload-too-large", 413, false, false, "Body too large",
        "A request body is at most 16384 bytes."},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported-media-type", 415, false, false, "Unsupported media type",
        "A request body is JSON, and not compressed: send it with Content-Type: application/json and without Content-Encoding."},
    [PROBLEM_IDEMPOTENCY_KEY_REUSED] = {"idempotency-key-reused", 422, false, false, "The idempotency key belongs to another request",
        "This user has sent another method or path with this Idempotency-Key in the last 24 hours. Use a fresh key for each write, and the same one for its repeats alone."},
    [PROBLEM_RATE_LIMITED] = {"rate-limited", 429, true, false, "Too many requests",
        "More requests came than the limit in RateLimit-Policy lets. Nothing was done; try again after the time in Retry-After."},
    [PROBLEM_HEADERS_TOO_LARGE] = {"headers-too-large", 431, false, false, "Head of the request too large",
        "The request line and the headers are at most 14336 bytes in all, and so are trailers behind the body. Nothing was done; send fewer or shorter ones."},
    [PROBLEM_INTERNAL] = {"internal", 500, true, false, "Internal error",
        "The service failed to answer this request. Repeating it is safe; if it keeps failing, report its request_id."},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, true, true, "Overloaded",
        "The service has as much work as it can hold and refused this request at the door. Nothing was done; try again after the time in Retry-After."},
    [PROBLEM_STORE_UNAVAILABLE] = {"store-unavailable", 503, true, true, "Store unavailable",
        "The data store cannot be reached or did not answer in time. Nothing was done; try again after the time in Retry-After."},
    [PROBLEM_KEYS_UNAVAILABLE] = {"keys-unavailable", 503, true, true, "Keys unavailable",
        "The keys that tokens and API keys are checked with are not here yet. Nothing was done; try again after the time in Retry-After."},
    [PROBLEM_OUTCOME_UNKNOWN] = {"outcome-unknown", 504, true, true, "Outcome unknown",
        "The deadline passed while the data store was working on this write, so whether it took effect is unknown. Repeating it is safe, after the time in Retry-After."},
};
/* clang-format on */

enum problem problem_by_code(struct slice code)
{
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        if (slice_equal(code, slice_of(problem_types[i].code))) {
            return (enum problem)i;
        }
    }
    return PROBLEM_NONE;
}
