/* How fast a queue moves. */
#include "rsvpd/domain/pace.h"

enum { PACE_WEIGHT = 8 }; /* of which the latest batch is one part */

static_assert(WAIT_PERCENT_MAX > 0 && WAIT_PERCENT_MAX < 100, "some time is left for the answer");
static_assert(LINGER_US < BATCH_DELAY_US, "a batch grows between iterations before it grows behind "
                                          "another");

bool pace_admits(const struct pace *pace, size_t waiting, unsigned batch_max, int64_t left_us)
{
    assert(batch_max > 0);
    int64_t batches = (int64_t)(waiting / batch_max) + 1;
    return waiting == 0 || batches * pace->interval_us * 100 <= left_us * WAIT_PERCENT_MAX;
}

bool pace_lets_go(const struct pace *pace, int64_t now_us)
{
    return now_us >= pace->delayed_until_us;
}

void pace_note_sent(struct pace *pace, bool more_wait, int64_t now_us)
{
    assert(pace_lets_go(pace, now_us));
    pace->delayed_until_us = more_wait ? 0 : now_us + BATCH_DELAY_US;
}

/* Who waited when the batch before ended shows how fast they follow each other, on all connections
 * together; who came later, how long one takes that finds a connection free. */
void pace_note_ended(struct pace *pace, const struct batch *batch, int64_t now_us)
{
    assert(batch->size > 0 && batch->waited_since_us <= batch->sent_at_us);
    int64_t since_us =
        pace->ended_us > batch->waited_since_us ? pace->ended_us : batch->waited_since_us;
    if (pace->delayed_until_us == batch->sent_at_us + BATCH_DELAY_US) {
        pace->delayed_until_us = 0; /* it was the youngest */
    }
    pace->interval_us += (now_us - since_us - pace->interval_us) / PACE_WEIGHT;
    pace->ended_us = now_us;
}

void linger_note_arrival(struct linger *linger)
{
    linger->more_arrived = true;
}

bool linger_goes_on(struct linger *linger, int64_t now_us)
{
    bool came = linger->more_arrived;
    linger->more_arrived = false;
    if (came && linger->until_us == 0) {
        linger->until_us = now_us + LINGER_US;
    }
    bool goes_on = came && now_us < linger->until_us;
    linger->until_us = goes_on ? linger->until_us : 0;
    return goes_on;
}
