/*
 * isa/avx512vnni/vec.h: floats are treated as on AVX-512 without VNNI; only
 * integer dot products differ.
 */
#include "../avx512/vec.h"
