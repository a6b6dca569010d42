/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/stages.h"

const struct wm_stage *const wm_stages[] = {
#define WM_STAGE(name) &wm_stage_##name,
#include "stages/stages.def"
#undef WM_STAGE
    NULL,
};

/* Names are written with hyphens, and found with underscores too. */
static bool same_name(const char *name, struct wm_str word)
{
    if (strlen(name) != word.len)
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (name[i] != (word.ptr[i] == '_' ? '-' : word.ptr[i]))
            return false;
    return true;
}

const struct wm_stage *wm_stage_find(struct wm_str name)
{
    for (size_t i = 0; wm_stages[i]; i++)
        if (same_name(wm_stages[i]->name, name))
            return wm_stages[i];
    return NULL;
}
