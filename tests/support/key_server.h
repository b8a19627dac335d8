/* A provider of token keys on loopback, over http or https, that can be told to misbehave. It ends
 * with the test program. Everything here fails the running test when it cannot do its job. */
#ifndef RSVPD_TESTS_KEY_SERVER_H
#define RSVPD_TESTS_KEY_SERVER_H

#include "process.h"

struct key_server;

/* With `tls` it has a certificate for 127.0.0.1 that it signed itself. It shows a key set without
 * keys. */
struct key_server *key_server_start(bool tls);
void key_server_stop(struct key_server **server);

/* Where the set is. */
const char *key_server_url(const struct key_server *server);
/* The file of its certificate, for whoever trusts it. */
const char *key_server_certificate(const struct key_server *server);

/* From the next request on it shows this document. */
void key_server_show(struct key_server *server, const char *document);
/* And in this way: "good"; "redirect", to where the document is; "largest" and "larger", filled up
 * with blanks to 64 KiB and to one byte more; "larger-unannounced", without its length; "silent",
 * not at all; or with a status such as "503". */
void key_server_behave(struct key_server *server, const char *mode);

/* How many requests came. */
size_t key_server_requests(const struct key_server *server);

#endif
