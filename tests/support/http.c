/* HTTP for tests. */
#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "process.h"

enum { DEFAULT_TIMEOUT_MS = PROCESS_BOUND_MS };

struct http_client {
    CURL *curl;
    uint16_t port;
};

struct http_raw {
    int socket;
    char *buffer; /* what came and is not yet part of a response */
    size_t size;
    size_t capacity;
};

/* ---- responses ---- */

static void add_header(struct http_response *response, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    if (colon == NULL) {
        return;
    }
    const char *value = colon + 1;
    const char *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && strchr("\r\n \t", end[-1]) != NULL) {
        end--;
    }
    struct http_header *headers =
        realloc(response->headers, (response->header_count + 1) * sizeof *headers);
    headers[response->header_count++] = (struct http_header){
        .name = strndup(line, (size_t)(colon - line)),
        .value = strndup(value, (size_t)(end - value)),
    };
    response->headers = headers;
}

static void clear_headers(struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        free(response->headers[i].name);
        free(response->headers[i].value);
    }
    response->header_count = 0;
}

static void add_body(struct http_response *response, const char *bytes, size_t size)
{
    response->body = realloc(response->body, response->body_size + size + 1);
    memcpy(response->body + response->body_size, bytes, size);
    response->body_size += size;
    response->body[response->body_size] = '\0';
}

static struct http_response *response_create(const char *target)
{
    struct http_response *response = calloc(1, sizeof *response);
    response->path = strndup(target, strcspn(target, "?"));
    add_body(response, "", 0);
    return response;
}

static void parse_body(struct http_response *response)
{
    json_error_t error;
    response->json = json_loadb(response->body, response->body_size,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
}

void http_response_free(struct http_response **response)
{
    if (*response == NULL) {
        return;
    }
    clear_headers(*response);
    free((*response)->headers);
    free((*response)->path);
    free((*response)->body);
    json_decref((*response)->json);
    free(*response);
    *response = NULL;
}

const char *http_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0) {
            return response->headers[i].value;
        }
    }
    return NULL;
}

size_t http_header_count(const struct http_response *response, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < response->header_count; i++) {
        count += strcasecmp(response->headers[i].name, name) == 0;
    }
    return count;
}

/* ---- the client ---- */

static void initialise_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http_client *http_client_create(uint16_t port)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialise_curl);
    struct http_client *client = calloc(1, sizeof *client);
    client->curl = curl_easy_init();
    client->port = port;
    return client;
}

void http_client_destroy(struct http_client **client)
{
    if (*client == NULL) {
        return;
    }
    curl_easy_cleanup((*client)->curl);
    free(*client);
    *client = NULL;
}

static size_t receive_header(char *bytes, size_t unit, size_t count, void *user_data)
{
    struct http_response *response = user_data;
    const size_t size = unit * count;
    if (size >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        clear_headers(response); /* the final response after an interim one */
    }
    add_header(response, bytes, size);
    return size;
}

static size_t receive_body(char *bytes, size_t unit, size_t count, void *user_data)
{
    add_body(user_data, bytes, unit * count);
    return unit * count;
}

struct upload {
    const char *rest;
    size_t size;
};

static size_t send_body(char *buffer, size_t unit, size_t count, void *user_data)
{
    struct upload *upload = user_data;
    const size_t size = unit * count < upload->size ? unit * count : upload->size;
    memcpy(buffer, upload->rest, size);
    upload->rest += size;
    upload->size -= size;
    return size;
}

/* The header list of a request; curl's own additions that a test did not ask for are taken out. */
static struct curl_slist *request_headers(const struct http_options *options)
{
    const char *type = options->content_type != NULL ? options->content_type
                       : options->body != NULL       ? "application/json"
                                                     : "";
    char line[256];
    snprintf(line, sizeof line, "Content-Type:%s%s", type[0] != '\0' ? " " : "", type);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = curl_slist_append(headers, line);
    if (options->chunked) {
        headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    }
    for (size_t i = 0; options->headers != NULL && options->headers[i] != NULL; i++) {
        headers = curl_slist_append(headers, options->headers[i]);
    }
    return headers;
}

static void set_body(CURL *curl, const char *method, const struct http_options *options,
                     struct upload *upload)
{
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (options->chunked) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, send_body);
        curl_easy_setopt(curl, CURLOPT_READDATA, upload);
    } else if (options->body != NULL || strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)upload->size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, upload->rest);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static void set_transport(const struct http_client *client, const char *target, long timeout_ms)
{
    char url[64];
    CURL *curl = client->curl;
    /* The URL names the server, the request target is sent untouched. */
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", client->port);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_REQUEST_TARGET, target);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms != 0 ? timeout_ms : DEFAULT_TIMEOUT_MS);
}

struct http_response *http_request(struct http_client *client, const char *method,
                                   const char *target, const struct http_options *options)
{
    static const struct http_options no_options = {.body = NULL};
    options = options != NULL ? options : &no_options;
    CURL *curl = client->curl;
    struct http_response *response = response_create(target);
    struct curl_slist *headers = request_headers(options);
    struct upload upload = {.rest = options->body != NULL ? options->body : ""};
    upload.size = options->body_size != 0 ? options->body_size : strlen(upload.rest);

    curl_easy_reset(curl); /* keeps the connection */
    set_transport(client, target, options->timeout_ms);
    set_body(curl, method, options, &upload);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, receive_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, response);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, response);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, response->error);
    const CURLcode code = curl_easy_perform(curl);
    long status = 0;
    long connections = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    response->status = code == CURLE_OK ? (int)status : 0;
    response->new_connections = (int)connections;
    if (code != CURLE_OK && response->error[0] == '\0') {
        snprintf(response->error, sizeof response->error, "%s", curl_easy_strerror(code));
    }
    curl_slist_free_all(headers);
    parse_body(response);
    return response;
}

