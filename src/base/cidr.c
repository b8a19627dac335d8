/* Networks, and which addresses they hold. */
#include "rsvpd/base/cidr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { V4_PREFIX_BITS = 96, ALL_BITS = 128 };
static const unsigned char v4_prefix[V4_PREFIX_BITS / 8] = {[10] = 0xff, [11] = 0xff};

bool ip_address_parse(struct slice text, struct ip_address *address)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.size == 0 || text.size >= sizeof copy || memchr(text.data, '\0', text.size) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (inet_pton(AF_INET6, copy, address->bytes) == 1) {
        return true;
    }
    memcpy(address->bytes, v4_prefix, sizeof v4_prefix);
    return inet_pton(AF_INET, copy, address->bytes + sizeof v4_prefix) == 1;
}

bool ip_address_is_v4(const struct ip_address *address)
{
    return memcmp(address->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

/* Whether the first `bits` of both are the same. */
static bool same_prefix(const struct ip_address *a, const struct ip_address *b, unsigned bits)
{
    size_t whole = bits / 8;
    unsigned rest = bits % 8;
    return memcmp(a->bytes, b->bytes, whole) == 0 &&
           (rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0);
}

static struct ip_address without_suffix(const struct ip_address *address, unsigned bits)
{
    struct ip_address first = *address;
    for (unsigned i = bits; i < ALL_BITS; i++) {
        first.bytes[i / 8] &= (unsigned char)~(0x80U >> i % 8);
    }
    return first;
}

static bool is_v4(const struct cidr *network)
{
    return network->bits >= V4_PREFIX_BITS && ip_address_is_v4(&network->first);
}

static bool holds(const struct cidr *network, const struct ip_address *address)
{
    return is_v4(network) == ip_address_is_v4(address) &&
           same_prefix(&network->first, address, network->bits);
}

bool cidr_list_holds(const struct cidr_list *list, const struct ip_address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (holds(&list->at[i], address)) {
            return true;
        }
    }
    return false;
}

/* ---- reading ---- */

static bool refuse(char error[CIDR_ERROR_SIZE_BYTES], struct slice text, const char *problem)
{
    snprintf(error, CIDR_ERROR_SIZE_BYTES, "'%.*s' %s", (int)(text.size > 60 ? 60 : text.size),
             text.data, problem);
    return false;
}

/* At most three digits, and no zero in front. */
static bool parse_bits(struct slice digits, unsigned most, unsigned *bits)
{
    int64_t number;
    if (!slice_number(digits, 3, &number) || (digits.size > 1 && digits.data[0] == '0')) {
        return false;
    }
    *bits = (unsigned)number;
    return number <= most;
}

static bool refuse_suffix(char error[CIDR_ERROR_SIZE_BYTES], struct slice text,
                          const struct ip_address *first, unsigned written_bits)
{
    char shown[INET6_ADDRSTRLEN] = "", problem[96];
    bool v4 = ip_address_is_v4(first);
    (void)inet_ntop(v4 ? AF_INET : AF_INET6, first->bytes + (v4 ? sizeof v4_prefix : 0), shown,
                    sizeof shown);
    snprintf(problem, sizeof problem, "has bits behind its prefix: write %s/%u", shown,
             written_bits);
    return refuse(error, text, problem);
}

static bool parse_network(struct slice text, struct cidr *network,
                          char error[CIDR_ERROR_SIZE_BYTES])
{
    struct slice rest = text;
    struct ip_address address;
    struct slice written = slice_cut(&rest, '/');
    bool has_prefix = written.size < text.size;
    if (!ip_address_parse(written, &address)) {
        return refuse(error, text, "is not a network such as 10.0.0.0/8 or 2001:db8::/32");
    }
    /* An address of IPv4 that is written in IPv6 has a prefix of IPv6. */
    unsigned before = memchr(written.data, ':', written.size) == NULL ? V4_PREFIX_BITS : 0;
    unsigned bits = ALL_BITS - before;
    if (has_prefix && !parse_bits(rest, ALL_BITS - before, &bits)) {
        return refuse(error, text,
                      before > 0 ? "has a prefix that is no number from 0 to 32"
                                 : "has a prefix that is no number from 0 to 128");
    }
    *network = (struct cidr){without_suffix(&address, before + bits), before + bits};
    return same_prefix(&network->first, &address, ALL_BITS) ||
           refuse_suffix(error, text, &network->first, bits);
}

bool cidr_list_parse(struct cidr_list *list, const char *text, char error[CIDR_ERROR_SIZE_BYTES])
{
    struct cidr networks[CIDR_NETWORKS_MAX];
    struct slice rest = slice_of(text), word;
    size_t count = 0;
    *list = (struct cidr_list){NULL, 0};
    while ((word = slice_cut_word(&rest)).size > 0) {
        if (count == CIDR_NETWORKS_MAX) {
            return refuse(error, word, "is one network too many: 256 are taken");
        }
        if (!parse_network(word, &networks[count], error)) {
            return false;
        }
        count++;
    }
    if (count == 0) {
        return true;
    }
    list->at = malloc(count * sizeof list->at[0]);
    if (list->at == NULL) {
        snprintf(error, CIDR_ERROR_SIZE_BYTES, "out of memory");
        return false;
    }
    memcpy(list->at, networks, count * sizeof list->at[0]);
    list->count = count;
    return true;
}

void cidr_list_free(struct cidr_list *list)
{
    free(list->at);
    *list = (struct cidr_list){NULL, 0};
}
