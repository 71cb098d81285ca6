// Every fill of one build on the edges of memory and of the index: each array is a heap block of exactly its
// size, for the sanitizers to watch, and is compared with its part of a longer one. Prints a checksum.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "fill.h"

constexpr uint64_t KEY = 0x123456789abcdef0;
static uint64_t checksum = 14695981039346656037u;  // FNV-1a

template <class T, class Write>
static void at_edges(Write write) {
  // Near 270482189 and 441083305 this key has words of the far tail.
  const uint64_t starts[] = {0, 1, 63, 270482000, 441083200, (uint64_t(1) << 34) - 70, (uint64_t(1) << 34) - 1, (uint64_t(1) << 62) + 5};
  const size_t lengths[] = {0, 1, 2, 3, 31, 64, 65, 127, 128, 129, 300};
  for (uint64_t start : starts) {
    std::vector<T> whole(301);
    write(whole.data(), whole.size(), start);
    for (size_t length : lengths) {
      for (size_t offset : {0, 1}) {
        T* block = (T*)malloc((length + offset) * sizeof(T));  // an offset of one leaves no vector aligned
        write(block + offset, length, start + 1);
        if (length && memcmp(block + offset, whole.data() + 1, length * sizeof(T))) {
          std::printf("start %llu length %zu differs from its part of the whole\n", (unsigned long long)start, length);
          std::exit(1);
        }
        for (size_t i = offset * sizeof(T); i < (length + offset) * sizeof(T); i++)
          checksum = (checksum ^ ((unsigned char*)block)[i]) * 1099511628211u;
        free(block);
      }
    }
  }
}

template <class T>
static void all(const Fills<T>& fills) {
  const Law law{0.5, 0.25, 0.1, 0.8, 0.1, -0.3, 0.7};
  for (Fill<T> fill : {fills.uniform, fills.normal, fills.truncated_normal, fills.normal_between})
    at_edges<T>([&](T* out, size_t length, uint64_t start) { fill(out, length, start, KEY, law); });
  T value[70];
  fills.constant(value, 70, 0, 0, law);
}

int main() {
  at_edges<uint32_t>([](uint32_t* out, size_t length, uint64_t start) { BUILD.words(out, length, start, KEY, 3); });
  all(BUILD.float32);
  all(BUILD.float64);
  all(BUILD.bfloat16);
  all(BUILD.float16);
  std::printf("%016llx\n", (unsigned long long)checksum);
}
