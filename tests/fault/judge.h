/* SPDX-License-Identifier: Apache-2.0 */
/* Part of drive.c: is what came of a fault right? */
#ifndef WETMILL_FAULT_JUDGE_H
#define WETMILL_FAULT_JUDGE_H

#include "jobs.h"

static const char *allowed; /* the list's text */

enum outcome { TOLERATED, FAILED_WELL, ALLOWED, NOT_REACHED, WRONG, OUTCOMES };

static bool is_harmful(const struct fault *f)
{
    return strcmp(f->action, "shrink") == 0 || strcmp(f->action, "vanish") == 0;
}

/* ---- what libraries may do ---- */

/* "signal:N", or "says:WORD" and exit 1. */
static bool ends_like(const char *how, int status, const char *work)
{
    if (strncmp(how, "signal:", 7) == 0)
        return WIFSIGNALED(status) && WTERMSIG(status) == atoi(how + 7);
    char *path = say("%s/.stderr", work), *text = load(path);
    const bool says = strncmp(how, "says:", 5) == 0 && strstr(text, how + 5);
    free(path);
    free(text);
    return says && status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* Was the call the library's, on behalf of its function that the program called? The frames of a
 * stack are LIBRARY+ADDRESS(FUNCTION), innermost first, those of the program +ADDRESS. "?": one that
 * the library does not export. */
static bool called_by(const char *stack, const char *library, const char *entry)
{
    const char *ours = strstr(stack, " +"), *last = stack;
    char want[160];
    if (!ours)
        return false;
    for (const char *p = stack; p < ours; p++)
        if (*p == ' ')
            last = p;
    (void)snprintf(want, sizeof want, " %s+", library);
    if (strncmp(last, want, strlen(want)) != 0)
        return false;
    if (strcmp(entry, "?") == 0)
        return memchr(last, '(', (size_t)(ours - last)) == NULL;
    (void)snprintf(want, sizeof want, "(%s)", entry);
    const char *name = strstr(last, want);
    return name && name < ours;
}

/* Is one of the program's own functions in the stack of that name? */
static bool passes(const char *stack, const char *function)
{
    char *command = say("addr2line -fe %s", wetmill), line[256];
    for (const char *p = stack; (p = strstr(p, " +")); p++) {
        char *longer = say("%s %lx", command, strtoul(p + 2, NULL, 16) - 1);
        free(command);
        command = longer;
    }
    FILE *names = popen(command, "r");
    bool found = false;
    while (names && fgets(line, sizeof line, names)) {
        line[strcspn(line, "\n")] = '\0';
        found |= strcmp(line, function) == 0;
    }
    if (names)
        (void)pclose(names);
    free(command);
    return found;
}

static bool is_allowed(const struct fault *f, int status, const char *work, const char *wrong)
{
    bool found = false;
    char *text = strdup(allowed), *rest = text;
    for (char *line; !found && (line = strsep(&rest, "\n"));) {
        char kind[32], library[64], entry[64], how[64];
        if (*line == '#' || sscanf(line, "%31s %63s %63s %63s", kind, library, entry, how) != 4)
            continue;
        if (strcmp(kind, f->place->kind) != 0 && strcmp(kind, "*") != 0)
            continue;
        if (strcmp(library, "-") == 0)
            found = ((strcmp(how, "prints") == 0 && strstr(wrong, "but .stdout differs")) ||
                     (strcmp(how, "locks") == 0 && strstr(wrong, "lock is left over"))) &&
                    passes(f->place->stack, entry);
        else
            found = called_by(f->place->stack, library, entry) && ends_like(how, status, work);
    }
    free(text);
    return found;
}

/* ---- the rest must do right ---- */

static char *find_leak(char *report)
{
    for (char *line; (line = strsep(&report, "\n"));) {
        struct live l;
        size_t bytes;
        int at = 0;
        if (sscanf(line, "live %llx %u %zu%n", &l.site, &l.count, &bytes, &at) == 3 &&
            l.count > live_of(l.site))
            return say("leaks %u blocks, %zu bytes%s", l.count, bytes, line + at);
    }
    return NULL;
}

/* Nothing stands in the directory but what was copied there. */
static bool untouched(const struct job *job, const char *work)
{
    char *out = say("%s/out", work), *base = say("%s/base/%s", dir, job->copy ? job->copy : "");
    struct stat st;
    char *differs = job->copy ? difference(base, out) : NULL;
    const bool same = job->copy ? !differs : stat(out, &st) != 0;
    free(differs);
    free(out);
    free(base);
    return same;
}

static bool says(const char *work, const char *file, const char *what)
{
    char *path = say("%s/%s", work, file), *text = load(path);
    const bool found = strstr(text, what);
    free(path);
    free(text);
    return found;
}

/* Input that the system does not give is damaged input: it is named, and the rest is done. */
static bool says_skipped(const char *work)
{
    return says(work, ".stderr", ": cannot ");
}

/* --explain counts such input, and does without trying a sample where it cannot, and says why. */
static bool says_untried(const char *work)
{
    return says(work, ".stdout", "could be tried on a sample: ") ||
           says(work, ".stdout", " of the files cannot be read");
}

/* Name, without its directories, of the file that was cut or removed; NULL: none was. */
static char *harmed(const char *work)
{
    char *path = say("%s/.report", work), *text = load(path), *name = NULL;
    char *line = strstr(text, "harmed ");
    if (line) {
        line[strcspn(line, "\n")] = '\0';
        name = say("%s", strrchr(line, '/') ? strrchr(line, '/') + 1 : line);
    }
    free(path);
    free(text);
    return name;
}

/* Is it told that this file was harmed? Text that is cut looks like text that is shorter. */
static bool tells_harm(const struct fault *f, const char *work, const char *name)
{
    static const char *const text_endings[] = {".txt", ".csv", ".yaml"};
    const size_t len = strlen(name);
    for (size_t i = 0; i < sizeof text_endings / sizeof *text_endings; i++) {
        const size_t ending = strlen(text_endings[i]);
        if (strcmp(f->action, "shrink") == 0 && len > ending &&
            strcmp(name + len - ending, text_endings[i]) == 0)
            return true;
    }
    return says(work, ".stderr", name) || says(work, ".stdout", " is damaged: see ");
}

static char *judge_error(const char *work, int code, bool transparent)
{
    if (transparent)
        return say("exit %d, but this should go unnoticed", code);
    char *path = say("%s/.stderr", work), *text = load(path);
    char *wrong = code == 1 && !strstr(text, "wetmill: error: ") ? say("exit 1 without an error")
                                                                 : NULL;
    free(path);
    free(text);
    return wrong;
}

/* NULL if what happened is right; else what is wrong. */
static char *judge(const struct fault *f, const char *work, int status, enum outcome *ret)
{
    char *reference = say("%s/ref.%s/job", dir, f->job->name), *differs = NULL, *wrong = NULL;
    char *hit = harmed(work); /* only what others may change is; else the call was left alone */
    const bool harmful = hit != NULL, exited = status != -1 && WIFEXITED(status);
    const bool transparent = strcmp(f->action, "4") == 0 || strcmp(f->action, "short") == 0 ||
                             (is_harmful(f) && !harmful);
    const int code = exited ? WEXITSTATUS(status) : -1;
    *ret = FAILED_WELL;
    if (status == -1)
        wrong = say("hangs");
    else if (!exited)
        wrong = say("killed by signal %d", WTERMSIG(status));
    else if (code == f->job->code && !(differs = difference(reference, work)))
        *ret = TOLERATED;
    else if (code == f->job->code && !transparent && says_untried(work))
        ; /* a prediction that is told to be worth less */
    else if (code == f->job->code && !harmful && (transparent || !says_skipped(work)))
        wrong = say("exit %d as if all was well, but %s", code, differs);
    else if (harmful && (code == f->job->code || code == 3) && !tells_harm(f, work, hit))
        wrong = say("exit %d without a word of %s, which was harmed", code, hit);
    else if (code == 2 && untouched(f->job, work))
        ; /* what was asked for cannot be had: nothing was begun */
    else if (code > 3 || (!harmful && code != 1 && !(code == 3 && says_skipped(work))))
        wrong = say("exit %d", code);
    else
        wrong = judge_error(work, code, transparent);
    free(hit);
    free(differs);
    free(reference);
    return wrong;
}

static char *judge_report(const char *work, enum outcome *ret)
{
    char *path = say("%s/.report", work), *text = load(path);
    char *wrong = NULL;
    if (!strstr(text, "fired"))
        *ret = NOT_REACHED;
    else if (*ret <= FAILED_WELL)
        wrong = find_leak(text);
    free(path);
    free(text);
    return wrong;
}

#endif /* WETMILL_FAULT_JUDGE_H */
