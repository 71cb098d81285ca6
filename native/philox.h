// Philox4x32-10 of consecutive counters, a tile at a time.
//
// Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, table 2.
#pragma once
#include "vector.h"

namespace {

constexpr int VECTORS = 2 * GROUPS, TILE = VECTORS * LANES;  // words that one tile holds
constexpr uint32_t M0 = 0xD2511F53, M1 = 0xCD9E8D57, W0 = 0x9E3779B9, W1 = 0xBB67AE85;

struct Words {
  U32 of[VECTORS];
};

// What does not change while blocks share their high half. Of the counter (block low, block high,
// stream, 0) only the first word differs between lanes, so half of the first two rounds is constant.
struct Schedule {
  uint32_t key0, key1, first1, second0, second2, second3;

  Schedule(uint64_t key, uint64_t block, uint32_t stream) : key0((uint32_t)key), key1((uint32_t)(key >> 32)) {
    uint64_t product1 = (uint64_t)M1 * stream;
    uint32_t first0 = (uint32_t)(product1 >> 32) ^ (uint32_t)(block >> 32) ^ key0;
    uint64_t product0 = (uint64_t)M0 * first0;
    first1 = key1;
    second0 = (uint32_t)product1 ^ (key0 + W0);
    second2 = (uint32_t)(product0 >> 32) ^ (key1 + W1);
    second3 = (uint32_t)product0;
  }
};

struct Philox {
  U64 c0[GROUPS], c1[GROUPS], c2[GROUPS], c3[GROUPS];

  // Rounds 1 and 2 of a tile whose first block has this low half.
  INLINE Philox begin(const Schedule& s, uint32_t block) {
    const U64 counters = COUNTERS;
    Philox p;
    UNROLL for (int g = 0; g < GROUPS; g++) {
      U64 product0 = multiply(u64(M0), u64(block + g * (LANES / 2)) + counters);
      U64 product1 = multiply(u64(M1), high(product0) ^ u64(s.first1));
      p.c0[g] = high(product1) ^ u64(s.second0);
      p.c1[g] = product1;
      p.c2[g] = product0 ^ u64(s.second2);
      p.c3[g] = u64(s.second3);
    }
    return p;
  }

  // Round r, 3 to 9. Only the low halves of the lanes count; what stands above them is left there.
  INLINE void round(Philox& p, const Schedule& s, int r) {
    const U64 key0 = u64(s.key0 + W0 * (uint32_t)(r - 1)), key1 = u64(s.key1 + W1 * (uint32_t)(r - 1));
    UNROLL for (int g = 0; g < GROUPS; g++) {
      U64 product0 = multiply(u64(M0), p.c0[g]), product1 = multiply(u64(M1), p.c2[g]);
      p.c0[g] = exclusive_or(high(product1), p.c1[g], key0);
      p.c1[g] = product1;
      p.c2[g] = exclusive_or(high(product0), p.c3[g], key1);
      p.c3[g] = product0;
    }
  }

  // Round 10, and the words in the order of their elements.
  INLINE Words finish(const Philox& p, const Schedule& s) {
    const U64 low = u64(0xffffffff), key0 = u64(s.key0 + W0 * 9u), key1 = u64(s.key1 + W1 * 9u);
    Words w;
    UNROLL for (int g = 0; g < GROUPS; g++) {
      U64 product0 = multiply(u64(M0), p.c0[g]), product1 = multiply(u64(M1), p.c2[g]);
      U64 a = swap_halves(product1) ^ ((p.c1[g] ^ key0) & low), b = swap_halves(product0) ^ ((p.c3[g] ^ key1) & low);
      w.of[2 * g] = (U32)FIRST_HALF(a, b);
      w.of[2 * g + 1] = (U32)SECOND_HALF(a, b);
    }
    return w;
  }

  INLINE Words words(const Schedule& s, uint32_t block) {
    Philox p = begin(s, block);
    UNROLL for (int r = 3; r < 10; r++) round(p, s, r);
    return finish(p, s);
  }
};

}  // namespace
