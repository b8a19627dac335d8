/* How many streams each address has open at one server. */
#ifndef RSVPD_HTTP_ADDRESSES_H
#define RSVPD_HTTP_ADDRESSES_H

#include "rsvpd/base/cidr.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/hash_table.h"

struct addresses {
    struct hash_table entries; /* those that have any */
    int64_t max;               /* of each; 0: no limit, and nothing is counted */
};

/* False when memory is exhausted. */
MUST_CHECK bool addresses_init(struct addresses *addresses, int64_t max, uint64_t secret);
/* Nobody may be in it. */
void addresses_free(struct addresses *addresses);

/* One more of this address. False, with nothing done, where it has as many as it may, or where
 * memory is exhausted. */
MUST_CHECK bool addresses_enter(struct addresses *addresses, const struct ip_address *address);
/* One less of an address that entered. */
void addresses_leave(struct addresses *addresses, const struct ip_address *address);

#endif
