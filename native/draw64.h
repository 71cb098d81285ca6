// From words to float64 numbers: 52 bits of magnitude from two words, and the float32 scheme with more terms.
#pragma once
#include "coefficients64.h"
#include "draw32.h"

namespace {

constexpr uint64_t MAGNITUDE64 = (uint64_t(1) << 52) - 1;

struct Words64 {
  U64 magnitude, sign;
};

// Half of two vectors of words: those of stream 0 lead, those of stream 1 follow.
INLINE Words64 join(U32 leading, U32 following, int half) {
  typedef uint32_t Half __attribute__((vector_size(BYTES / 2)));
  Half parts[2][2];
  memcpy(parts[0], &leading, sizeof leading);
  memcpy(parts[1], &following, sizeof following);
  U64 first = __builtin_convertvector(parts[0][half], U64), second = __builtin_convertvector(parts[1][half], U64);
  return {((first & u64(0x7fffffff)) << 21) | (second >> 11), (first >> 31) << 63};
}

// An integer below 2^52, exactly.
INLINE F64 to_double(U64 n) { return (F64)(n | u64(0x4330000000000000)) - f64(0x1p52); }

INLINE F64 with_sign(F64 magnitude, U64 sign) { return (F64)((U64)magnitude ^ sign); }

template <int NUM>
INLINE F64 polynomial(const double (&coefficients)[NUM], F64 x) {
  F64 value = f64(coefficients[NUM - 1]);
  UNROLL for (int i = NUM - 2; i >= 0; i--) value = fma(value, x, f64(coefficients[i]));
  return value;
}

struct Uniform64 {
  double scale, shift;

  explicit Uniform64(const Law& law) : scale(law.scale), shift(law.shift) {}

  INLINE F64 draw(const Uniform64& d, const Words64& w) {
    return fma(with_sign(to_double(w.magnitude | u64(1)), w.sign), f64(d.scale), f64(d.shift));
  }
};

template <Ends ENDS>
struct Normal64 {
  Law law;

  explicit Normal64(const Law& law) : law(law) {}

  INLINE F64 draw(const Normal64& d, const Words64& w) {
    // All of these are exact: x + u = 1.
    F64 x = (to_double(w.magnitude) + f64(0.5)) * f64(0x1p-52);
    F64 u = (to_double(w.magnitude ^ u64(MAGNITUDE64)) + f64(0.5)) * f64(0x1p-52);
    U64 sign = w.sign;
    if (ENDS == SYMMETRIC) u = fma(u, f64(d.law.between), f64(d.law.below));
    if (ENDS == ANY) {
      F64 far = f64(1) + x;
      auto negative = sign != U64{};
      F64 above = fma(negative ? far : u, f64(d.law.between), f64(d.law.above));
      F64 below = fma(negative ? u : far, f64(d.law.between), f64(d.law.below));
      u = below < above ? below : above;
      x = f64(1) - u;
      sign = (U64)(below < above) << 63;
    }
    F64 log = log2(u * fma(u, f64(-1), f64(2)));
    F64 ratio = polynomial(CENTRE64, log * f64(0.25) + f64(1));
    if (__builtin_expect(any_below(log, -8), 0)) {
      F64 y = square_root(-log);
      F64 near = polynomial(TAIL64, y - f64(TAIL64_MIDDLE)), far = polynomial(FAR64, y - f64(FAR64_MIDDLE));
      F64 tail = y < f64(FAR64_START) ? near : far;
      ratio = log < f64(-8) ? tail : ratio;
    }
    F64 value = fma(with_sign(x * ratio, sign), f64(d.law.scale), f64(d.law.shift));
    if (ENDS != NONE) value = value < f64(d.law.low) ? f64(d.law.low) : value;
    if (ENDS != NONE) value = value > f64(d.law.high) ? f64(d.law.high) : value;
    return value;
  }

  INLINE F64 log2(F64 t) {
    constexpr uint64_t SQRT_HALF = 0x3fe6a09e667f3bcd, SPAN = 64;  // t is above 2^-64
    U64 bits = (U64)t, above = (bits - u64(SQRT_HALF) + u64(SPAN << 52)) >> 52;
    F64 f = (F64)(bits - (above << 52) + u64(SPAN << 52)) - f64(1);
    return fma(polynomial(LOG2_64, f), f, to_double(above) - f64(SPAN));
  }
};

}  // namespace
