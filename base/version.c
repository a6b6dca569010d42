/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/version.h"

#include <archive.h>
#include <jansson.h>
#include <libdeflate.h>
#include <nettle/version.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unicode/uversion.h>
#include <xxhash.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

const char *wm_version_text(void)
{
    return WM_VERSION;
}

/* Those that do not hand out a string of their own. */
static char icu[U_MAX_VERSION_STRING_LENGTH], pcre2[64], xxhash[32], libarchive[32], nettle[32];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make(void)
{
    UVersionInfo numbers;
    u_getVersion(numbers);
    u_versionToString(numbers, icu);

    char text[64] = "";
    if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof text)
        (void)pcre2_config(PCRE2_CONFIG_VERSION, text);
    size_t n = strcspn(text, " "); /* "10.42 2022-12-11" */
    (void)snprintf(pcre2, sizeof pcre2, "%.*s", (int)n, text);

    unsigned v = XXH_versionNumber();
    (void)snprintf(xxhash, sizeof xxhash, "%u.%u.%u", v / 10000, v / 100 % 100, v % 100);
    int a = archive_version_number();
    (void)snprintf(libarchive, sizeof libarchive, "%d.%d.%d", a / 1000000, a / 1000 % 1000,
                   a % 1000);
    (void)snprintf(nettle, sizeof nettle, "%d.%d", nettle_version_major(), nettle_version_minor());
}

const char *wm_library_version(const char *name)
{
    (void)pthread_once(&made, make);
    const struct {
        const char *name, *version;
    } all[] = {
        {"icu", icu},
        {"pcre2", pcre2},
        {"zstd", ZSTD_versionString()},
        {"libdeflate", LIBDEFLATE_VERSION_STRING},
        {"zlib", zlibVersion()},
        {"xxhash", xxhash},
        {"libarchive", libarchive},
        {"libyaml", yaml_get_version_string()},
        {"jansson", jansson_version_str()},
        {"nettle", nettle},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(name, all[i].name) == 0)
            return all[i].version;
    return NULL;
}
