/* rsvpd keys: API keys of services. */
#ifndef RSVPD_APP_KEYS_COMMAND_H
#define RSVPD_APP_KEYS_COMMAND_H

/* Takes the arguments behind its name and returns the exit status. */
int keys_command(int argc, char **argv);

extern const char keys_help[];

#endif
