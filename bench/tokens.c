/* Makes what a bench of tokens needs: tokens of many users, and the keys to check them with.
 *
 *   tokens DIRECTORY ALGORITHM:COUNT...
 *
 * writes DIRECTORY/ALGORITHM.tokens, a token a line for the users 0 to COUNT-1;
 * DIRECTORY/jwks.json, the set of all public keys; and DIRECTORY/secret, what HS256 is signed with.
 */
#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "this secret is for measuring and for nothing else"

enum { GOOD_FOR_S = 24 * 3600, KEYS_MAX = 8 };

static _Noreturn void fail(const char *what, const char *argument)
{
    fprintf(stderr, "tokens: %s: %s\n", what, argument);
    exit(1);
}

static FILE *create(const char *directory, const char *name, const char *suffix)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s%s", directory, name, suffix);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fail("cannot create", path);
    }
    return file;
}

static void finish(FILE *file, const char *name)
{
    if (ferror(file) || fclose(file) != 0) {
        fail("cannot write", name);
    }
}

static struct token_key *key_for(const char *algorithm)
{
    if (strcmp(algorithm, "HS256") == 0) {
        return token_key_of_secret(SECRET, strlen(SECRET));
    }
    return token_key_create(algorithm[0] == 'R' || algorithm[0] == 'P' ? TOKEN_RSA
                            : algorithm[1] == 'S'                      ? TOKEN_EC
                                                                       : TOKEN_ED25519,
                            algorithm);
}

static void write_tokens(const char *directory, const struct token_key *key, const char *algorithm,
                         unsigned long count)
{
    FILE *file = create(directory, algorithm, ".tokens");
    for (unsigned long i = 0; i < count; i++) {
        char user[32];
        (void)snprintf(user, sizeof user, "%lu", i);
        char *token = token_for(key, algorithm, user, NULL, GOOD_FOR_S);
        fprintf(file, "%s\n", token);
        free(token);
    }
    finish(file, algorithm);
}

int main(int argc, char **argv)
{
    struct token_key *keys[KEYS_MAX];
    const struct token_key *shown[KEYS_MAX];
    size_t shown_count = 0;
    if (argc < 3 || argc - 2 > KEYS_MAX) {
        fail("usage", "tokens DIRECTORY ALGORITHM:COUNT...");
    }
    for (int i = 2; i < argc; i++) {
        char *colon = strchr(argv[i], ':');
        unsigned long count = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
        if (count == 0) {
            fail("not ALGORITHM:COUNT", argv[i]);
        }
        *colon = '\0';
        keys[i - 2] = key_for(argv[i]);
        if (strcmp(argv[i], "HS256") != 0) {
            shown[shown_count++] = keys[i - 2];
        }
        write_tokens(argv[1], keys[i - 2], argv[i], count);
    }
    char *set = token_key_set(shown, shown_count);
    FILE *file = create(argv[1], "jwks", ".json");
    fprintf(file, "%s\n", set);
    finish(file, "jwks.json");
    file = create(argv[1], "secret", "");
    fprintf(file, "%s", SECRET);
    finish(file, "secret");
    free(set);
    for (int i = 2; i < argc; i++) {
        token_key_destroy(&keys[i - 2]);
    }
    return 0;
}
