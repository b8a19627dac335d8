/* Clients behind proxies: whatever a client sends in front of what its trusted proxy appends, the
 * client is whom the proxy names, or else the proxy itself; and who is not trusted names nobody. */
#include "fuzz.h"

#include "rsvpd/http/forwarded.h"

#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 8 };

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    bool valid = ip_address_parse(slice_of(text), &address);
    assert(valid);
    return address;
}

static bool same(const struct ip_address *a, const struct ip_address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static struct forwarded_lines cut_lines(struct slice text, struct slice at[LINES_MAX])
{
    struct forwarded_lines lines = {.at = at};
    while (text.size > 0 && lines.count < LINES_MAX) {
        at[lines.count++] = slice_cut(&text, '\n');
    }
    return lines;
}

/* The last line with this behind it; memory of just its size, which the caller frees. */
static char *append(struct forwarded_lines *lines, struct slice at[LINES_MAX], const char *added)
{
    struct slice last = lines->count == 0 ? slice_of("") : at[lines->count - 1];
    size_t size = last.size + strlen(added);
    char *joined = malloc(size);
    assert(joined != NULL);
    if (last.size > 0) {
        memcpy(joined, last.data, last.size);
    }
    memcpy(joined + last.size, added, strlen(added));
    lines->count += lines->count == 0;
    at[lines->count - 1] = slice_make(joined, size);
    return joined;
}

typedef struct ip_address find_fn(const struct cidr_list *trusted, const struct ip_address *peer,
                                  struct forwarded_lines lines);

static void check(find_fn *find, const struct cidr_list *trusted, struct slice input,
                  const char *added)
{
    struct slice at[LINES_MAX];
    struct ip_address proxy = address_of("10.0.0.1"), stranger = address_of("192.0.2.1"),
                      named = address_of("2001:db8::7");
    struct forwarded_lines lines = cut_lines(input, at);
    struct ip_address found = find(trusted, &stranger, lines);
    assert(same(&found, &stranger));
    (void)find(trusted, &proxy, lines);
    char *joined = append(&lines, at, added);
    found = find(trusted, &proxy, lines);
    assert(same(&found, &named) || same(&found, &proxy));
    at[lines.count - 1] = slice_of(added + strspn(added, ", ")); /* as a line of its own */
    found = find(trusted, &proxy, lines);
    assert(same(&found, &named));
    free(joined);
}

/* A client that adds the header that its proxy does not write. */
static void check_both(const struct cidr_list *trusted, struct slice input)
{
    struct slice at[LINES_MAX], real = slice_of("2001:db8::7");
    struct ip_address proxy = address_of("10.0.0.1"), named = address_of("2001:db8::7");
    struct forwarded_lines sent = cut_lines(input, at), written = {&real, 1};
    struct ip_address found = forwarded_client(trusted, &proxy, sent, written);
    assert(same(&found, &named) || same(&found, &proxy));
    real = slice_of("for=\"[2001:db8::7]:80\"");
    found = forwarded_client(trusted, &proxy, written, sent);
    assert(same(&found, &named) || same(&found, &proxy));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cidr_list trusted;
    char error[CIDR_ERROR_SIZE_BYTES];
    struct slice input = fuzz_input(data, size);
    bool parsed = trusted.count > 0 || cidr_list_parse(&trusted, "10.0.0.0/8", error);
    assert(parsed);
    check(forwarded_x_address, &trusted, input, ", 2001:db8::7");
    check(forwarded_address, &trusted, input, ", for=\"[2001:db8::7]:80\";proto=https");
    check_both(&trusted, input);
    return 0;
}
