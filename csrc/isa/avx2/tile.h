/*
 * isa/avx2/tile.h: the tile of the float32 matrix product.
 *
 * 12 sums, 2 vectors of B and one of A: 15 of 16 registers.
 */
#ifndef QUERN_ISA_TILE_H
#define QUERN_ISA_TILE_H

#define QN_TILE_ROWS 6
#define QN_TILE_VECTORS 2 /* across; they divide a panel */
#define QN_LINE_VECTORS 8 /* across where a tile has one row */

#endif
