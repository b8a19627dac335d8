/* Whether a token is good, and what it says. */
#include "rsvpd/base/jwt.h"
#include "rsvpd/base/base64url.h"
#include "rsvpd/base/jws.h"

#include <jansson.h>
#include <math.h>

/* Any whole number below is one in a double as well. */
static const double SECONDS_MAX = 9007199254740992.0;

/* clang-format off */
static const char *const fault_texts[JWT_FAULT_COUNT] = {
    [JWT_TOO_LARGE] = "the token is larger than 8 KiB",
    [JWT_ENCRYPTED] = "the token is encrypted: send a signed one",
    [JWT_MALFORMED] = "the token is not a JWT in the compact form of a JWS",
    [JWT_NOT_UNDERSTOOD] = "the header has crit, b64, zip or enc, which are not accepted",
    [JWT_NESTED] = "the header has cty: nested tokens are not accepted",
    [JWT_WRONG_TYPE] = "the typ of the token is neither JWT nor at+jwt",
    [JWT_BAD_ALGORITHM] = "the alg of the token is not accepted",
    [JWT_UNKNOWN_KEY] = "the key set has no key for the token",
    [JWT_AMBIGUOUS_KEY] = "the token has no kid, and several keys fit its alg",
    [JWT_KEY_MISFIT] = "the key that kid names is not for the alg of the token",
    [JWT_BAD_SIGNATURE] = "the signature is not valid",
    [JWT_BAD_PAYLOAD] = "the payload is not a JSON object",
    [JWT_BAD_TIME] = "exp, nbf or iat is not a number of seconds",
    [JWT_NO_EXPIRY] = "the token has no exp",
    [JWT_EXPIRED] = "the token is expired",
    [JWT_NOT_YET_GOOD] = "the token is not valid yet: nbf is in the future",
    [JWT_ISSUED_LATER] = "iat is in the future",
    [JWT_WRONG_ISSUER] = "iss is not the issuer that is accepted",
    [JWT_WRONG_AUDIENCE] = "aud does not have the audience that is accepted",
    [JWT_NO_SUBJECT] = "the token has no sub",
    [JWT_BAD_SUBJECT] = "sub is not an identifier",
    [JWT_BAD_SCOPE] = "scope or scp is neither a string nor an array of strings",
};
/* clang-format on */

const char *jwt_fault_text(enum jwt_fault fault)
{
    assert(fault > JWT_GOOD && fault < JWT_FAULT_COUNT);
    return fault_texts[fault];
}

static struct slice text_of(const json_t *string)
{
    return slice_make(json_string_value(string), json_string_length(string));
}

/* The JSON object that the part of a token holds, which the caller lets go of; NULL where it is
 * none. Numbers become doubles: one that no integer holds is a time as well. */
static json_t *decode_object(struct slice part)
{
    unsigned char raw[JWT_SIZE_MAX_BYTES];
    size_t size;
    if (!base64url_decode(part, raw, sizeof raw, &size)) {
        return NULL;
    }
    json_t *object =
        json_loadb((const char *)raw, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- the header ---- */

struct parts {
    struct slice header, payload, signature;
    struct slice message; /* what was signed: header, dot, payload */
};

static enum jwt_fault split(struct slice token, struct parts *parts)
{
    struct slice rest = token;
    size_t dots = 0;
    if (token.size > JWT_SIZE_MAX_BYTES) {
        return JWT_TOO_LARGE;
    }
    for (size_t i = 0; i < token.size; i++) {
        dots += token.data[i] == '.';
    }
    parts->header = slice_cut(&rest, '.');
    parts->payload = slice_cut(&rest, '.');
    parts->signature = rest;
    parts->message = slice_make(token.data, dots == 2 ? token.size - parts->signature.size - 1 : 0);
    return dots == 4 ? JWT_ENCRYPTED : dots == 2 ? JWT_GOOD : JWT_MALFORMED;
}

/* RFC 8725 section 3.11: a token of another kind is none of ours. Media types have no case. */
static bool type_is_ours(const json_t *type)
{
    static const char *const types[] = {"JWT", "at+jwt", "application/jwt", "application/at+jwt"};
    bool ours = type == NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0] && json_is_string(type); i++) {
        ours = ours || slice_equal_nocase(text_of(type), slice_of(types[i]));
    }
    return ours;
}

