/* rsvpd relay: tells another system what happened. */
#ifndef RSVPD_APP_RELAY_COMMAND_H
#define RSVPD_APP_RELAY_COMMAND_H

/* Takes the arguments behind its name and returns the exit status. */
int relay_command(int argc, char **argv);

extern const char relay_help[];

#endif
