// One build of the fills: for each distribution and dtype a function that writes elements `start` to
// `start + length` of the flattened tensor whose key this is. No state, no allocation, no threads.
#pragma once
#include <cstddef>
#include <cstdint>

#include "law.h"

// bfloat16 and float16 as their bits.
struct BFloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

template <class T>
using Fill = void (*)(T* out, size_t length, uint64_t start, uint64_t key, const Law& law);

template <class T>
struct Fills {
  Fill<T> constant, uniform, normal, truncated_normal, normal_between;
};

struct Build {
  const char* name;
  void (*words)(uint32_t* out, size_t length, uint64_t start, uint64_t key, uint32_t stream);
  Fills<float> float32;
  Fills<double> float64;
  Fills<BFloat16> bfloat16;
  Fills<Float16> float16;
};

extern const Build plain, avx2, avx512;
