/* What the database has of what the crowd did, against the ledger. */
#ifndef RSVPD_TESTS_FINDINGS_H
#define RSVPD_TESTS_FINDINGS_H

#include "ledger.h"

/* What the database has of each pair. */
enum finding { FOUND_NOTHING, FOUND_MEMBER, FOUND_WAITING, FOUND_KEPT };

struct findings {
    enum finding of[LEDGER_CLIENTS_MAX][LEDGER_PAIRS];
};

/* Reads all rows once nothing is on its way any more, and fails the test where they, or a counter,
 * are not what the ledger allows. What was open is known afterwards. */
void findings_compare(struct findings *findings, struct ledger *ledger, const char *database_url);

#endif
