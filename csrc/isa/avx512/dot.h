/*
 * isa/avx512/dot.h: as on AVX2, whose instructions have no wider form that
 * moves a sign (PSIGNB); only more registers are there to hold accumulators.
 */
#include "../avx2/dot.h"

#undef QN_DOT_ROWS
#define QN_DOT_ROWS 4
