/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for libFuzzer's main: runs the target over every file of the directories given. Those
 * behind the first may be absent. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    static uint8_t bytes[4 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, f);
    (void)fclose(f);
    uint8_t *exact = malloc(n ? n : 1); /* so that AddressSanitizer sees one byte too many */
    for (size_t i = 0; exact && i < n; i++)
        exact[i] = bytes[i];
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static int replay_all(const char *name)
{
    int n = 0;
    DIR *dir = opendir(name);
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", name, e->d_name);
        n += replay(path);
    }
    (void)closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY…\n", argv[0]);
        return 1;
    }
    int committed = replay_all(argv[1]), n = committed;
    for (int i = 2; i < argc; i++)
        n += replay_all(argv[i]);
    (void)printf("%d inputs replayed\n", n);
    return committed ? 0 : 1;
}
