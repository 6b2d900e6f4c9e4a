/* A dynamic linker for tests: it stands where Android's /system/bin/linker64 stands, loads a real
 * Android C library (of Android 6, arm64) and starts a program in it.
 *
 * It does what a linker of that Android promises to programs and libraries, as far as these tests
 * go: it maps, relocates, binds everything at once, hands the kernel's arguments to the C library,
 * runs constructors, and is itself what libdl.so names. It has no namespaces, no versions of
 * symbols, no unloading and no packed relocations. Single-threaded use of dlopen is assumed.
 *
 * Sources: ELF for the Arm 64-bit Architecture (relocations), AOSP platform/bionic of Android 6
 * (libc/private/bionic_tls.h, libc/private/KernelArgumentBlock.h, libc/bionic/libc_init_dynamic.cpp).
 */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef __aarch64__
#error "written for arm64"
#endif

enum { PAGE = 4096, MAX_LIBRARIES = 32, MAX_NEEDED = 16, MAX_PATH = 512 };

struct library {
    char path[MAX_PATH];
    const char *name; /* the path's last part */
    uintptr_t base;
    const Elf64_Phdr *phdr;
    size_t phnum;
    const char *strings;
    const Elf64_Sym *symbols;
    const uint32_t *hash; /* the GNU hash table */
    const uint32_t *old_hash;
    const Elf64_Rela *rela, *plt_rela;
    size_t rela_count, plt_rela_count;
    void (**constructors)(int, char **, char **);
    size_t constructor_count;
    struct library *needed[MAX_NEEDED];
    size_t needed_count;
    bool global, initialised;
    unsigned visit;
};

static struct library libraries[MAX_LIBRARIES];
static size_t library_count;
static unsigned visits;
static char message[1024];
static bool has_message;
static const char *library_path;
static struct {
    int count;
    char **words, **environment;
    Elf64_auxv_t *auxiliary;
    void **abort_message;
} arguments; /* KernelArgumentBlock */

/* --- the kernel ------------------------------------------------------------------------ */

