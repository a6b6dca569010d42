/* SPDX-License-Identifier: Apache-2.0 */
/* Part of drive.c: processes, and whether two directories hold the same. */
#ifndef WETMILL_FAULT_FILES_H
#define WETMILL_FAULT_FILES_H

enum { SECONDS = 60 /* a command may take */ };

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *say(const char *format, ...)
{
    char *text;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        die("memory");
    va_end(ap);
    return text;
}

static char *load(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    if (!f || getdelim(&text, &size, '\0', f) < 0) {
        free(text);
        text = strdup("");
    }
    if (f)
        (void)fclose(f);
    return text;
}

/* ---- processes ---- */

static void redirect(const char *path, int flags, int to)
{
    int fd = open(path, flags | O_CLOEXEC, 0666);
    if (fd < 0 || dup2(fd, to) < 0)
        die(path);
}

/* Wait status of argv in `where`, or -1 if it took too long. `env` entries NAME=VALUE, NULL ends. */
static int spawn(char *const argv[], const char *where, const char *input, bool capture,
                 char *const env[])
{
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (!pid) {
        if (where && chdir(where))
            die(where);
        redirect(input ? input : "/dev/null", O_RDONLY, 0);
        if (capture) {
            redirect(".stdout", O_WRONLY | O_CREAT | O_TRUNC, 1);
            redirect(".stderr", O_WRONLY | O_CREAT | O_TRUNC, 2);
        }
        for (size_t i = 0; env && env[i]; i++)
            (void)putenv(env[i]);
        execvp(argv[0], argv);
        die(argv[0]);
    }
    int status;
    const struct timespec pause = {0, 2000000};
    for (long waited = 0; waitpid(pid, &status, WNOHANG) == 0; waited += 2) {
        if (waited > SECONDS * 1000L) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -1;
        }
        (void)nanosleep(&pause, NULL);
    }
    return status;
}

static void copy(const char *from, const char *to)
{
    char *argv[] = {"cp", "-a", "--", (char *)from, (char *)to, NULL};
    if (spawn(argv, NULL, NULL, false, NULL))
        die(to);
}

static void remove_tree(const char *path)
{
    char *argv[] = {"rm", "-rf", "--", (char *)path, NULL};
    (void)spawn(argv, NULL, NULL, false, NULL);
}

/* ---- the same files? ---- */

static bool same_file(const char *a, const char *b)
{
    char block[2][1 << 14];
    FILE *f = fopen(a, "re"), *g = fopen(b, "re");
    bool same = f && g;
    for (size_t n = 1, m; same && n; same = same && n == m && memcmp(block[0], block[1], n) == 0) {
        n = fread(block[0], 1, sizeof block[0], f);
        m = fread(block[1], 1, sizeof block[1], g);
    }
    if (f)
        (void)fclose(f);
    if (g)
        (void)fclose(g);
    return same;
}

static int counts(const struct dirent *e)
{
    return strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, "log") &&
           strcmp(e->d_name, ".stderr") && strcmp(e->d_name, ".report");
}

/* The first path that differs, or NULL. What is called log is not compared. */
static char *difference(const char *a, const char *b)
{
    struct dirent **in_a = NULL, **in_b = NULL;
    int n = scandir(a, &in_a, counts, alphasort), m = scandir(b, &in_b, counts, alphasort);
    char *found = n < 0 || m < 0 ? say("%s cannot be listed", n < 0 ? a : b) : NULL;
    for (int i = 0; !found && (i < n || i < m); i++) {
        const int order = i == n ? 1 : i == m ? -1 : strcmp(in_a[i]->d_name, in_b[i]->d_name);
        if (order) {
            found = order < 0 ? say("%s is missing", in_a[i]->d_name)
                              : say("%s/%s is left over", b, in_b[i]->d_name);
            break;
        }
        char *x = say("%s/%s", a, in_a[i]->d_name), *y = say("%s/%s", b, in_a[i]->d_name);
        struct stat s, t;
        if (stat(x, &s) || stat(y, &t) || S_ISDIR(s.st_mode) != S_ISDIR(t.st_mode))
            found = say("%s is of another kind", y);
        else if (S_ISDIR(s.st_mode))
            found = difference(x, y);
        else if (!same_file(x, y))
            found = say("%s differs", strstr(y, "/job/") ? strstr(y, "/job/") + 5 : y);
        free(x);
        free(y);
    }
    for (int i = 0; i < n; i++)
        free(in_a[i]);
    for (int i = 0; i < m; i++)
        free(in_b[i]);
    free(in_a);
    free(in_b);
    return found;
}

#endif /* WETMILL_FAULT_FILES_H */
