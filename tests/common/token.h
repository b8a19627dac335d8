/* Tokens for tests: keys of every type, the sets that a provider shows of them, and tokens with any
 * header and payload, signed well or badly. Knows nothing of the code under test. Ends the program
 * where OpenSSL fails. What it returns, the caller frees. */
#ifndef RSVPD_TESTS_TOKEN_H
#define RSVPD_TESTS_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct token_key;

enum token_key_type { TOKEN_RSA, TOKEN_EC, TOKEN_ED25519 };

/* A fresh key; RSA has 2048 bits. `kid` may be NULL. */
struct token_key *token_key_create(enum token_key_type type, const char *kid);
/* RSA of so many bits. */
struct token_key *token_key_create_rsa(unsigned bits, const char *kid);
/* EC on that curve, by OpenSSL's name. */
struct token_key *token_key_create_ec(const char *curve, const char *kid);
/* For HS256. */
struct token_key *token_key_of_secret(const void *secret, size_t size);
void token_key_destroy(struct token_key **key);

/* The public key as a JWK, for tests that change something in it. Not of a secret. */
json_t *token_key_jwk(const struct token_key *key);
/* The public key in PEM, what a confused verifier would take for a secret. */
char *token_key_pem(const struct token_key *key);
/* A JWK set of these keys. */
char *token_key_set(const struct token_key *const *keys, size_t count);

/* A token with this header and payload as they stand, signed by `algorithm` (RS256, PS256, ES256,
 * EdDSA, HS256), whatever the header says. */
char *token_sign(const struct token_key *key, const char *algorithm, const char *header,
                 const char *payload);
/* The same with the usual header: alg, typ JWT, and the key's kid. */
char *token_make(const struct token_key *key, const char *algorithm, const char *payload);
/* The same, for that subject and for so long from now; `scope` may be NULL. */
char *token_for(const struct token_key *key, const char *algorithm, const char *subject,
                const char *scope, int64_t good_for_s);

/* Three parts of bytes; a token of any sort. */
char *token_join(const char *header, const char *payload, const void *signature,
                 size_t signature_size);
/* Base64url without padding. */
char *token_encode(const void *bytes, size_t size);
/* The signature over `message` as it goes into a token; `size` in bytes. */
unsigned char *token_signature(const struct token_key *key, const char *algorithm,
                               const char *message, size_t *size);

#endif
