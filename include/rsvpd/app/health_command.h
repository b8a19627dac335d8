/* rsvpd health: asks the admin port of a running service, for where there is no shell. */
#ifndef RSVPD_APP_HEALTH_COMMAND_H
#define RSVPD_APP_HEALTH_COMMAND_H

/* Takes the arguments behind its name and returns the exit status. */
int health_command(int argc, char **argv);

extern const char health_help[];

#endif
