// Compiled once for each instruction set: BUILD names the table it exports.
#include "fill.h"

#include "draw32.h"
#include "draw64.h"
#include "narrow.h"

namespace {

INLINE void put(float* out, F32 x) { store(out, x); }
INLINE void put(double* out, F64 x) { store(out, x); }
INLINE void put(BFloat16* out, F32 x) { store(out, to_bfloat16(x)); }
INLINE void put(Float16* out, F32 x) { store(out, to_float16(x)); }

// Whole tiles from an element that starts one. Blocks of a run share the high half of their number.
template <class Draw, class T>
__attribute__((noinline)) void tiles(T* out, size_t num_tiles, uint64_t start, uint64_t key, const Law& law) {
  const Draw draw(law);
  uint64_t block = start / 4;
  const Schedule schedule(key, block, 0);
  Words words = Philox::words(schedule, (uint32_t)block);
  _Pragma("GCC unroll 1") for (size_t i = 0; i < num_tiles; i++, out += TILE) {
    block += TILE / 4;
    Next next = Next::begin(schedule, (uint32_t)block);
    Tile tile = Draw::draw(draw, words, next);
    EACH put(out + v * LANES, tile.of[v]);
    words = Philox::finish(next.philox, schedule);
  }
}

template <class Draw>
__attribute__((noinline)) void tiles64(double* out, size_t num_tiles, uint64_t start, uint64_t key, const Law& law) {
  const Draw draw(law);
  uint64_t block = start / 4;
  const Schedule leading(key, block, 0), following(key, block, 1);
  _Pragma("GCC unroll 1") for (size_t i = 0; i < num_tiles; i++, block += TILE / 4) {
    Words first = Philox::words(leading, (uint32_t)block), second = Philox::words(following, (uint32_t)block);
    _Pragma("GCC unroll 1") for (int half = 0; half < 2 * VECTORS; half++, out += LANES / 2)
        store(out, Draw::draw(draw, join(first.of[half / 2], second.of[half / 2], half % 2)));
  }
}

// Any elements, from a function of whole tiles: the ends go through a buffer of one tile, and a run ends
// where the high half of the block number changes.
template <class T, class Tiles>
INLINE void fill(T* out, size_t length, uint64_t start, Tiles tiles) {
  constexpr uint64_t RUN = uint64_t(1) << 34;
  alignas(64) T buffer[TILE];
  for (const uint64_t end = start + length; start < end;) {
    const uint64_t skip = start % TILE, left = end - start, in_run = RUN - start % RUN;
    size_t num = (size_t)(left < in_run ? left : in_run) / TILE * TILE;
    if (skip || num == 0) {
      num = (size_t)(left < TILE - skip ? left : TILE - skip);
      tiles(buffer, 1, start - skip);
      memcpy(out, buffer + skip, num * sizeof(T));
    } else {
      tiles(out, num / TILE, start);
    }
    out += num, start += num;
  }
}

template <class Draw, class T>
void fill_with(T* out, size_t length, uint64_t start, uint64_t key, const Law& law) {
  fill(out, length, start, [&](T* to, size_t num, uint64_t from) { tiles<Draw>(to, num, from, key, law); });
}

template <class Draw>
void fill_with64(double* out, size_t length, uint64_t start, uint64_t key, const Law& law) {
  fill(out, length, start, [&](double* to, size_t num, uint64_t from) { tiles64<Draw>(to, num, from, key, law); });
}

void fill_words(uint32_t* out, size_t length, uint64_t start, uint64_t key, uint32_t stream) {
  fill(out, length, start, [&](uint32_t* to, size_t num, uint64_t from) {
    const Schedule schedule(key, from / 4, stream);
    for (size_t i = 0; i < num; i++) {
      Words words = Philox::words(schedule, (uint32_t)(from / 4 + i * (TILE / 4)));
      EACH store(to + i * TILE + v * LANES, words.of[v]);
    }
  });
}

template <class T, class V>
void fill_constant(T* out, size_t length, V value) {
  constexpr size_t NUM = sizeof(V) / sizeof value[0];
  T one[NUM];
  put(one, value);
  size_t i = 0;
  for (; i + NUM <= length; i += NUM) put(out + i, value);
  memcpy(out + i, one, (length - i) * sizeof(T));
}

template <class T>
void constant(T* out, size_t length, uint64_t, uint64_t, const Law& law) {
  fill_constant(out, length, f32((float)law.shift));
}

void constant64(double* out, size_t length, uint64_t, uint64_t, const Law& law) {
  fill_constant(out, length, f64(law.shift));
}

template <class T>
constexpr Fills<T> FILLS = {constant<T>, fill_with<Uniform32, T>, fill_with<Normal32<NONE>, T>,
                            fill_with<Normal32<SYMMETRIC>, T>, fill_with<Normal32<ANY>, T>};

#define TEXT(name) #name
#define NAME(name) TEXT(name)

}  // namespace

const Build BUILD = {NAME(BUILD),
                     fill_words,
                     FILLS<float>,
                     {constant64, fill_with64<Uniform64>, fill_with64<Normal64<NONE>>,
                      fill_with64<Normal64<SYMMETRIC>>, fill_with64<Normal64<ANY>>},
                     FILLS<BFloat16>,
                     FILLS<Float16>};
