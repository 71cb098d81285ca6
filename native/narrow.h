// float32 to the 16-bit formats, rounded to nearest, ties to even.
#pragma once
#include "vector.h"

namespace {

INLINE U16 to_bfloat16(F32 x) {
  U32 bits = (U32)x;
  return __builtin_convertvector((bits + u32(0x7fff) + ((bits >> 16) & u32(1))) >> 16, U16);
}

INLINE U16 to_float16(F32 x) {
#if defined(__AVX512F__)
  return (U16)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (U16)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  // Adding a power of two whose last place is float16's rounds there; then the exponent is moved.
  U32 bits = (U32)x, sign = bits & u32(0x80000000), magnitude = bits ^ sign;
  U32 power = magnitude & u32(0x7f800000);
  power = power < u32(0x38800000) ? u32(0x38800000) : power;  // 2^-14: subnormals share their last place
  F32 rounder = (F32)(power + u32(13 << 23));
  F32 rounded = ((F32)magnitude + rounder) - rounder;
  U32 normal = ((U32)rounded - u32(0x38000000)) >> 13;
  U32 subnormal = (U32)(rounded + f32(0.5f)) - u32(0x3f000000);  // 0.5 has the last place 2^-24
  U32 half = rounded < f32(0x1p-14f) ? subnormal : normal;
  half = rounded > f32(65504.0f) ? u32(0x7c00) : half;
  return __builtin_convertvector(half | (sign >> 16), U16);
#endif
}

}  // namespace
