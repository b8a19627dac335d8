/* The subcommands of the binary. */
#ifndef RSVPD_APP_COMMANDS_H
#define RSVPD_APP_COMMANDS_H

/* Runs the command that the arguments name. Returns the exit status: 0 done; 1 it failed; 2 the
 * arguments or the configuration are wrong. */
int commands_run(int argc, char **argv);

#endif
