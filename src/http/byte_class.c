/* See byte_class.h. */
#include "rsvpd/http/byte_class.h"

/* clang-format off */
enum {
    o = 0,
    v = BYTE_VALUE,
    p = BYTE_VALUE | BYTE_TARGET,
    t = BYTE_VALUE | BYTE_TARGET | BYTE_TOKEN,
    h = BYTE_VALUE | BYTE_TARGET | BYTE_HOST,
    a = BYTE_VALUE | BYTE_TARGET | BYTE_TOKEN | BYTE_HOST,
};
#define P16 p, p, p, p, p, p, p, p, p, p, p, p, p, p, p, p
const unsigned char byte_classes[256] = {
    o, o, o, o, o, o, o, o, o, v, o, o, o, o, o, o, /* a tab */
    o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o,
    v, a, p, t, a, t, a, a, h, h, a, a, p, a, a, p, /*  !"#$%&'()*+,-./ */
    a, a, a, a, a, a, a, a, a, a, p, h, p, h, p, p, /* 0123456789:;<=>? */
    p, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, /* @A to O */
    a, a, a, a, a, a, a, a, a, a, a, p, p, p, t, a, /* P to Z[\]^_ */
    t, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, /* `a to o */
    a, a, a, a, a, a, a, a, a, a, a, p, t, p, a, o, /* p to z{|}~ */
    P16, P16, P16, P16, P16, P16, P16, P16, /* no ASCII */
};
#undef P16
/* clang-format on */
