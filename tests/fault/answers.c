/* How often each answer came. */
#include "answers.h"

#include <stdio.h>
#include <string.h>

void answers_add(struct answers *answers, long status, const char *code)
{
    char wanted[ANSWERS_CODE_SIZE];
    size_t i = 0;
    snprintf(wanted, sizeof wanted, "%s", code != NULL ? code : "");
    while (i < answers->count &&
           (answers->of[i].status != status || strcmp(answers->of[i].code, wanted) != 0)) {
        i++;
    }
    if (i == ANSWERS_MAX) {
        i = ANSWERS_MAX - 1;
    } else if (i == answers->count) {
        answers->count++;
        answers->of[i].status = status;
        memcpy(answers->of[i].code, wanted, sizeof wanted);
    }
    answers->of[i].count++;
}
