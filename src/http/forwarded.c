/* Which address a client has behind proxies. */
#include "rsvpd/http/forwarded.h"
#include "rsvpd/http/byte_class.h"

/* The last elements of a line: who each of them says came, as it stands there. */
struct hops {
    struct slice at[FORWARDED_HOPS_MAX]; /* by their place in the line, modulo the size */
    size_t count;                        /* in the line */
};

static void add_hop(struct hops *hops, struct slice node)
{
    hops->at[hops->count++ % FORWARDED_HOPS_MAX] = node;
}

/* Cuts a line into its elements. False where it cannot be told where they begin. */
typedef bool cut_fn(struct slice line, struct hops *hops);
/* The address that an element gives. False where it is malformed, or names nobody. */
typedef bool node_fn(struct slice node, struct ip_address *address);

/* ---- X-Forwarded-For ---- */

static bool cut_list(struct slice line, struct hops *hops)
{
    for (;;) {
        size_t size = line.size;
        struct slice element = slice_cut(&line, ',');
        add_hop(hops, slice_trim(element));
        if (element.size == size) { /* no comma behind it */
            return true;
        }
    }
}

static bool is_port(struct slice text)
{
    enum { DIGITS_MAX = 5 };
    size_t i = 0;
    while (i < text.size && text.data[i] >= '0' && text.data[i] <= '9') {
        i++;
    }
    return i == text.size && i > 0 && i <= DIGITS_MAX;
}

/* "[2001:db8::1]" or "[2001:db8::1]:4711", of which `port` is what follows the colon. */
static bool parse_bracketed(struct slice node, struct ip_address *address, struct slice *port)
{
    const char *end = memchr(node.data, ']', node.size);
    size_t size = end == NULL ? 0 : (size_t)(end - node.data);
    struct slice inner = slice_make(node.data + 1, size > 0 ? size - 1 : 0);
    if (memchr(node.data, ':', size) == NULL || !ip_address_parse(inner, address)) {
        return false;
    }
    struct slice rest = slice_make(node.data + size + 1, node.size - size - 1);
    struct slice before = slice_cut(&rest, ':');
    *port = rest;
    return before.size == 0;
}

/* An address of IPv4, or of IPv6 in brackets, with a port or without one. */
static bool parse_node(struct slice node, struct ip_address *address, struct slice *port)
{
    if (node.size > 0 && node.data[0] == '[') {
        return parse_bracketed(node, address, port);
    }
    struct slice written = slice_cut(&node, ':');
    *port = node;
    return ip_address_parse(written, address);
}

/* Also IPv6 without brackets, which cannot have a port. */
static bool parse_x_node(struct slice node, struct ip_address *address)
{
    struct slice port = {NULL, 0};
    return ip_address_parse(node, address) ||
           (parse_node(node, address, &port) && (port.data == NULL || is_port(port)));
}

/* ---- Forwarded ---- */

static struct slice skip(struct slice text, size_t size)
{
    return slice_make(text.data + size, text.size - size);
}

static size_t token_size(struct slice text)
{
    size_t size = 0;
    while (size < text.size && (byte_class(text.data[size]) & BYTE_TOKEN) != 0) {
        size++;
    }
    return size;
}

/* The size of a quoted string with its quotes (RFC 9110 section 5.6.4); 0 where there is none. */
static size_t quoted_size(struct slice text)
{
    if (text.size == 0 || text.data[0] != '"') {
        return 0;
    }
    size_t i = 1;
    while (i < text.size && text.data[i] != '"') {
        i += text.data[i] == '\\' ? 2 : 1;
    }
    return i < text.size ? i + 1 : 0;
}

/* Reads "name=value" off `line`: no blank stands around the sign (RFC 7239 section 4). */
static bool cut_pair(struct slice *line, struct slice *name, struct slice *value)
{
    *name = slice_make(line->data, token_size(*line));
    *line = skip(*line, name->size);
    if (name->size == 0 || line->size == 0 || line->data[0] != '=') {
        return false;
    }
    *line = skip(*line, 1);
    size_t token = token_size(*line);
    *value = slice_make(line->data, token > 0 ? token : quoted_size(*line));
    *line = skip(*line, value->size);
    return value->size > 0;
}

static struct slice skip_blanks(struct slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = skip(text, 1);
    }
    return text;
}

/* Reads one element off `line`, up to the comma behind it. `node` is the value of its "for", empty
 * where it has none. */
