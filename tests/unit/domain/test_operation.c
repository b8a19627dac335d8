/* Operations by kind: each kind has one part, reaching for another ends the program, and only
 * writes can be without effect in their batch. */
#include "unit.h"

#include "rsvpd/domain/operation.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const enum operation_kind last_kind = OPERATION_ERASE;

typedef bool has_part_fn(const struct operation *operation);

static has_part_fn *const parts[] = {
    operation_is_write,    operation_is_membership, operation_is_count,  operation_is_listing,
    operation_is_settings, operation_is_claim,      operation_is_expiry, operation_is_erasure,
};

static void test_each_kind_has_one_part(NO_STATE)
{
    for (enum operation_kind kind = 0; kind <= last_kind; kind++) {
        const struct operation operation = {.kind = kind};
        size_t count = 0;
        for (size_t i = 0; i < LENGTH(parts); i++) {
            count += parts[i](&operation);
        }
        if (count != 1) {
            fail_msg("kind %d has %zu parts", (int)kind, count);
        }
    }
}

static void test_what_changes_settings_is_about_settings(NO_STATE)
{
    size_t changes = 0;
    for (enum operation_kind kind = 0; kind <= last_kind; kind++) {
        const struct operation operation = {.kind = kind};
        if (operation_changes_settings(&operation)) {
            assert_true(operation_is_settings(&operation));
            changes++;
        }
    }
    assert_int_equal(changes, 3);
}

static void test_a_part_is_the_operations_own(NO_STATE)
{
    struct operation operation = {.kind = OPERATION_REMOVE};
    const struct operation *constant = &operation;
    operation_write(&operation)->position = 7;
    assert_int_equal(operation_write(constant)->position, 7);
    assert_ptr_equal(operation_write(&operation), &operation.part.write);
    operation = (struct operation){.kind = OPERATION_EXPIRE_KEYS};
    assert_ptr_equal(operation_expiry(&operation), &operation.part.expiry);
    assert_int_equal(operation_expiry(&operation)->keys_expired, 0);
}

/* Reaches for the part of a write, in a process of its own. */
static int status_of_reaching(enum operation_kind kind)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct operation operation = {.kind = kind};
        close(STDERR_FILENO); /* where the assertion tells of itself */
        _exit(operation_write(&operation)->changed ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_another_kinds_part_is_out_of_reach(NO_STATE)
{
    for (enum operation_kind kind = 0; kind <= last_kind; kind++) {
        const struct operation operation = {.kind = kind};
        int status = status_of_reaching(kind);
        if (operation_is_write(&operation)) {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        } else {
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
    }
}

static void test_what_acts(NO_STATE)
{
    struct operation write = {.kind = OPERATION_ADD};
    assert_true(operation_acts(&write));
    write.verdict = OUTCOME_FULL; /* decided, under the entity's lock */
    assert_true(operation_acts(&write));
    write.verdict = OUTCOME_KEY_REUSED;
    assert_false(operation_acts(&write));
    write.verdict = OUTCOME_IN_FLIGHT;
    assert_false(operation_acts(&write));
    write.verdict = OUTCOME_DONE;
    operation_write(&write)->replayed = true;
    assert_false(operation_acts(&write));
    /* Where a write has its flags another kind has what it likes. */
    struct operation count = {.kind = OPERATION_COUNT};
    operation_freshness(&count)->not_before_us = INT64_MAX;
    operation_freshness(&count)->wants_primary = true;
    assert_true(operation_acts(&count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_has_one_part),
        cmocka_unit_test(test_what_changes_settings_is_about_settings),
        cmocka_unit_test(test_a_part_is_the_operations_own),
        cmocka_unit_test(test_another_kinds_part_is_out_of_reach),
        cmocka_unit_test(test_what_acts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