/* ---- raw connections ---- */

/* `receive_buffer_bytes`: 0 leaves it to the system. */
static struct http_raw *connect_raw(uint16_t port, int receive_buffer_bytes)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes > 0) {
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                   sizeof receive_buffer_bytes);
    }
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(descriptor);
        return NULL;
    }
    struct http_raw *raw = calloc(1, sizeof *raw);
    raw->socket = descriptor;
    return raw;
}

struct http_raw *http_raw_connect(uint16_t port)
{
    return connect_raw(port, 0);
}

struct http_raw *http_raw_connect_small(uint16_t port, int receive_buffer_bytes)
{
    return connect_raw(port, receive_buffer_bytes);
}

bool http_raw_send(struct http_raw *raw, const void *bytes, size_t size)
{
    const char *rest = bytes;
    while (size > 0) {
        const ssize_t sent = send(raw->socket, rest, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        rest += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool http_raw_send_text(struct http_raw *raw, const char *text)
{
    return http_raw_send(raw, text, strlen(text));
}

/* Receives what there is into the buffer; false at the end or when nothing comes in time. */
static bool receive_more(struct http_raw *raw, int timeout_ms)
{
    if (raw->capacity - raw->size < 4096) {
        raw->capacity += 65536;
        raw->buffer = realloc(raw->buffer, raw->capacity);
    }
    struct pollfd descriptor = {.fd = raw->socket, .events = POLLIN};
    if (poll(&descriptor, 1, timeout_ms) != 1) {
        return false;
    }
    const ssize_t got =
        recv(raw->socket, raw->buffer + raw->size, raw->capacity - raw->size - 1, 0);
    if (got <= 0) {
        return false;
    }
    raw->size += (size_t)got;
    raw->buffer[raw->size] = '\0';
    return true;
}

void http_raw_finish(struct http_raw *raw)
{
    shutdown(raw->socket, SHUT_WR);
}

const char *http_raw_receive_all(struct http_raw *raw, int timeout_ms, size_t *size)
{
    while (receive_more(raw, timeout_ms)) {
    }
    raw->buffer[raw->size] = '\0';
    *size = raw->size;
    return raw->buffer;
}

/* Reads up to and including the blank line; gives the size of the head, 0 at the end. */
static size_t receive_head(struct http_raw *raw, int timeout_ms)
{
    const char *end = NULL;
    while (raw->size == 0 || (end = memmem(raw->buffer, raw->size, "\r\n\r\n", 4)) == NULL) {
        if (!receive_more(raw, timeout_ms)) {
            return 0;
        }
    }
    return (size_t)(end - raw->buffer) + 4;
}

static void parse_head(struct http_response *response, const char *head, size_t size)
{
    bool known = strncmp(head, "HTTP/1.0 ", 9) == 0 || strncmp(head, "HTTP/1.1 ", 9) == 0;
    response->status = known ? (int)strtol(head + 9, NULL, 10) : 0;
    const char *line = memmem(head, size, "\r\n", 2);
    while (line != NULL && line + 2 < head + size) {
        const char *start = line + 2;
        line = memmem(start, (size_t)(head + size - start), "\r\n", 2);
        if (line != NULL) {
            add_header(response, start, (size_t)(line - start));
        }
    }
}

struct http_response *http_raw_receive(struct http_raw *raw, int timeout_ms)
{
    struct http_response *response = response_create("");
    const size_t head_size = receive_head(raw, timeout_ms);
    if (head_size == 0) {
        snprintf(response->error, sizeof response->error, "no response");
        return response;
    }
    parse_head(response, raw->buffer, head_size);
    const char *length = http_header(response, "Content-Length");
    const size_t size = head_size + (length != NULL ? strtoul(length, NULL, 10) : 0);
    while (raw->size < size && receive_more(raw, timeout_ms)) {
    }
    if (raw->size < size) {
        snprintf(response->error, sizeof response->error, "the response is cut off");
        response->status = 0;
        return response;
    }
    add_body(response, raw->buffer + head_size, size - head_size);
    raw->size -= size;
    memmove(raw->buffer, raw->buffer + size, raw->size);
    parse_body(response);
    return response;
}

bool http_raw_is_closed(struct http_raw *raw, int timeout_ms)
{
    struct pollfd descriptor = {.fd = raw->socket, .events = POLLIN};
    char byte;
    return raw->size == 0 && poll(&descriptor, 1, timeout_ms) == 1 &&
           recv(raw->socket, &byte, 1, 0) <= 0;
}

void http_raw_close(struct http_raw **raw)
{
    if (*raw == NULL) {
        return;
    }
    close((*raw)->socket);
    free((*raw)->buffer);
    free(*raw);
    *raw = NULL;
}

void http_raw_abort(struct http_raw **raw)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt((*raw)->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    http_raw_close(raw);
}
