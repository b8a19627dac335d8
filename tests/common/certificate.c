/* Certificates for tests of TLS. */
#include "certificate.h"

#include "test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { LONG_AGO_S = -7 * 86400, LONG_S = 7 * 86400 };

struct certificate_authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_true(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* Without its extensions and its signature. */
static X509 *begin_certificate(EVP_PKEY *key, const char *name, long good_for_s)
{
    static long serial = 1;
    X509 *certificate = X509_new();
    assert_true(certificate != NULL && X509_set_version(certificate, 2) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), LONG_AGO_S) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), good_for_s) != NULL &&
                X509_set_pubkey(certificate, key) == 1 &&
                X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                           (const unsigned char *)name, -1, -1, 0) == 1);
    return certificate;
}

static void write_certificate(X509 *certificate, const char *path)
{
    FILE *file = fopen(path, "we");
    assert_true(file != NULL && PEM_write_X509(file, certificate) == 1 && fclose(file) == 0);
}

static void write_key(EVP_PKEY *key, const char *path)
{
    FILE *file = fopen(path, "we");
    assert_true(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                fclose(file) == 0);
}

struct certificate_authority *certificate_authority_create(void)
{
    struct certificate_authority *authority = calloc(1, sizeof *authority);
    if (authority == NULL) {
        abort();
    }
    authority->key = EVP_EC_gen("P-256");
    assert_true(authority->key != NULL);
    authority->certificate = begin_certificate(authority->key, "authority of a test", LONG_S);
    assert_true(X509_set_issuer_name(authority->certificate,
                                     X509_get_subject_name(authority->certificate)) == 1);
    add_extension(authority->certificate, authority->certificate, NID_basic_constraints,
                  "critical,CA:TRUE");
    add_extension(authority->certificate, authority->certificate, NID_key_usage,
                  "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(authority->certificate, authority->key, EVP_sha256()) > 0);
    return authority;
}

void certificate_authority_destroy(struct certificate_authority **authority)
{
    if (*authority != NULL) {
        X509_free((*authority)->certificate);
        EVP_PKEY_free((*authority)->key);
        free(*authority);
        *authority = NULL;
    }
}

void certificate_authority_write(const struct certificate_authority *authority, const char *path)
{
    write_certificate(authority->certificate, path);
}

void certificate_make(const struct certificate_authority *authority, const char *names,
                      long good_for_s, const char *certificate_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_true(key != NULL);
    X509 *certificate = begin_certificate(key, "a test", good_for_s);
    assert_true(X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate)) ==
                1);
    add_extension(certificate, authority->certificate, NID_subject_alt_name, names);
    assert_true(X509_sign(certificate, authority->key, EVP_sha256()) > 0);
    write_certificate(certificate, certificate_path);
    write_key(key, key_path);
    X509_free(certificate);
    EVP_PKEY_free(key);
}
