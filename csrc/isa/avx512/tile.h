/*
 * isa/avx512/tile.h: the tile of the float32 matrix product.
 *
 * 24 sums, 4 vectors of B and one of A: 29 of 32 registers.
 */
#ifndef QUERN_ISA_TILE_H
#define QUERN_ISA_TILE_H

#define QN_TILE_ROWS 6
#define QN_TILE_VECTORS 4 /* across; they divide a panel */
#define QN_LINE_VECTORS 4 /* across where a tile has one row */

#endif
