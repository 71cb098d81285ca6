// The vectors of one build, and the few operations that C++ has no word for.
//
// GCC's vector extensions say everything else. All names have internal linkage: the linker must never
// merge a function of one build into another, or a plain machine would meet AVX-512 code.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are joined in little-endian order");

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

namespace {

#if defined(__AVX512F__)
constexpr int BYTES = 64, GROUPS = 2;
#elif defined(__AVX2__)
constexpr int BYTES = 32, GROUPS = 2;
#else
constexpr int BYTES = 16, GROUPS = 1;
#endif
constexpr int LANES = BYTES / 4;

typedef float F32 __attribute__((vector_size(BYTES)));
typedef int32_t I32 __attribute__((vector_size(BYTES)));
typedef uint32_t U32 __attribute__((vector_size(BYTES)));
typedef uint16_t U16 __attribute__((vector_size(BYTES / 2)));
typedef double F64 __attribute__((vector_size(BYTES)));
typedef int64_t I64 __attribute__((vector_size(BYTES)));
typedef uint64_t U64 __attribute__((vector_size(BYTES)));

// One value in all lanes. Subtracting zero keeps -0.
INLINE F32 f32(float x) { return x - F32{}; }
INLINE F64 f64(double x) { return x - F64{}; }
INLINE U32 u32(uint32_t x) { return x + U32{}; }
INLINE U64 u64(uint64_t x) { return x + U64{}; }

template <class V, class T>
INLINE void store(T* out, V v) {
  memcpy(out, &v, sizeof v);
}

// The product of the low halves of 64-bit lanes.
INLINE U64 multiply(U64 a, U64 b) {
#if defined(__AVX512F__)
  return (U64)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (U64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (U64)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
  return (U64)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
  return (a & u64(0xffffffff)) * (b & u64(0xffffffff));
#endif
}

// The high halves, with anything above them: a shuffle where shifts share a port with multiply.
INLINE U64 high(U64 a) {
#if defined(__AVX512F__)
  return (U64)_mm512_shuffle_epi32((__m512i)a, (_MM_PERM_ENUM)0xF5);
#elif defined(__AVX2__)
  return (U64)_mm256_shuffle_epi32((__m256i)a, 0xF5);
#else
  return a >> 32;
#endif
}

// The halves of 64-bit lanes, exchanged.
INLINE U64 swap_halves(U64 a) {
#if defined(__AVX512F__)
  return (U64)_mm512_shuffle_epi32((__m512i)a, (_MM_PERM_ENUM)0xB1);
#elif defined(__AVX2__)
  return (U64)_mm256_shuffle_epi32((__m256i)a, 0xB1);
#else
  return a >> 32 | a << 32;
#endif
}

INLINE U64 exclusive_or(U64 a, U64 b, U64 c) {
#if defined(__AVX512F__)
  return (U64)_mm512_ternarylogic_epi64((__m512i)a, (__m512i)b, (__m512i)c, 0x96);
#else
  return a ^ b ^ c;
#endif
}

// Both inputs' 64-bit lanes in turn, so that counters in the order COUNTERS leave in memory order.
#if defined(__AVX512F__)
#define COUNTERS {0, 4, 1, 5, 2, 6, 3, 7}
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define SECOND_HALF(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#elif defined(__AVX2__)
#define COUNTERS {0, 2, 1, 3}
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define SECOND_HALF(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#else
#define COUNTERS {0, 1}
#define FIRST_HALF(a, b) __builtin_shufflevector(a, b, 0, 2)
#define SECOND_HALF(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

// a b + c, rounded once. Without the instruction the C library rounds as exactly, and slowly.
INLINE F32 fma(F32 a, F32 b, F32 c) {
#if defined(__AVX512F__)
  return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (F32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  for (int i = 0; i < LANES; i++) a[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return a;
#endif
}

INLINE F64 fma(F64 a, F64 b, F64 c) {
#if defined(__AVX512F__)
  return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
  return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
  return (F64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  for (int i = 0; i < LANES / 2; i++) a[i] = __builtin_fma(a[i], b[i], c[i]);
  return a;
#endif
}

INLINE F32 square_root(F32 a) {
  for (int i = 0; i < LANES; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
}

INLINE F64 square_root(F64 a) {
  for (int i = 0; i < LANES / 2; i++) a[i] = __builtin_sqrt(a[i]);
  return a;
}

INLINE bool any_below(F32 a, float limit) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)a, _mm512_set1_ps(limit), _CMP_LT_OQ) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps((__m256)a, _mm256_set1_ps(limit), _CMP_LT_OQ)) != 0;
#elif defined(__x86_64__)
  return _mm_movemask_ps(_mm_cmplt_ps((__m128)a, _mm_set1_ps(limit))) != 0;
#elif defined(__aarch64__)
  return vmaxvq_u32(vcltq_f32((float32x4_t)a, vdupq_n_f32(limit))) != 0;
#else
  bool found = false;
  for (int i = 0; i < LANES; i++) found |= a[i] < limit;
  return found;
#endif
}

INLINE bool any_below(F64 a, double limit) {
#if defined(__AVX512F__)
  return _mm512_cmp_pd_mask((__m512d)a, _mm512_set1_pd(limit), _CMP_LT_OQ) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_pd(_mm256_cmp_pd((__m256d)a, _mm256_set1_pd(limit), _CMP_LT_OQ)) != 0;
#else
  bool found = false;
  for (int i = 0; i < LANES / 2; i++) found |= a[i] < limit;
  return found;
#endif
}

INLINE F32 with_sign_of(F32 magnitude, U32 words) {
#if defined(__AVX512F__)
  __m512i sign = _mm512_set1_epi32((int)0x80000000);
  return (F32)_mm512_ternarylogic_epi32((__m512i)magnitude, (__m512i)words, sign, 0x78);
#else
  return (F32)((U32)magnitude ^ (words & u32(0x80000000)));
#endif
}

}  // namespace
