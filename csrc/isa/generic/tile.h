/*
 * isa/generic/tile.h: the tile of the float32 matrix product.
 *
 * 8 sums, 2 vectors of B, one of A and one product, for 16 registers and
 * no fused multiply-add.
 */
#ifndef QUERN_ISA_TILE_H
#define QUERN_ISA_TILE_H

#define QN_TILE_ROWS 4
#define QN_TILE_VECTORS 2 /* across; they divide a panel */
#define QN_LINE_VECTORS 8 /* across where a tile has one row */

#endif
