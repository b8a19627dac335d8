/* What every cmocka program needs: cmocka with what it wants included before it, and what C lacks
 * for writing cases. */
#ifndef RSVPD_TESTS_TEST_H
#define RSVPD_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* What cmocka hands to a case, a set-up or a tear-down; and the parameter of one that needs none.
 */
typedef void **test_state;
#define NO_STATE test_state state __attribute__((unused))

#endif