static long call(long number, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

static int open_file(const char *path) {
    return (int)call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

static void *map(uintptr_t address, size_t size, int rights, int flags, int fd, size_t offset) {
    long got = call(SYS_mmap, (long)address, (long)size, rights, flags, fd, (long)offset);
    return got < 0 && got > -PAGE ? NULL : (void *)got;
}

/* --- text ------------------------------------------------------------------------------ */

static size_t length(const char *text) {
    size_t count = 0;
    while (text[count] != '\0') {
        count++;
    }
    return count;
}

static bool same(const char *a, const char *b) {
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Appends as much as fits. */
static void add(char *to, size_t size, const char *text) {
    size_t used = length(to);
    while (*text != '\0' && used + 1 < size) {
        to[used++] = *text++;
    }
    to[used] = '\0';
}

/* Notes what dlerror will say; false, so that a caller can return it. */
static bool fail(const char *what, const char *name, const char *where) {
    message[0] = '\0';
    add(message, sizeof message, "dlopen failed: ");
    add(message, sizeof message, what);
    add(message, sizeof message, " \"");
    add(message, sizeof message, name);
    add(message, sizeof message, "\" in ");
    add(message, sizeof message, where);
    has_message = true;
    return false;
}

/* --- symbols --------------------------------------------------------------------------- */

static const Elf64_Sym *by_gnu_hash(const struct library *library, const char *name) {
    const uint32_t *table = library->hash;
    uint32_t buckets = table[0], first = table[1], bloom = table[2];
    const uint32_t *bucket = table + 4 + bloom * 2;
    const uint32_t *chain = bucket + buckets;
    uint32_t hash = 5381;
    for (const char *at = name; *at != '\0'; at++) {
        hash = hash * 33 + (unsigned char)*at;
    }
    uint32_t index = buckets == 0 ? 0 : bucket[hash % buckets];
    if (index < first) {
        return NULL;
    }
    for (;; index++) {
        uint32_t entry = chain[index - first];
        const Elf64_Sym *symbol = &library->symbols[index];
        if ((entry | 1) == (hash | 1) && same(library->strings + symbol->st_name, name)) {
            return symbol;
        }
        if ((entry & 1) != 0) {
            return NULL;
        }
    }
}

static const Elf64_Sym *by_old_hash(const struct library *library, const char *name) {
    const uint32_t *table = library->old_hash;
    uint32_t hash = 0;
    for (const char *at = name; *at != '\0'; at++) {
        hash = (hash << 4) + (unsigned char)*at;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    for (uint32_t i = table[2 + hash % table[0]]; i != 0; i = table[2 + table[0] + i]) {
        if (same(library->strings + library->symbols[i].st_name, name)) {
            return &library->symbols[i];
        }
    }
    return NULL;
}

static uintptr_t defined(const struct library *library, const char *name) {
    const Elf64_Sym *symbol = library->hash != NULL       ? by_gnu_hash(library, name)
                              : library->old_hash != NULL ? by_old_hash(library, name)
                                                          : NULL;
    return symbol == NULL || symbol->st_shndx == SHN_UNDEF ? 0 : library->base + symbol->st_value;
}

/* In the library and all that it needs. */
static uintptr_t in_tree(struct library *library, const char *name) {
    if (library->visit == visits) {
        return 0;
    }
    library->visit = visits;
    uintptr_t found = defined(library, name);
    for (size_t i = 0; i < library->needed_count && found == 0; i++) {
        found = in_tree(library->needed[i], name);
    }
    return found;
}

static uintptr_t in_libdl(const char *name);

static uintptr_t find(struct library *asking, const char *name) {
    uintptr_t found = in_libdl(name);
    for (size_t i = 0; i < library_count && found == 0; i++) {
        found = libraries[i].global ? defined(&libraries[i], name) : 0;
    }
    visits++;
    return found != 0 || asking == NULL ? found : in_tree(asking, name);
}

/* --- loading --------------------------------------------------------------------------- */

static bool relocate(struct library *library, const Elf64_Rela *rela, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t *place = (uint64_t *)(library->base + rela[i].r_offset);
        const Elf64_Sym *symbol = &library->symbols[ELF64_R_SYM(rela[i].r_info)];
        const char *name = library->strings + symbol->st_name;
        uintptr_t value = 0;
        switch (ELF64_R_TYPE(rela[i].r_info)) {
        case R_AARCH64_RELATIVE:
            *place = library->base + (uint64_t)rela[i].r_addend;
            break;
        case R_AARCH64_ABS64:
        case R_AARCH64_GLOB_DAT:
        case R_AARCH64_JUMP_SLOT:
            value = find(library, name);
            if (value == 0 && ELF64_ST_BIND(symbol->st_info) != STB_WEAK) {
                return fail("cannot locate symbol", name, library->path);
            }
            *place = value == 0 ? 0 : value + (uint64_t)rela[i].r_addend;
            break;
        default:
            return fail("unknown relocation for", name, library->path);
        }
    }
    return true;
}

static void read_dynamic(struct library *library, const Elf64_Dyn *dynamic) {
    size_t rela_bytes = 0, plt_bytes = 0, constructor_bytes = 0;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t address = library->base + dynamic->d_un.d_ptr;
        switch (dynamic->d_tag) {
        case DT_STRTAB: library->strings = (const char *)address; break;
        case DT_SYMTAB: library->symbols = (const Elf64_Sym *)address; break;
        case DT_GNU_HASH: library->hash = (const uint32_t *)address; break;
        case DT_HASH: library->old_hash = (const uint32_t *)address; break;
        case DT_RELA: library->rela = (const Elf64_Rela *)address; break;
        case DT_RELASZ: rela_bytes = dynamic->d_un.d_val; break;
        case DT_JMPREL: library->plt_rela = (const Elf64_Rela *)address; break;
        case DT_PLTRELSZ: plt_bytes = dynamic->d_un.d_val; break;
        case DT_INIT_ARRAY: library->constructors = (void *)address; break;
        case DT_INIT_ARRAYSZ: constructor_bytes = dynamic->d_un.d_val; break;
        default: break;
        }
    }
    library->rela_count = rela_bytes / sizeof(Elf64_Rela);
    library->plt_rela_count = plt_bytes / sizeof(Elf64_Rela);
    library->constructor_count = constructor_bytes / sizeof(void *);
}

static struct library *open_library(const char *name, bool global, const char *for_whom);

static bool open_needed(struct library *library, const Elf64_Dyn *dynamic) {
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        const char *name = library->strings + dynamic->d_un.d_val;
        if (dynamic->d_tag != DT_NEEDED || same(name, "libdl.so")) {
            continue;
        }
        if (library->needed_count == MAX_NEEDED) {
            return fail("too many libraries, at", name, library->path);
        }
        struct library *found = open_library(name, library->global, library->path);
        if (found == NULL) {
            return false;
        }
        library->needed[library->needed_count++] = found;
    }
    return true;
}

/* `phdr` is where the program headers are in memory. */
static bool link_library(struct library *library) {
    const Elf64_Dyn *dynamic = NULL;
    library->name = library->path;
    for (const char *at = library->path; *at != '\0'; at++) {
        library->name = *at == '/' ? at + 1 : library->name;
    }
    for (size_t i = 0; i < library->phnum; i++) {
        if (library->phdr[i].p_type == PT_DYNAMIC) {
            dynamic = (const Elf64_Dyn *)(library->base + library->phdr[i].p_vaddr);
        }
        if (library->phdr[i].p_type == PT_TLS) {
            return fail("no thread-locals here:", library->name, library->path);
        }
    }
    if (dynamic == NULL) {
        return fail("no dynamic section:", library->name, library->path);
    }
    read_dynamic(library, dynamic);
    return open_needed(library, dynamic) &&
           relocate(library, library->rela, library->rela_count) &&
           relocate(library, library->plt_rela, library->plt_rela_count);
}

static bool map_segment(const Elf64_Phdr *segment, uintptr_t base, int fd) {
    uintptr_t start = base + segment->p_vaddr;
    uintptr_t page = start & ~(uintptr_t)(PAGE - 1);
    uintptr_t file_end = start + segment->p_filesz;
    uintptr_t end = start + segment->p_memsz;
    uintptr_t mapped_end = (file_end + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    int rights = (segment->p_flags & PF_R ? PROT_READ : 0) |
                 (segment->p_flags & PF_W ? PROT_WRITE : 0) |
                 (segment->p_flags & PF_X ? PROT_EXEC : 0);
    size_t offset = segment->p_offset - (start - page);
    if (map(page, mapped_end - page, rights, MAP_PRIVATE | MAP_FIXED, fd, offset) == NULL) {
        return false;
    }
    for (uintptr_t at = file_end; at < mapped_end && (segment->p_flags & PF_W); at++) {
        *(volatile char *)at = 0;
    }
    return end <= mapped_end || map(mapped_end, end - mapped_end, rights,
                                    MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) != NULL;
}

static bool map_library(struct library *library, int fd) {
    const Elf64_Ehdr *header = map(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    if (header == NULL || header->e_machine != EM_AARCH64 || header->e_type != ET_DYN ||
        header->e_phoff + header->e_phnum * sizeof(Elf64_Phdr) > PAGE) {
        return fail("not a library for arm64:", library->path, library->path);
    }
    const Elf64_Phdr *phdr = (const Elf64_Phdr *)((const char *)header + header->e_phoff);
    uintptr_t end = 0;
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (phdr[i].p_type == PT_LOAD && phdr[i].p_vaddr + phdr[i].p_memsz > end) {
            end = phdr[i].p_vaddr + phdr[i].p_memsz;
        }
    }
    library->base = (uintptr_t)map(0, end + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (phdr[i].p_type == PT_LOAD && !map_segment(&phdr[i], library->base, fd)) {
            return fail("can't map", library->path, library->path);
        }
    }
    library->phdr = phdr;
    library->phnum = header->e_phnum;
    return true;
}

/* Along LD_LIBRARY_PATH, then in the system's folder. */
static int search(const char *name, char path[MAX_PATH]) {
    const char *at = library_path;
    while (at != NULL && *at != '\0') {
        size_t used = 0;
        for (; *at != '\0' && *at != ':'; at++) {
            if (used + 1 < MAX_PATH) {
                path[used++] = *at;
            }
        }
        at += *at == ':';
        path[used] = '\0';
        add(path, MAX_PATH, "/");
        add(path, MAX_PATH, name);
        int fd = open_file(path);
        if (fd >= 0) {
            return fd;
        }
    }
    path[0] = '\0';
    add(path, MAX_PATH, "/system/lib64/");
    add(path, MAX_PATH, name);
    return open_file(path);
}

static bool has_slash(const char *text) {
    while (*text != '\0' && *text != '/') {
        text++;
    }
    return *text == '/';
}

static struct library *open_library(const char *name, bool global, const char *for_whom) {
    for (size_t i = 0; i < library_count; i++) {
        if (same(libraries[i].path, name) || same(libraries[i].name, name)) {
            libraries[i].global = libraries[i].global || global;
            return &libraries[i];
        }
    }
    struct library *library = &libraries[library_count];
    if (library_count == MAX_LIBRARIES) {
        fail("too many libraries, at", name, for_whom);
        return NULL;
    }
    library->path[0] = '\0';
    int fd;
    if (has_slash(name)) {
        add(library->path, MAX_PATH, name);
        fd = open_file(name);
    } else {
        fd = search(name, library->path);
    }
    if (fd < 0) {
        fail("library not found:", name, for_whom);
        return NULL;
    }
    bool mapped = map_library(library, fd);
    call(SYS_close, fd, 0, 0, 0, 0, 0);
    if (!mapped) {
        return NULL;
    }
    library_count++;
    library->name = library->path;
    library->global = global;
    return link_library(library) ? library : NULL;
}

static void initialise(struct library *library) {
    if (library->initialised) {
        return;
    }
    library->initialised = true;
    for (size_t i = 0; i < library->needed_count; i++) {
        initialise(library->needed[i]);
    }
    for (size_t i = 0; i < library->constructor_count; i++) {
        if (library->constructors[i] != NULL && (intptr_t)library->constructors[i] != -1) {
            library->constructors[i](arguments.count, arguments.words, arguments.environment);
        }
    }
}

/* --- libdl.so -------------------------------------------------------------------------- */

static void *libdl_dlopen(const char *name, int flags) {
    if (name == NULL) {
        return &libraries[0];
    }
    struct library *library = open_library(name, (flags & 0x100) != 0, "a call of dlopen");
    if (library != NULL) {
        initialise(library);
    }
    return library;
}

static void *libdl_android_dlopen_ext(const char *name, int flags, const void *extra) {
    (void)extra;
    return libdl_dlopen(name, flags);
}

static void *libdl_dlsym(struct library *library, const char *name) {
    visits++;
    /* RTLD_DEFAULT, and RTLD_NEXT for which all will do: nothing here hides a name of the system. */
    bool all = library == NULL || library == (struct library *)-1;
    uintptr_t found = all ? find(NULL, name) : in_tree(library, name);
    if (found == 0) {
        fail("undefined symbol:", name, all ? "all" : library->path);
    }
    return (void *)found;
}

static const char *libdl_dlerror(void) {
    bool had = has_message;
    has_message = false;
    return had ? message : NULL;
}

static int libdl_dlclose(void *library) {
    (void)library;
    return 0;
}

struct symbol_place {
    const char *file;
    void *base;
    const char *name;
    void *address;
};

static int libdl_dladdr(const void *address, struct symbol_place *place) {
    for (size_t i = 0; i < library_count; i++) {
        for (size_t j = 0; j < libraries[i].phnum; j++) {
            const Elf64_Phdr *segment = &libraries[i].phdr[j];
            uintptr_t start = libraries[i].base + segment->p_vaddr;
            if (segment->p_type == PT_LOAD && (uintptr_t)address - start < segment->p_memsz) {
                *place = (struct symbol_place){libraries[i].path, (void *)libraries[i].base,
                                               NULL, NULL};
                return 1;
            }
        }
    }
    return 0;
}

struct phdr_information {
    Elf64_Addr base;
    const char *name;
    const Elf64_Phdr *phdr;
    Elf64_Half phnum;
};

static int libdl_dl_iterate_phdr(int (*visit)(struct phdr_information *, size_t, void *),
                                 void *data) {
    int result = 0;
    for (size_t i = 0; i < library_count && result == 0; i++) {
        struct phdr_information information = {libraries[i].base, libraries[i].path,
                                               libraries[i].phdr,
                                               (Elf64_Half)libraries[i].phnum};
        result = visit(&information, sizeof information, data);
    }
    return result;
}

static uint32_t libdl_target_sdk(void) {
    return 23;
}

static uintptr_t in_libdl(const char *name) {
    static const struct {
        const char *name;
        void *function;
    } FUNCTIONS[] = {
        {"dlopen", libdl_dlopen},
        {"android_dlopen_ext", libdl_android_dlopen_ext},
        {"dlsym", libdl_dlsym},
        {"dlerror", libdl_dlerror},
        {"dlclose", libdl_dlclose},
        {"dladdr", libdl_dladdr},
        {"dl_iterate_phdr", libdl_dl_iterate_phdr},
        {"android_get_application_target_sdk_version", libdl_target_sdk},
    };
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
        if (same(FUNCTIONS[i].name, name)) {
            return (uintptr_t)FUNCTIONS[i].function;
        }
    }
    return 0;
}

/* --- start ----------------------------------------------------------------------------- */

__attribute__((noreturn)) static void give_up(void) {
    add(message, sizeof message, "\n");
    call(SYS_write, 2, (long)message, (long)length(message), 0, 0, 0);
    call(SYS_exit_group, 1, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

static const char *variable(const char *name) {
    size_t size = length(name);
    for (char **entry = arguments.environment; *entry != NULL; entry++) {
        size_t i = 0;
        while (i < size && (*entry)[i] == name[i]) {
            i++;
        }
        if (i == size && (*entry)[size] == '=') {
            return *entry + size + 1;
        }
    }
    return NULL;
}

static uint64_t auxiliary(uint64_t type) {
    for (Elf64_auxv_t *entry = arguments.auxiliary; entry->a_type != AT_NULL; entry++) {
        if (entry->a_type == type) {
            return entry->a_un.a_val;
        }
    }
    return 0;
}

/* The thread that runs this, as the C library finds it: slots of bionic_tls.h, and the first
 * fields of pthread_internal_t, whose size is less than what is here. */
static void make_thread(void) {
    enum { SELF = 0, THREAD = 1, ARGUMENTS = 3, STACK_GUARD = 5 };
    static void *slots[64];
    static struct {
        void *next, *previous;
        int id;
        char rest[16384];
    } thread __attribute__((aligned(16)));
    thread.id = (int)call(SYS_gettid, 0, 0, 0, 0, 0, 0);
    slots[SELF] = slots;
    slots[THREAD] = &thread;
    slots[ARGUMENTS] = &arguments;
    slots[STACK_GUARD] = *(void **)auxiliary(AT_RANDOM);
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(slots));
}

/* Our own addresses, first of all. */
static void relocate_self(uintptr_t base) {
    extern const Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));
    const Elf64_Rela *rela = NULL;
    size_t bytes = 0;
    for (const Elf64_Dyn *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
        rela = entry->d_tag == DT_RELA ? (const Elf64_Rela *)(base + entry->d_un.d_ptr) : rela;
        bytes = entry->d_tag == DT_RELASZ ? entry->d_un.d_val : bytes;
    }
    for (size_t i = 0; i < bytes / sizeof *rela; i++) {
        *(uint64_t *)(base + rela[i].r_offset) = base + (uint64_t)rela[i].r_addend;
    }
}

