/* SPDX-License-Identifier: Apache-2.0 */
#include "base/charmap_step.h"

static const unsigned char *run(const struct wm_charmap *map, const unsigned char *in,
                                const unsigned char *end, char **out)
{
    while (in < end) {
        size_t n = wm_charmap_step(map, in, end, out);
        if (!n)
            break;
        in += n;
    }
    return in;
}

const struct wm_charmap_path wm_charmap_portable = {"portable", run};
