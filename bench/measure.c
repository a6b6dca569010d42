/* SPDX-License-Identifier: Apache-2.0 */
/* Run a command and say what it took.
 *
 *     bench_measure OUT COMMAND [ARGUMENT…]
 *
 * One line into OUT: seconds by the clock, CPU seconds, and the largest resident set in KiB, each of
 * the command with the children it waited for. The exit code is the command's. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "bench_measure OUT COMMAND [ARGUMENT…]\n");
        return 2;
    }
    double begin = now();
    pid_t child = fork();
    if (child == 0) {
        (void)execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    struct rusage used;
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || getrusage(RUSAGE_CHILDREN, &used)) {
        perror("bench_measure");
        return 1;
    }
    FILE *out = fopen(argv[1], "w");
    if (!out ||
        fprintf(out, "%.2f %.2f %ld\n", now() - begin, of(used.ru_utime) + of(used.ru_stime),
                used.ru_maxrss) < 0 ||
        fclose(out) != 0) {
        perror(argv[1]);
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
