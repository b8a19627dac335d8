/* The subcommands that work on the data: verify, import, export. Each takes the arguments behind
 * its name and returns the exit status. */
#ifndef RSVPD_APP_DATA_COMMANDS_H
#define RSVPD_APP_DATA_COMMANDS_H

int verify_command(int argc, char **argv);
int import_command(int argc, char **argv);
int export_command(int argc, char **argv);

extern const char verify_help[], import_help[], export_help[];

#endif
