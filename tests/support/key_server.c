/* A provider of token keys that can be told to misbehave. */
#include "key_server.h"
#include "http.h"
#include "service.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { START_MS = PROCESS_BOUND_MS, PATH_SIZE = PROCESS_PATH_SIZE + 32, DAY_S = 24 * 60 * 60 };

struct key_server {
    char directory[PROCESS_PATH_SIZE];
    char certificate[PATH_SIZE], key[PATH_SIZE], url[64];
    pid_t pid;
    int port_lock;
};

static void write_pem(const char *path, const X509 *certificate, const EVP_PKEY *key)
{
    FILE *file = fopen(path, "we");
    bool written =
        file != NULL &&
        (certificate != NULL ? PEM_write_X509(file, certificate)
                             : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL)) == 1;
    if (!written || fclose(file) != 0) {
        process_fail("cannot write %s", path);
    }
}

static void make_certificate(const struct key_server *server)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_EXTENSION *authority = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "CA:TRUE");
    X509_add_ext(certificate, names, -1);
    X509_add_ext(certificate, authority, -1);
    if (X509_sign(certificate, key, EVP_sha256()) <= 0) {
        process_fail("cannot sign a certificate");
    }
    write_pem(server->certificate, certificate, NULL);
    write_pem(server->key, NULL, key);
    X509_EXTENSION_free(names);
    X509_EXTENSION_free(authority);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void write_file(const struct key_server *server, const char *name, const char *text)
{
    char path[PATH_SIZE], fresh[PATH_SIZE + 4];
    snprintf(path, sizeof path, "%s/%s", server->directory, name);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    process_write_file(fresh, text);
    if (rename(fresh, path) != 0) { /* whoever reads it sees the one or the other */
        process_fail("cannot write %s", path);
    }
}

void key_server_show(struct key_server *server, const char *document)
{
    write_file(server, "document", document);
}

void key_server_behave(struct key_server *server, const char *mode)
{
    write_file(server, "mode", mode);
}

const char *key_server_url(const struct key_server *server)
{
    return server->url;
}

const char *key_server_certificate(const struct key_server *server)
{
    return server->certificate;
}

size_t key_server_requests(const struct key_server *server)
{
    char path[PATH_SIZE];
    struct stat file;
    snprintf(path, sizeof path, "%s/requests", server->directory);
    return stat(path, &file) == 0 ? (size_t)file.st_size : 0;
}

static void wait_until_it_listens(const struct key_server *server, uint16_t port)
{
    int64_t until_ms = process_now_ms() + START_MS;
    struct http_raw *raw;
    while ((raw = http_raw_connect(port)) == NULL) {
        if (process_wait(server->pid, 0) >= 0 || process_now_ms() > until_ms) {
            process_fail("the server of keys does not listen");
        }
        process_nap();
    }
    http_raw_close(&raw);
}

struct key_server *key_server_start(bool tls)
{
    char script[PATH_SIZE * 2], port_text[8];
    struct key_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        process_fail("out of memory");
    }
    process_make_directory(server->directory, NULL);
    snprintf(server->certificate, PATH_SIZE, "%s/certificate.pem", server->directory);
    snprintf(server->key, PATH_SIZE, "%s/key.pem", server->directory);
    uint16_t port = port_reserve(&server->port_lock);
    snprintf(port_text, sizeof port_text, "%u", (unsigned)port);
    snprintf(server->url, sizeof server->url, "%s://127.0.0.1:%u/keys", tls ? "https" : "http",
             (unsigned)port);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets it */
    snprintf(script, sizeof script, "%s/tests/support/key_server.py", getenv("RSVPD_SOURCE_DIR"));
    key_server_show(server, "{\"keys\":[]}");
    key_server_behave(server, "good");
    if (tls) {
        make_certificate(server);
    }
    const char *const argv[] = {
        "/usr/bin/python3", script, server->directory, port_text, tls ? server->certificate : NULL,
        server->key,        NULL};
    server->pid = process_spawn(&(struct process_spec){.argv = argv});
    wait_until_it_listens(server, port);
    return server;
}

void key_server_stop(struct key_server **server)
{
    if (*server != NULL) {
        process_end((*server)->pid, SIGKILL);
        close((*server)->port_lock);
        process_remove_directory((*server)->directory);
        free(*server);
        *server = NULL;
    }
}
