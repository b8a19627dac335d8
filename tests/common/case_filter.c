/* Runs only the cases of a test program that $RSVPD_TEST_CASE names: a whole name, in which *
 * stands for any letters and ? for one. It is linked into every cmocka program and acts before
 * main(), so no program has to ask for it. */
#include "test.h"

#include <stdlib.h>

__attribute__((constructor)) static void filter_cases(void)
{
    const char *pattern = getenv("RSVPD_TEST_CASE");
    if (pattern != NULL && *pattern != '\0') {
        cmocka_set_test_filter(pattern);
    }
}
