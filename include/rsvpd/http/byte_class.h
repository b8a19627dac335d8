/* What a byte of a request may be part of. */
#ifndef RSVPD_HTTP_BYTE_CLASS_H
#define RSVPD_HTTP_BYTE_CLASS_H

enum byte_class {
    BYTE_TOKEN = 1,  /* a method or a field's name (RFC 9110 section 5.6.2) */
    BYTE_HOST = 2,   /* a host's name (RFC 3986, but for the comma, which makes a list) */
    BYTE_TARGET = 4, /* the target of a request */
    BYTE_VALUE = 8,  /* a field's value */
};

/* Indexed by the byte. A sum of enum byte_class. */
extern const unsigned char byte_classes[256];

static inline unsigned byte_class(char c)
{
    return byte_classes[(unsigned char)c];
}

/* -1: it is none. */
static inline int byte_hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

#endif
