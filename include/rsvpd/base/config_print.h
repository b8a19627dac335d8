/* The configuration for people: the values in force, and the table of what there is. */
#ifndef RSVPD_BASE_CONFIG_PRINT_H
#define RSVPD_BASE_CONFIG_PRINT_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/text.h"

#include <stdio.h>

/* One line a variable: its name, the value in force (secrets redacted), and what it means. */
void config_print(const struct config *config, FILE *out);

/* The table of options in Markdown: docs/reference/configuration.md holds a
 * copy that a test compares. */
void config_print_markdown(FILE *out);

/* Writes the names of the variables whose values are in the environment itself, with blanks between
 * them. They stay as they are until the process ends. */
void config_list_fixed(config_lookup_fn *lookup, struct text *names);

#endif
