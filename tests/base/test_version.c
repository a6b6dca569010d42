/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <zstd.h>

#include "wetmill/version.h"

int main(void)
{
    static const char *const names[] = {"icu",    "pcre2",      "zstd",    "libdeflate", "zlib",
                                        "xxhash", "libarchive", "libyaml", "jansson",    "nettle"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *version = wm_library_version(names[i]);
        CHECK_(version && version[0] >= '0' && version[0] <= '9' && strchr(version, '.'),
               "%s is \"%s\"", names[i], version ? version : "(null)");
        CHECK_(version && !version[strspn(version, "0123456789.")], "%s is \"%s\"", names[i],
               version ? version : "(null)");
    }
    CHECK_STR(wm_str_of(wm_library_version("zstd")), wm_str_of(ZSTD_VERSION_STRING));
    CHECK(wm_library_version("libwhale") == NULL && wm_library_version("") == NULL);
    CHECK_STR(wm_str_of(wm_version_text()), wm_str_of(WM_VERSION));
    return test_summary();
}
