/* Tells the allocator of glibc to give back what is freed. As it comes, each thread has an arena of its own that keeps the
 * room of blocks of a megabyte for ever: 4 MB of 17 (docs/adr/028). There is no way to say this without unsafe in Rust. */
#include <malloc.h>

__attribute__((constructor)) static void give_back(void) {
    mallopt(M_ARENA_MAX, 1);
    /* The threshold from which on a block is mapped by itself does not grow any more with this one set. */
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
}