/* Finds the key that the header asks for. */
static enum jwt_fault find_key(const struct jwk_set *keys, const json_t *header,
                               enum jwt_algorithm algorithm, const struct jwk **key)
{
    const json_t *kid = json_object_get(header, "kid");
    if (kid != NULL && !json_is_string(kid)) {
        return JWT_MALFORMED;
    }
    switch (jwk_set_find(keys, algorithm, json_string_value(kid), key)) {
    case JWK_FOUND:
        return JWT_GOOD;
    case JWK_UNKNOWN:
        return JWT_UNKNOWN_KEY;
    case JWK_MISFIT:
        return JWT_KEY_MISFIT;
    case JWK_AMBIGUOUS:
        break;
    }
    return JWT_AMBIGUOUS_KEY;
}

static enum jwt_fault check_header(const struct jwk_set *keys, const struct jwt_policy *policy,
                                   const json_t *header, enum jwt_algorithm *algorithm,
                                   const struct jwk **key)
{
    static const char *const not_understood[] = {"crit", "b64", "zip", "enc"};
    for (size_t i = 0; i < sizeof not_understood / sizeof not_understood[0]; i++) {
        if (json_object_get(header, not_understood[i]) != NULL) {
            return JWT_NOT_UNDERSTOOD;
        }
    }
    if (json_object_get(header, "cty") != NULL) {
        return JWT_NESTED;
    }
    if (!type_is_ours(json_object_get(header, "typ"))) {
        return JWT_WRONG_TYPE;
    }
    const json_t *name = json_object_get(header, "alg");
    *algorithm = json_is_string(name) ? jwt_algorithm_named(text_of(name)) : JWT_ALGORITHM_COUNT;
    if (*algorithm == JWT_ALGORITHM_COUNT || !(policy->algorithms & 1u << *algorithm)) {
        return JWT_BAD_ALGORITHM;
    }
    return find_key(keys, header, *algorithm, key);
}

/* ---- the signature ---- */

static enum jwt_fault check_signature(const struct jwk_set *keys, const struct jwt_policy *policy,
                                      const struct parts *parts)
{
    unsigned char signature[JWS_SIGNATURE_SIZE_MAX_BYTES];
    size_t size;
    enum jwt_algorithm algorithm;
    const struct jwk *key;
    json_t *header = decode_object(parts->header);
    enum jwt_fault fault =
        header == NULL ? JWT_MALFORMED : check_header(keys, policy, header, &algorithm, &key);
    json_decref(header);
    if (fault != JWT_GOOD) {
        return fault;
    }
    if (!base64url_decode(parts->signature, signature, sizeof signature, &size)) {
        return JWT_MALFORMED;
    }
    return jws_verify(key, algorithm, parts->message, signature, size) ? JWT_GOOD
                                                                       : JWT_BAD_SIGNATURE;
}

/* ---- the claims ---- */

/* A NumericDate (RFC 7519 section 2), which may have a fraction. False where the claim is there and
 * is none; it stays as it was where it is not there. */
static bool read_time(const json_t *payload, const char *name, double *seconds)
{
    const json_t *claim = json_object_get(payload, name);
    if (claim == NULL) {
        return true;
    }
    *seconds = json_real_value(claim);
    return json_is_real(claim); /* and finite: jansson reads no other */
}

static enum jwt_fault check_times(const json_t *payload, const struct jwt_policy *policy,
                                  int64_t now_s, struct jwt_claims *claims)
{
    double now = (double)now_s, leeway = (double)policy->leeway_s;
    double expires = 0, not_before = now, issued = now;
    if (!read_time(payload, "exp", &expires) || !read_time(payload, "nbf", &not_before) ||
        !read_time(payload, "iat", &issued)) {
        return JWT_BAD_TIME;
    }
    if (json_object_get(payload, "exp") == NULL) {
        return JWT_NO_EXPIRY;
    }
    if (now >= expires + leeway) {
        return JWT_EXPIRED;
    }
    if (not_before > now + leeway) {
        return JWT_NOT_YET_GOOD;
    }
    if (issued > now + leeway) {
        return JWT_ISSUED_LATER;
    }
    claims->good_until_s = (int64_t)fmin(ceil(expires + leeway), SECONDS_MAX);
    return JWT_GOOD;
}

static bool text_is(const json_t *string, const char *expected)
{
    return json_is_string(string) && slice_equal(text_of(string), slice_of(expected));
}

