/* The plan of what fails, shared between a test and the process under test. */
#include "fail.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fail_control own;

struct fail_control *fail_control = &own;

const char *const fail_names[FAIL_KIND_COUNT] = {
#define FAIL_KIND(name, group) #name,
#include "kinds.def"
#undef FAIL_KIND
};

const enum fail_group fail_groups[FAIL_KIND_COUNT] = {
#define FAIL_KIND(name, group) FAIL_GROUP_##group,
#include "kinds.def"
#undef FAIL_KIND
};

void fail_arm(struct fail_control *control, enum fail_kind kind, int at)
{
    atomic_store(&control->at, 0);
    for (int i = 0; i < FAIL_KIND_COUNT; i++) {
        atomic_store(&control->calls[i], 0);
    }
    atomic_store(&control->failed, false);
    atomic_store(&control->kind, (int)kind);
    atomic_store(&control->at, at);
}

bool fail_now(enum fail_kind kind)
{
    int call = atomic_fetch_add(&fail_control->calls[kind], 1) + 1;
    bool fails =
        call == atomic_load(&fail_control->at) && (int)kind == atomic_load(&fail_control->kind);
    if (fails) {
        atomic_store(&fail_control->failed, true);
    }
    return fails;
}

struct fail_control *fail_share(const char *path)
{
    struct fail_control *shared = MAP_FAILED;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, sizeof *shared) == 0) {
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    return shared == MAP_FAILED ? NULL : shared;
}
