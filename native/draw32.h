// From words to float32 numbers, a tile at a time.
//
// Every function takes the tile whose words are there and the tile `next` whose words are in the making:
// rounds of Philox stand between the steps of the polynomials, so that neither waits for itself.
#pragma once
#include "coefficients.h"
#include "law.h"
#include "philox.h"

namespace {

constexpr uint32_t MAGNITUDE = 0x7fffffff;

struct Tile {
  F32 of[VECTORS];
};

// The tile after this one, a few rounds at a time.
struct Next {
  const Schedule& schedule;
  Philox philox;

  INLINE Next begin(const Schedule& s, uint32_t block) { return {s, Philox::begin(s, block)}; }
  template <int FIRST, int LAST>
  INLINE void rounds(Next& n) {
    UNROLL for (int r = FIRST; r <= LAST; r++) Philox::round(n.philox, n.schedule, r);
  }
};

#define EACH UNROLL for (int v = 0; v < VECTORS; v++)

struct Uniform32 {
  float scale, shift;

  explicit Uniform32(const Law& law) : scale((float)law.scale), shift((float)law.shift) {}

  // An odd integer, exactly symmetric about 0 and never 0, then one fused multiply-add.
  INLINE Tile draw(const Uniform32& d, const Words& w, Next& next) {
    Tile out;
    Next::rounds<3, 5>(next);
    EACH {
      F32 odd = __builtin_convertvector((I32)((w.of[v] & u32(MAGNITUDE)) | u32(1)), F32);
      out.of[v] = fma(with_sign_of(odd, w.of[v]), f32(d.scale), f32(d.shift));
    }
    Next::rounds<6, 9>(next);
    return out;
  }
};

// What part of the normal distribution is drawn from.
enum Ends { NONE, SYMMETRIC, ANY };

// The inverse distribution function.
//
// In units of 2^-31: `x + 1/2` is the distance from the middle, `u + 1/2` from the far end, each from the
// integer itself. The powers of two are folded into the constants, which changes no bit. Symmetric ends map
// u to `below + between u`, and leave a factor `between` of x to `scale`. Other ends take the smaller of the
// two distances, and x from it. Where there are ends, the last step holds what rounding might carry over them.
template <Ends ENDS>
struct Normal32 {
  float scale, shift, below, between, above, low, high;

  explicit Normal32(const Law& law)
      : scale((float)law.scale),
        shift((float)law.shift),
        below((float)law.below * 0x1p31f),
        between((float)law.between),
        above((float)law.above * 0x1p31f),
        low((float)law.low),
        high((float)law.high) {}

  INLINE Tile draw(const Normal32& d, const Words& words, Next& next) {
    Words w = words;
    F32 u[VECTORS], f[VECTORS], exponent[VECTORS], log[VECTORS], ratio[VECTORS];
    EACH {
      u[v] = from_end(w.of[v]);
      if (ENDS == SYMMETRIC) u[v] = fma(u[v], f32(d.between), f32(d.below));
      if (ENDS == ANY) {
        F32 far = f32(0x1p31f) + from_middle(w.of[v]);
        auto negative = (I32)w.of[v] < I32{};
        F32 above = fma(negative ? far : u[v], f32(d.between), f32(d.above));
        F32 below = fma(negative ? u[v] : far, f32(d.between), f32(d.below));
        u[v] = below < above ? below : above;
        w.of[v] = (U32)(below < above);
      }
      f[v] = u[v] * fma(u[v], f32(-0x1p-62f), f32(0x1p-30f));  // u (2 - u) = 1 - x^2
    }
    Next::rounds<3, 3>(next);
    EACH {
      U32 bits = (U32)f[v], power = (bits - u32(0x3f3504f3)) & u32(0xff800000);  // the float sqrt(1/2)
      f[v] = (F32)(bits - power) - f32(1.0f);
      exponent[v] = __builtin_convertvector((I32)power, F32);
    }
    Next::rounds<4, 4>(next);
    EACH log[v] = fma(f32(LOG2[7] * 0x1p23f), f[v], f32(LOG2[6] * 0x1p23f));
    UNROLL for (int i = 5; i >= 3; i--) EACH log[v] = fma(log[v], f[v], f32(LOG2[i] * 0x1p23f));
    Next::rounds<5, 5>(next);
    UNROLL for (int i = 2; i >= 0; i--) EACH log[v] = fma(log[v], f[v], f32(LOG2[i] * 0x1p23f));
    EACH log[v] = fma(fma(log[v], f[v], exponent[v]), f32(0x1p-23f), f32(4.0f));
    Next::rounds<6, 6>(next);
    EACH ratio[v] = fma(f32(CENTRE[9] * 0x1p-31f), log[v], f32(CENTRE[8] * 0x1p-31f));
    UNROLL for (int i = 7; i >= 5; i--) EACH ratio[v] = fma(ratio[v], log[v], f32(CENTRE[i] * 0x1p-31f));
    Next::rounds<7, 7>(next);
    UNROLL for (int i = 4; i >= 2; i--) EACH ratio[v] = fma(ratio[v], log[v], f32(CENTRE[i] * 0x1p-31f));
    Next::rounds<8, 8>(next);
    UNROLL for (int i = 1; i >= 0; i--) EACH ratio[v] = fma(ratio[v], log[v], f32(CENTRE[i] * 0x1p-31f));
    Next::rounds<9, 9>(next);
    EACH if (__builtin_expect(any_below(log[v], -4.0f), 0)) ratio[v] = log[v] < f32(-4.0f) ? tail(log[v]) : ratio[v];
    Tile out;
    EACH {
      F32 x = ENDS == ANY ? f32(0x1p31f) - u[v] : from_middle(w.of[v]);
      F32 value = fma(with_sign_of(x * ratio[v], w.of[v]), f32(d.scale), f32(d.shift));
      if (ENDS != NONE) value = value < f32(d.low) ? f32(d.low) : value;
      if (ENDS != NONE) value = value > f32(d.high) ? f32(d.high) : value;
      out.of[v] = value;
    }
    return out;
  }

  INLINE F32 from_middle(U32 w) { return __builtin_convertvector((I32)(w & u32(MAGNITUDE)), F32) + f32(0.5f); }
  INLINE F32 from_end(U32 w) { return __builtin_convertvector((I32)(~w & u32(MAGNITUDE)), F32) + f32(0.5f); }

  INLINE F32 tail(F32 log) {
    F32 y = square_root(f32(4.0f) - log) - f32(4.1875f), ratio = f32(TAIL[9] * 0x1p-31f);
    UNROLL for (int i = 8; i >= 0; i--) ratio = fma(ratio, y, f32(TAIL[i] * 0x1p-31f));
    return ratio;
  }
};

}  // namespace
