#include "silent_host.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

enum { BACKLOG = 1000 };

void silent_host_start(struct silent_host *host)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    process_make_directory(host->directory, NULL);
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s/.s.PGSQL.5432", host->directory);
    host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(host->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(host->listener, BACKLOG), 0);
}

void silent_host_stop(struct silent_host *host)
{
    close(host->listener);
    process_remove_directory(host->directory);
}
