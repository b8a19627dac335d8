/* The configuration for people: the values in force, and the table of what there is. */
#include "rsvpd/base/config_print.h"
#include "rsvpd/base/uri.h"

#include <string.h>

static void print_choice(const struct config_option *option, int64_t place, FILE *out)
{
    const char *word = option->choices;
    while (place-- > 0) {
        word += strcspn(word, " ") + 1;
    }
    fprintf(out, "%.*s", (int)strcspn(word, " "), word);
}

static int64_t integer_of(const struct config *config, const struct config_option *option)
{
    return *(const int64_t *)(const void *)((const char *)config + option->offset);
}

static const char *string_of(const struct config *config, const struct config_option *option)
{
    return *(char *const *)(const void *)((const char *)config + option->offset);
}

static void print_without_path(const char *url, FILE *out)
{
    struct slice shown = uri_origin(url);
    fprintf(out, "%.*s%s", (int)shown.size, shown.data,
            url[shown.size] == '\0' ? "" : "/<redacted>");
}

static void print_value(const struct config *config, const struct config_option *option, FILE *out)
{
    if (option->type == OPTION_INTEGER) {
        fprintf(out, "%lld", (long long)integer_of(config, option));
    } else if (option->type == OPTION_CHOICE) {
        print_choice(option, integer_of(config, option), out);
    } else if (option->shows_host) {
        print_without_path(string_of(config, option), out);
    } else if (option->secret && *string_of(config, option) != '\0') {
        fputs("<redacted>", out);
    } else {
        fputs(string_of(config, option), out);
    }
}

void config_print(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        fprintf(out, "# %s%s\n%s=", option->help, option->required ? " (required)" : "",
                option->name);
        print_value(config, option, out);
        fputc('\n', out);
    }
}

static const char *default_for_people(const struct config_option *option)
{
    if (option->required) {
        return "required";
    }
    return option->default_shown != NULL ? option->default_shown : option->default_value;
}

void config_print_markdown(FILE *out)
{
    fputs("| variable | default | range | meaning |\n| --- | --- | --- | --- |\n", out);
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        fprintf(out, "| `%s` | %s | ", option->name, default_for_people(option));
        if (option->type == OPTION_INTEGER) {
            fprintf(out, "%lld to %lld", (long long)option->min, (long long)option->max);
        } else if (option->type == OPTION_CHOICE) {
            fputs(option->choices, out);
        }
        fprintf(out, " | %s%s |\n", option->help,
                option->file_offset != 0
                    ? "; also read from the file that the same name with `_FILE` names"
                    : "");
    }
}

void config_list_fixed(config_lookup_fn *lookup, struct text *names)
{
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        const char *value = lookup(option->name);
        if (value != NULL && *value != '\0' && !option->names_file) {
            text_add_cstr(names, names->size == 0 ? "" : " ");
            text_add_cstr(names, option->name);
        }
    }
}
