/* SPDX-License-Identifier: Apache-2.0 */
/* Part of inject.c: where a call comes from. The program's own frames are walked by frame pointer,
 * which costs nanoseconds; those of libraries by backtrace(). */
#ifndef WETMILL_FAULT_STACK_H
#define WETMILL_FAULT_STACK_H

enum { FRAMES = 64, MODULES = 64 };

static struct module {
    uintptr_t start, end, base;
    uint32_t id;
    char name[32];
} modules[MODULES];
static size_t n_modules; /* the first is the program */

static bool ready; /* all tables are there */
static __thread bool inside __attribute__((tls_model("initial-exec")));

static void lock(atomic_flag *flag)
{
    while (atomic_flag_test_and_set_explicit(flag, memory_order_acquire))
        (void)syscall(SYS_sched_yield);
}

static void unlock(atomic_flag *flag)
{
    atomic_flag_clear_explicit(flag, memory_order_release);
}

static void *pages(size_t size)
{
    void *at = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void raw_write(const char *path, const char *text, size_t len)
{
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    (void)syscall(SYS_write, fd, text, len);
    (void)syscall(SYS_close, fd);
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (n_modules == MODULES)
        return 1;
    struct module *m = &modules[n_modules];
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash ? slash + 1 : info->dlpi_name;
    *m = (struct module){.start = UINTPTR_MAX, .base = info->dlpi_addr};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
            continue;
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        m->start = start < m->start ? start : m->start;
        m->end = start + p->p_memsz > m->end ? start + p->p_memsz : m->end;
    }
    for (size_t i = 0; name[i]; i++)
        m->id = (uint32_t)mix(m->id, (unsigned char)name[i]);
    (void)snprintf(m->name, sizeof m->name, "%s", n_modules ? name : "");
    n_modules++;
    return 0;
}

static const struct module *module_of(uintptr_t at)
{
    for (size_t i = 0; i < n_modules; i++)
        if (at >= modules[i].start && at < modules[i].end)
            return &modules[i];
    return NULL;
}

static bool in_program(uintptr_t at)
{
    return at >= modules[0].start && at < modules[0].end;
}

static bool of_libc(uintptr_t at)
{
    const struct module *m = module_of(at);
    return m && strncmp(m->name, "libc.", 5) == 0;
}

/* Return addresses from the caller of an interceptor, whose frame is `fp`, up to main or the start of
 * the thread. 0 if a frame of a library stands between, which may keep something else in rbp. */
static unsigned walk(const uintptr_t *fp, uintptr_t frames[FRAMES])
{
    unsigned n = 0;
    for (;;) {
        const uintptr_t at = fp[1];
        if (!in_program(at))
            return n && of_libc(at) ? n : 0;
        if (n < FRAMES)
            frames[n++] = at;
        const uintptr_t *up = (const uintptr_t *)fp[0];
        if (up <= fp || (uintptr_t)up - (uintptr_t)fp > 8u << 20 || (uintptr_t)up % 8)
            return n;
        fp = up;
    }
}

static unsigned stack_of(const uintptr_t *fp, uintptr_t frames[FRAMES])
{
    unsigned n = walk(fp, frames);
    if (n)
        return n;
    void *all[FRAMES + 8];
    int n_all = backtrace(all, FRAMES + 8), from = 0;
    while (from < n_all && (uintptr_t)all[from] != fp[1])
        from++;
    for (; from < n_all && n < FRAMES; from++)
        frames[n++] = (uintptr_t)all[from];
    return n;
}

/* Recursion of any depth is one place: an address that stands among the last four is left out.
 * 0: not on the program's account. */
static uint64_t hash_stack(unsigned kind, const uintptr_t *frames, unsigned n)
{
    uint64_t h = mix(1, kind);
    bool ours = false;
    for (unsigned i = 0; i < n; i++) {
        bool again = false;
        for (unsigned k = 1; k <= 4 && k <= i; k++)
            again |= frames[i - k] == frames[i];
        if (again)
            continue;
        const struct module *m = module_of(frames[i]);
        ours |= m == modules;
        h = mix(mix(h, m ? m->id : 0), frames[i] - (m ? m->base : 0));
    }
    return ours ? (h ? h : 1) : 0;
}

/* " LIBRARY+ADDRESS(FUNCTION)", of those functions that libraries export; " +ADDRESS". */
static size_t print_frame(char *to, size_t size, uintptr_t at)
{
    const struct module *m = module_of(at);
    Dl_info info = {0};
    const bool named = m && m != modules && dladdr((void *)(at - 1), &info) && info.dli_sname;
    int n = snprintf(to, size, " %s+%lx%s%.40s%s", m ? m->name : "?", at - (m ? m->base : 0),
                     named ? "(" : "", named ? info.dli_sname : "", named ? ")" : "");
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size;
}

#endif /* WETMILL_FAULT_STACK_H */
