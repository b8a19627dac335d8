/* Certificates for tests of TLS: an authority, and what it signs. Everything here fails the running
 * test when it cannot do its job. */
#ifndef RSVPD_TESTS_CERTIFICATE_H
#define RSVPD_TESTS_CERTIFICATE_H

struct certificate_authority;

/* A fresh one. */
struct certificate_authority *certificate_authority_create(void);
void certificate_authority_destroy(struct certificate_authority **authority);

/* Writes its own certificate to that path (PEM). */
void certificate_authority_write(const struct certificate_authority *authority, const char *path);

/* Makes a key and a certificate that is good until so many seconds from now, and writes both (PEM).
 * `names` is what it is for, as OpenSSL writes it: "DNS:localhost,IP:127.0.0.1". */
void certificate_make(const struct certificate_authority *authority, const char *names,
                      long good_for_s, const char *certificate_path, const char *key_path);

#endif
