/* SPDX-License-Identifier: Apache-2.0 */
/* Part of drive.c: processes, trees of files, and whether two of them hold the same. */
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

static void become(char *const argv[], const char *where, const char *input, char *const env[])
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir(where))
        die(where);
    redirect(input ? input : "/dev/null", O_RDONLY, 0);
    redirect(".stdout", O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect(".stderr", O_WRONLY | O_CREAT | O_TRUNC, 2);
    for (size_t i = 0; env && env[i]; i++)
        (void)putenv(env[i]);
    execvp(argv[0], argv);
    die(argv[0]);
}

/* Wait status of argv in `where`, or -1 if it took too long. `env` entries NAME=VALUE, NULL ends. */
static int spawn(char *const argv[], const char *where, const char *input, char *const env[])
{
    sigset_t child;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    const pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (!pid)
        become(argv, where, input, env);
    int status;
    const struct timespec second = {1, 0};
    for (int waited = 0; waitpid(pid, &status, WNOHANG) == 0;) {
        if (sigtimedwait(&child, NULL, &second) >= 0 || ++waited < SECONDS)
            continue;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        return -1;
    }
    return status;
}

/* ---- trees ---- */

static void copy_file(const char *from, const char *to, const struct stat *st)
{
    char block[1 << 15];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 0777);
    if (in < 0 || out < 0)
        die(to);
    for (ssize_t n; (n = read(in, block, sizeof block)) > 0;)
        if (write(out, block, (size_t)n) != n)
            die(to);
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    if (futimens(out, times) || close(out))
        die(to);
    (void)close(in);
}

/* Files and directories, with their times; links are followed. */
static void copy(const char *from, const char *to)
{
    struct stat st;
    if (stat(from, &st))
        die(from);
    if (!S_ISDIR(st.st_mode)) {
        copy_file(from, to, &st);
        return;
    }
    DIR *d = opendir(from);
    if (!d || mkdir(to, 0777))
        die(to);
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        char *x = say("%s/%s", from, e->d_name), *y = say("%s/%s", to, e->d_name);
        copy(x, y);
        free(x);
        free(y);
    }
    (void)closedir(d);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    (void)utimensat(AT_FDCWD, to, times, 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        die(path);
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

/* Is it another each time? What --explain measures, which is this machine's speed, its disk, and the
 * memory there is already; and where a command really is, which has its own copy of what is harmed. */
static bool is_measured(const char *line)
{
    return strstr(line, "wetmill-fault.") || strstr(line, "GFLOP/s") || strstr(line, "free disk") || strstr(line, ", disk ");
}

static bool same_lines(const char *a, const char *b)
{
    char *x = load(a), *y = load(b), *rest[2] = {x, y};
    bool same = true;
    for (char *line[2] = {"", ""}; same && line[0] && line[1];) {
        for (int i = 0; i < 2; i++)
            do
                line[i] = strsep(&rest[i], "\n");
            while (line[i] && is_measured(line[i]));
        same = line[0] && line[1] ? strcmp(line[0], line[1]) == 0 : line[0] == line[1];
    }
    free(x);
    free(y);
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
        char *x = say("%s/%s", a, in_a[i]->d_name), *y = say("%s/%s", b, in_b[i]->d_name);
        struct stat s, t;
        if (stat(x, &s) || stat(y, &t) || S_ISDIR(s.st_mode) != S_ISDIR(t.st_mode))
            found = say("%s is of another kind", y);
        else if (S_ISDIR(s.st_mode))
            found = difference(x, y);
        else if (!same_file(x, y) &&
                 (strcmp(in_a[i]->d_name, ".stdout") != 0 || !same_lines(x, y)))
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

/* ---- a directory as one number ---- */

static uint64_t add_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001B3u; /* FNV-1a */
    return h;
}

static uint64_t add_content(uint64_t h, const char *path)
{
    char block[1 << 14];
    FILE *f = fopen(path, "re");
    for (size_t n; f && (n = fread(block, 1, sizeof block, f)) > 0;)
        h = add_bytes(h, block, n);
    if (f)
        (void)fclose(f);
    return h;
}

/* Names and contents below `dir`, but what is another each time and shapes nothing: who holds a
 * lock, whose a temporary file was, the log (of which the times of the input count), what the
 * command printed. */
static uint64_t state_of(uint64_t h, const char *path, unsigned depth)
{
    struct dirent **names = NULL;
    const int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        const size_t len = strlen(name);
        const char *temporary = strstr(name, ".tmp.");
        const bool lock = strcmp(name, "lock") == 0 ||
                          (len > 5 && strcmp(name + len - 5, ".lock") == 0);
        char *file = say("%s/%s", path, name);
        struct stat st;
        const bool is_log = strstr(file, "/out/log/") && strcmp(name, "input-times") != 0;
        if (strcmp(name, ".") && strcmp(name, "..") && !is_log && (depth || *name != '.') &&
            lstat(file, &st) == 0) {
            h = add_bytes(h, name, temporary ? (size_t)(temporary - name) : len);
            h = add_bytes(h, S_ISDIR(st.st_mode) ? "/" : "=", 1);
            h = S_ISDIR(st.st_mode) ? state_of(h, file, depth + 1)
                                    : (lock ? h : add_content(h, file));
            h = add_bytes(h, ";", 1);
        }
        free(file);
        free(names[i]);
    }
    free(names);
    return h;
}

#endif /* WETMILL_FAULT_FILES_H */
