/* rsvpd: RSVPs and likes over HTTP, durable in PostgreSQL, counted through Redis. */
#include "rsvpd/app/commands.h"

int main(int argc, char **argv)
{
    return commands_run(argc, argv);
}
