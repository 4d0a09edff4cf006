/*
 * kernels/top_k.h: the scratch that the kernel of top-k needs.
 */
#ifndef QN_KERNELS_TOP_K_H
#define QN_KERNELS_TOP_K_H

#include <stddef.h>

/* Numbers that are gathered before all but k are dropped. */
static inline size_t qn_top_k_room(size_t k) { return 2 * k + 64; }

/* 64-bit words: room to gather, and to sort. */
static inline size_t qn_top_k_scratch(size_t k) { return qn_top_k_room(k) + k; }

#endif
