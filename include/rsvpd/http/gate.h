/* What every request must pass, in named stages, before its handler sees it. */
#ifndef RSVPD_HTTP_GATE_H
#define RSVPD_HTTP_GATE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

/* How a request comes out of a part of the gate. */
enum gate_verdict {
    GATE_PASSED,
    GATE_ANSWERED, /* it is answered; nothing of what still comes of it is looked at */
    GATE_REFUSED   /* it is answered, and nothing on its connection can be read after it */
};

/* Gives the request an id of its own, until its head says another. */
void gate_name_request(struct request *request);

/* The head has arrived: takes its id and trace over, and lets it through the stages that need no
 * more than the head. `request->arrival` says what came with it. */
MUST_CHECK enum gate_verdict gate_take_head(struct request *request);

/* So many bytes of the body have arrived. `fault`: what is wrong with them, NULL: nothing. */
MUST_CHECK enum gate_verdict gate_take_body(struct request *request, size_t size,
                                            const struct wire *fault);

/* The request that passed so far has arrived whole: lets it through the other stages, of which the
 * handler is the last. */
void gate_take_whole(struct request *request);

/* The same for one that waited for its check or for newer keys, and need wait no longer. */
void gate_go_on(struct request *request);

#endif
