/* What a function owes its caller, and a caller the function: results that must be looked at, and
 * what a program asserts of itself. */
#ifndef RSVPD_BASE_CONTRACT_H
#define RSVPD_BASE_CONTRACT_H

#include <assert.h>

#ifdef NDEBUG
#error "assertions stay on in every build: do not define NDEBUG"
#endif

/* Marks a function whose result says whether it failed. The compiler warns where a caller drops it.
 * */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Assertions have two grades. Neither is for input: what comes from outside may be anything.
 *
 * assert(condition): a programmer erred where it does not hold. `static_assert` where the compiler
 * can tell.
 *
 * NOT_HANDLED_YET(condition): nobody erred where it holds, but it has never happened and nothing is
 * written to handle it, so the process ends. */
#define NOT_HANDLED_YET(condition) assert(!(condition) && "not handled yet")

#endif