static bool is_set(const char *expected)
{
    return expected != NULL && *expected != '\0';
}

/* One string, or an array of them. */
static bool is_texts(const json_t *claim)
{
    const json_t *one;
    size_t i;
    json_array_foreach(claim, i, one)
    {
        if (!json_is_string(one)) {
            return false;
        }
    }
    return json_is_string(claim) || json_is_array(claim);
}

/* RFC 7519 section 4.1.1. Where none is configured, any is good. */
static bool issuer_is_ours(const json_t *issuer, const char *expected)
{
    return is_set(expected) ? text_is(issuer, expected) : issuer == NULL || json_is_string(issuer);
}

/* RFC 7519 section 4.1.3. */
static bool audience_is_ours(const json_t *audience, const char *expected)
{
    const json_t *one;
    size_t i;
    if (!is_set(expected)) {
        return audience == NULL || is_texts(audience);
    }
    bool named = text_is(audience, expected);
    json_array_foreach(audience, i, one)
    {
        named = named || text_is(one, expected);
    }
    return named && is_texts(audience);
}

/* Copies the subject. */
static enum jwt_fault take_subject(const json_t *payload, struct jwt_claims *claims)
{
    const json_t *subject = json_object_get(payload, "sub");
    if (subject == NULL) {
        return JWT_NO_SUBJECT;
    }
    struct slice text = text_of(subject);
    if (!json_is_string(subject) || text.size == 0 || text.size > sizeof claims->subject) {
        return JWT_BAD_SUBJECT;
    }
    memcpy(claims->subject, text.data, text.size);
    claims->subject_size = text.size;
    return JWT_GOOD;
}

static unsigned scope_bit(const struct jwt_policy *policy, struct slice word)
{
    unsigned bit = 0;
    for (size_t i = 0; i < policy->scope_count; i++) {
        bit |= slice_equal(word, slice_of(policy->scope_words[i])) ? 1u << i : 0;
    }
    return bit;
}

/* Adds those of a claim: words with blanks between them (RFC 8693 section 4.2), or an array, one to
 * each. Some providers write `scope` as an array, and some `scp` as a string. */
static bool add_scopes(const json_t *claim, const struct jwt_policy *policy, unsigned *scopes)
{
    const json_t *word;
    size_t i;
    if (json_is_string(claim)) {
        for (struct slice rest = text_of(claim); rest.size > 0;) {
            *scopes |= scope_bit(policy, slice_cut(&rest, ' '));
        }
    }
    json_array_foreach(claim, i, word)
    {
        *scopes |= scope_bit(policy, text_of(word));
    }
    return claim == NULL || is_texts(claim);
}

static enum jwt_fault check_claims(const struct jwt_policy *policy, const json_t *payload,
                                   int64_t now_s, struct jwt_claims *claims)
{
    enum jwt_fault fault = check_times(payload, policy, now_s, claims);
    if (fault != JWT_GOOD) {
        return fault;
    }
    if (!issuer_is_ours(json_object_get(payload, "iss"), policy->issuer)) {
        return JWT_WRONG_ISSUER;
    }
    if (!audience_is_ours(json_object_get(payload, "aud"), policy->audience)) {
        return JWT_WRONG_AUDIENCE;
    }
    fault = take_subject(payload, claims);
    if (fault != JWT_GOOD) {
        return fault;
    }
    claims->scopes = 0;
    bool scopes_read = add_scopes(json_object_get(payload, "scope"), policy, &claims->scopes) &&
                       add_scopes(json_object_get(payload, "scp"), policy, &claims->scopes);
    return scopes_read ? JWT_GOOD : JWT_BAD_SCOPE;
}

enum jwt_fault jwt_check(const struct jwk_set *keys, const struct jwt_policy *policy,
                         struct slice token, int64_t now_s, struct jwt_claims *claims)
{
    struct parts parts;
    assert(policy->scope_count <= 8 * sizeof claims->scopes);
    enum jwt_fault fault = split(token, &parts);
    if (fault == JWT_GOOD) {
        fault = check_signature(keys, policy, &parts);
    }
    if (fault != JWT_GOOD) {
        return fault;
    }
    json_t *payload = decode_object(parts.payload);
    fault = payload == NULL ? JWT_BAD_PAYLOAD : check_claims(policy, payload, now_s, claims);
    json_decref(payload);
    return fault;
}
