/* What errors mean for a batch: where it is committed by the server that reports them, nothing was
 * done. Another server may have committed it by then. */
#include "unit.h"

#include "rsvpd/store/pg_failure.h"

static void test_failures(NO_STATE)
{
    static const struct {
        const char *sqlstate;
        enum batch_outcome here, remote;
        bool reconnect; /* in either case, except where it is not known */
    } cases[] = {
        {"40001", BATCH_ROLLED_BACK, BATCH_ROLLED_BACK, false},
        {"40P01", BATCH_ROLLED_BACK, BATCH_ROLLED_BACK, false},
        {"55P03", BATCH_LOCKED, BATCH_LOCKED, false},
        {"57014", BATCH_LOCKED, BATCH_UNSURE, false},
        {"22P02", BATCH_MISROUTED, BATCH_MISROUTED, false},
        {"22012", BATCH_UNMET, BATCH_UNMET, false},
        {"22001", BATCH_REJECTED, BATCH_REJECTED, false},
        {"23505", BATCH_ROLLED_BACK, BATCH_ROLLED_BACK, false},
        {"23502", BATCH_REJECTED, BATCH_REJECTED, false},
        {"54000", BATCH_REJECTED, BATCH_REJECTED, false},
        {"53100", BATCH_UNAVAILABLE, BATCH_UNAVAILABLE, false},
        {"58030", BATCH_UNAVAILABLE, BATCH_UNAVAILABLE, false},
        {"25006", BATCH_UNAVAILABLE, BATCH_UNAVAILABLE, true},
        {"42P01", BATCH_UNAVAILABLE, BATCH_UNAVAILABLE, true},
        {"08006", BATCH_UNAVAILABLE, BATCH_UNSURE, true},
        {"57P01", BATCH_UNAVAILABLE, BATCH_UNSURE, true},
        {"XX000", BATCH_UNAVAILABLE, BATCH_UNSURE, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct pg_failure here = pg_failure_of(cases[i].sqlstate, false);
        const struct pg_failure remote = pg_failure_of(cases[i].sqlstate, true);
        if (here.outcome != cases[i].here || remote.outcome != cases[i].remote ||
            here.reconnect != cases[i].reconnect ||
            remote.reconnect != (cases[i].reconnect || remote.outcome == BATCH_UNSURE)) {
            fail_msg("%s", cases[i].sqlstate);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
