/* Where the kernel's work ends and main begins: _start, as Android's C library expects it.
 *
 * Source: AOSP platform/bionic, libc/arch-common/bionic/crtbegin.c, libc/bionic/libc_init_dynamic.cpp
 * and libc/private/KernelArgumentBlock.h.
 */

/* preinit, init and fini arrays, and since Android 14 the counts of the three, which only static
 * programs read. The linker has run the first two; a null third says that this program has no
 * destructors, which is so: it is plain C, and a test holds that there are no such sections. */
struct structors {
    void *arrays[3];
    unsigned long counts[3];
};

extern int main(int count, char **words);
extern void __libc_init(void *raw_arguments, void (*on_exit)(void),
                        int (*program)(int, char **), const struct structors *structors)
    __attribute__((noreturn));

/* `raw_arguments` is the stack as the kernel left it: argc, argv, environment, auxiliary vector. */
__attribute__((used, noreturn)) static void start_program(void *raw_arguments) {
    static const struct structors NONE;
    __libc_init(raw_arguments, 0, main, &NONE);
}

/* Frame pointer and return address are cleared, so that whoever unwinds a crash stops here. On
 * x86_64 the call has to find the stack aligned to 16 bytes (System V ABI, 3.2.2); on arm64 it
 * always is. */
#if defined(__aarch64__)
__asm__(".text\n"
        ".global _start\n"
        ".type _start, %function\n"
        "_start:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    b start_program\n"
        ".size _start, .-_start\n");
#elif defined(__x86_64__)
__asm__(".text\n"
        ".global _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    movq %rsp, %rdi\n"
        "    andq $-16, %rsp\n"
        "    call start_program\n"
        ".size _start, .-_start\n");
#else
#error "no start-up for this architecture"
#endif
