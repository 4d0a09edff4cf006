/*
 * vec_storage.h: dtypes that are stored in fewer bytes and widened to float32: halves,
 * bytes and nibbles; and the exponents of floats. vec_common.h includes it where a
 * qn_real is a float.
 */
#ifndef QUERN_ISA_VEC_STORAGE_H
#define QUERN_ISA_VEC_STORAGE_H

/* QN_LANES bfloat16 (two bytes each) as floats: exact, the upper half of the
 * float; a signalling NaN stays one. */
QN_INLINE qn_vf qn_vload_bf16(const void *p) {
  typedef uint16_t half_words __attribute__((ext_vector_type(QN_LANES)));
  typedef uint32_t words __attribute__((ext_vector_type(QN_LANES)));
  half_words h;
  __builtin_memcpy(&h, p, sizeof h);
  words w = __builtin_convertvector(h, words) << 16;
  qn_vf v;
  __builtin_memcpy(&v, &w, sizeof v);
  return v;
}

/* Rounded to nearest, ties to even; NaN is made quiet and keeps its payload. */
QN_INLINE void qn_vstore_bf16(void *p, qn_vf v) {
  typedef uint16_t half_words __attribute__((ext_vector_type(QN_LANES)));
  typedef uint32_t words __attribute__((ext_vector_type(QN_LANES)));
  words bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  words rounded = bits + 0x7fff + (bits >> 16 & 1);
  rounded = v != v ? bits | 0x400000 : rounded;
  half_words h = __builtin_convertvector(rounded >> 16, half_words);
  __builtin_memcpy(p, &h, sizeof h);
}

/* QN_LANES int8 as floats. */
QN_INLINE qn_vf qn_vload_i8(const void *p) {
  typedef int8_t bytes __attribute__((ext_vector_type(QN_LANES)));
  bytes b;
  __builtin_memcpy(&b, p, sizeof b);
  return qn_vto_float(__builtin_convertvector(b, qn_vi));
}

/* The low, or the high, four bits of QN_LANES bytes, as floats 0 .. 15. In a
 * block of Q4_0 or Q4_1, byte j holds element j low and element j + 16 high. */
QN_INLINE qn_vf qn_vload_u4_low(const void *p) {
  return qn_vto_float(qn_vload_u8_i32(p) & 15);
}

QN_INLINE qn_vf qn_vload_u4_high(const void *p) {
  return qn_vto_float(qn_vload_u8_i32(p) >> 4);
}

/* qn_vscale for instruction sets without one for it: half of n is added to the
 * exponent, which stays normal, and the other half multiplied, which may round. A NaN
 * in n becomes an integer (0 or the smallest) that leaves v's NaN one. */
QN_INLINE qn_vf qn_vscale_steps(qn_vf v, qn_vf n) {
  qn_vi exponent = qn_vto_i32(n);
  qn_vi half = exponent >> 1;
  qn_vf first = qn_vfrom_bits(qn_vbits(v) + (half << 23));
  return first * qn_vfrom_bits((exponent - half + 127) << 23);
}

/* The first n of QN_LANES half-width elements, zero in the rest, for the two
 * functions below. */
QN_INLINE void qn_vcopy_half_words(uint16_t *lanes, const void *p, size_t n) {
  const uint8_t *bytes = p;
  for (size_t i = 0; i < QN_LANES; i += 1) {
    lanes[i] = 0;
    if (i < n) __builtin_memcpy(&lanes[i], bytes + 2 * i, 2);
  }
}

QN_INLINE qn_vf qn_vload_bf16_n(const void *p, size_t n) {
  uint16_t lanes[QN_LANES];
  qn_vcopy_half_words(lanes, p, n);
  return qn_vload_bf16(lanes);
}

QN_INLINE qn_vf qn_vload_f16(const void *p);

QN_INLINE qn_vf qn_vload_f16_n(const void *p, size_t n) {
  uint16_t lanes[QN_LANES];
  qn_vcopy_half_words(lanes, p, n);
  return qn_vload_f16(lanes);
}

#endif