static bool cut_element(struct slice *line, struct slice *node)
{
    *node = slice_make(line->data, 0);
    for (;;) {
        struct slice name, value;
        if (line->size > 0 && line->data[0] != ';' && line->data[0] != ',') {
            if (!cut_pair(line, &name, &value)) {
                return false;
            }
            if (slice_equal_nocase(name, slice_of("for"))) {
                if (node->size > 0) { /* which of them counts? */
                    return false;
                }
                *node = value;
            }
        }
        *line = skip_blanks(*line);
        if (line->size == 0 || line->data[0] == ',') {
            return true;
        }
        if (line->data[0] != ';') {
            return false;
        }
        *line = skip_blanks(skip(*line, 1));
    }
}

static bool cut_forwarded(struct slice line, struct hops *hops)
{
    for (;;) {
        struct slice node;
        line = skip_blanks(line);
        if (!cut_element(&line, &node)) {
            return false;
        }
        add_hop(hops, node);
        if (line.size == 0) {
            return true;
        }
        line = skip(line, 1); /* the comma */
    }
}

/* "_" and letters, digits, ".", "_", "-" (RFC 7239 section 6.3). */
static bool is_obfuscated(struct slice text)
{
    bool good = text.size > 1 && text.data[0] == '_';
    for (size_t i = 1; i < text.size && good; i++) {
        char c = text.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    }
    return good;
}

/* A token or a quoted string. "unknown" and obfuscated names are no addresses. */
static bool parse_forwarded_node(struct slice node, struct ip_address *address)
{
    char plain[128];
    size_t size = 0;
    struct slice port = {NULL, 0};
    bool quoted = node.size > 0 && node.data[0] == '"';
    size_t end = quoted ? node.size - 1 : node.size;
    for (size_t i = quoted; i < end; i++) {
        i += quoted && node.data[i] == '\\';
        if (size == sizeof plain) {
            return false;
        }
        plain[size++] = node.data[i];
    }
    return parse_node(slice_make(plain, size), address, &port) &&
           (port.data == NULL || is_port(port) || is_obfuscated(port));
}

/* ---- the walk ---- */

/* Goes from `client` through the elements of one line, from the right. True where all of them were
 * trusted proxies, so that the line before it counts. */
static bool walk_line(const struct cidr_list *trusted, const struct hops *hops, node_fn *parse,
                      struct ip_address *client, size_t *hops_left)
{
    for (size_t i = hops->count; i > 0; i--) {
        struct ip_address next;
        if (*hops_left == 0 || !parse(hops->at[(i - 1) % FORWARDED_HOPS_MAX], &next)) {
            return false;
        }
        (*hops_left)--;
        *client = next;
        if (!cidr_list_holds(trusted, client)) {
            return false;
        }
    }
    return true;
}

static struct ip_address walk(const struct cidr_list *trusted, const struct ip_address *peer,
                              struct forwarded_lines lines, cut_fn *cut, node_fn *parse)
{
    struct ip_address client = *peer;
    size_t hops_left = FORWARDED_HOPS_MAX;
    if (!cidr_list_holds(trusted, peer) || lines.count > FORWARDED_LINES_MAX) {
        return client;
    }
    for (size_t i = lines.count; i > 0; i--) {
        struct hops hops = {.count = 0};
        if (!cut(lines.at[i - 1], &hops) ||
            !walk_line(trusted, &hops, parse, &client, &hops_left)) {
            break;
        }
    }
    return client;
}

struct ip_address forwarded_address(const struct cidr_list *trusted, const struct ip_address *peer,
                                    struct forwarded_lines lines)
{
    return walk(trusted, peer, lines, cut_forwarded, parse_forwarded_node);
}

struct ip_address forwarded_x_address(const struct cidr_list *trusted,
                                      const struct ip_address *peer, struct forwarded_lines lines)
{
    return walk(trusted, peer, lines, cut_list, parse_x_node);
}

struct ip_address forwarded_client(const struct cidr_list *trusted, const struct ip_address *peer,
                                   struct forwarded_lines forwarded, struct forwarded_lines x)
{
    struct ip_address by_forwarded = forwarded_address(trusted, peer, forwarded);
    struct ip_address by_x = forwarded_x_address(trusted, peer, x);
    bool agree = memcmp(&by_forwarded, &by_x, sizeof by_x) == 0;
    return x.count == 0 ? by_forwarded : forwarded.count == 0 ? by_x : agree ? by_x : *peer;
}