__attribute__((used)) static uintptr_t start_linker(uintptr_t *stack) {
    uintptr_t count = stack[0];
    char **environment = (char **)(stack + count + 2);
    char **end = environment;
    while (*end != NULL) {
        end++;
    }
    Elf64_auxv_t *vector = (Elf64_auxv_t *)(end + 1);
    for (Elf64_auxv_t *entry = vector; entry->a_type != AT_NULL; entry++) {
        if (entry->a_type == AT_BASE) {
            relocate_self(entry->a_un.a_val);
        }
    }
    arguments.count = (int)count;
    arguments.words = (char **)(stack + 1);
    arguments.environment = environment;
    arguments.auxiliary = vector;
    library_path = variable("LD_LIBRARY_PATH");
    struct library *program = &libraries[library_count++];
    add(program->path, MAX_PATH, arguments.words[0]);
    program->phdr = (const Elf64_Phdr *)auxiliary(AT_PHDR);
    program->phnum = auxiliary(AT_PHNUM);
    program->global = true;
    for (size_t i = 0; i < program->phnum; i++) {
        if (program->phdr[i].p_type == PT_PHDR) {
            program->base = (uintptr_t)program->phdr - program->phdr[i].p_vaddr;
        }
    }
    make_thread();
    if (!link_library(program)) {
        give_up();
    }
    initialise(program);
    return auxiliary(AT_ENTRY);
}

__asm__(".text\n"
        ".global _start\n"
        "_start:\n"
        "    mov x0, sp\n"
        "    mov x19, sp\n"
        "    bl start_linker\n"
        "    mov sp, x19\n"
        "    mov x16, x0\n"
        "    mov x0, #0\n"
        "    br x16\n");
