/* What a Redis server sends before anybody knows who it is: whatever the bytes are, and however
 * they are cut, a handshake with a stranger never ends well, and nothing is read. */
#include "fuzz.h"

#include "rsvpd/store/redis_tls.h"

#include <openssl/err.h>
#include <stdlib.h>

enum { PLAIN_SIZE_BYTES = 256, UNSENT_SIZE_MAX_BYTES = 64 * 1024 };

static struct redis_tls_context *context; /* of the system's authorities; may be none */

static void send_away(struct redis_tls *tls)
{
    static char unsent[UNSENT_SIZE_MAX_BYTES];
    size_t size = redis_tls_unsent(tls);
    assert(size <= sizeof unsent);
    if (size > 0) {
        redis_tls_take(tls, unsent, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *reason;
    char plain[PLAIN_SIZE_BYTES];
    size_t got;
    if (context == NULL) {
        context = redis_tls_context_create(&(struct redis_tls_files){0}, &reason);
        assert(context != NULL);
    }
    struct redis_tls *tls = redis_tls_create(context, size % 2 == 0 ? "redis.test" : "192.0.2.1");
    assert(tls != NULL);
    const char *wrong = redis_tls_receive(tls, slice_make(NULL, 0));
    assert(wrong == NULL && redis_tls_unsent(tls) > 0);
    while (wrong == NULL && size > 0) {
        send_away(tls);
        size_t part =
            size > 1 ? 1 + data[0] % size : size; /* the byte is one of the server's, too */
        wrong = redis_tls_receive(tls, slice_make((const char *)data, part));
        assert(!redis_tls_is_open(tls));
        if (wrong == NULL) {
            wrong = redis_tls_read(tls, plain, sizeof plain, &got);
            assert(wrong == NULL && got == 0);
        }
        data += part;
        size -= part;
    }
    assert(ERR_peek_error() == 0);
    redis_tls_destroy(&tls);
    return 0;
}
