/*
 * Pairs of taking and giving back memory, done in C: what they cost without the
 * way through JavaScript. `quern bench pool --peer` compiles this file into a
 * shared library, and times one call that does many pairs.
 *
 * The pool's functions come as addresses, so that the library that is already open
 * is the one that is measured. Nothing is written into the memory.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef int32_t (*pool_rent)(uint64_t *block_out, size_t bytes, uint32_t alignment,
                             uint32_t isolate);
typedef int32_t (*pool_return)(void *block, uint32_t generation, uint32_t isolate);

/* Keeps the compiler from leaving out memory that nobody uses. */
static _Thread_local void *volatile seen;

/* `count` pairs of malloc and free; returns how many of them got memory. */
EXPORT uint32_t malloc_pairs(size_t bytes, uint32_t count) {
  uint32_t served = 0;
  for (uint32_t i = 0; i < count; i++) {
    void *block = malloc(bytes);
    seen = block;
    served += block != NULL;
    free(block);
  }
  return served;
}

/* `count` pairs of qn_pool_rent and qn_pool_return; returns how many were served. */
EXPORT uint32_t pool_pairs(uintptr_t rent, uintptr_t give_back, size_t bytes, uint32_t count) {
  uint32_t served = 0;
  uint64_t block[8];
  for (uint32_t i = 0; i < count; i++) {
    if (((pool_rent)rent)(block, bytes, 64, 0) != 0) continue;
    seen = (void *)(uintptr_t)block[0];
    served += ((pool_return)give_back)((void *)(uintptr_t)block[0], 0, 0) == 0;
  }
  return served;
}
