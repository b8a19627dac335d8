/* The subcommands that work on the data: verify, import, export, erase, prune. Each takes the
 * arguments behind its name and returns the exit status. */
#ifndef RSVPD_APP_DATA_COMMANDS_H
#define RSVPD_APP_DATA_COMMANDS_H

#include "rsvpd/domain/relation.h"

/* What import and export work on: the relations by their names, and what only events have. */
#define RELATION_CHOICE(ID, name, ...) name "|"
#define RELATION_OPTION "--relation " RELATIONS(RELATION_CHOICE) "settings|waitlist"

int verify_command(int argc, char **argv);
int import_command(int argc, char **argv);
int export_command(int argc, char **argv);
int erase_command(int argc, char **argv);
int prune_command(int argc, char **argv);

extern const char verify_help[], import_help[], export_help[], erase_help[], prune_help[];

#endif
