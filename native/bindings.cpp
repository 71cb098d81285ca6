// The builds that this machine can run, as submodules of NumPy-facing functions. No arithmetic here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cfenv>
#include <stdexcept>

#include "fill.h"

namespace nb = nanobind;

// bfloat16, which NumPy cannot name, travels as uint16.
template <>
struct nb::detail::dtype_traits<BFloat16> {
  static constexpr nb::dlpack::dtype value{(uint8_t)nb::dlpack::dtype_code::UInt, 16, 1};
  static constexpr auto name = const_name("uint16");
};
template <>
struct nb::detail::dtype_traits<Float16> {
  static constexpr nb::dlpack::dtype value{(uint8_t)nb::dlpack::dtype_code::Float, 16, 1};
  static constexpr auto name = const_name("float16");
};

namespace {

template <class T>
using Array = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu>;

// Default rounding and no flushing of subnormals, whatever the calling thread has set.
class DefaultArithmetic {
 public:
  DefaultArithmetic() {
    fegetenv(&saved_);
    fesetenv(FE_DFL_ENV);
  }
  ~DefaultArithmetic() { fesetenv(&saved_); }

 private:
  fenv_t saved_;
};

// Span after span of one length: part i of `out` holds the elements from starts[i] on.
template <class T, class Write>
void write_spans(const Array<T>& out, const Array<const uint64_t>& starts, Write write) {
  const size_t num = starts.size(), length = num ? out.size() / num : 0;
  if (length * num != out.size()) throw std::invalid_argument("out is not as long as the spans together");
  T* to = out.data();
  const uint64_t* start = starts.data();
  for (size_t i = 0; i < num; i++)
    if (start[i] + length < start[i]) throw std::invalid_argument("a span goes beyond element 2^64");
  nb::gil_scoped_release released;
  DefaultArithmetic arithmetic;
  for (size_t i = 0; i < num; i++) write(to + i * length, length, start[i]);
}

template <class T>
void define(nb::module_& m, const char* name, Fill<T> fill) {
  m.def(
      name,
      [fill](Array<T> out, Array<const uint64_t> starts, uint64_t key, const Law& law) {
        write_spans(out, starts, [&](T* to, size_t length, uint64_t start) { fill(to, length, start, key, law); });
      },
      nb::arg("out").noconvert(), nb::arg("starts").noconvert(), nb::arg("key"), nb::arg("law"));
}

template <class T>
void define(nb::module_& m, const Fills<T>& fills) {
  define(m, "constant", fills.constant);
  define(m, "uniform", fills.uniform);
  define(m, "normal", fills.normal);
  define(m, "truncated_normal", fills.truncated_normal);
  define(m, "normal_between", fills.normal_between);
}

void define(nb::module_& parent, const Build& build) {
  nb::module_ m = parent.def_submodule(build.name);
  m.def(
      "words",
      [words = build.words](Array<uint32_t> out, Array<const uint64_t> starts, uint64_t key, uint32_t stream) {
        write_spans(out, starts,
                    [&](uint32_t* to, size_t length, uint64_t start) { words(to, length, start, key, stream); });
      },
      nb::arg("out").noconvert(), nb::arg("starts").noconvert(), nb::arg("key"), nb::kw_only(), nb::arg("stream") = 0);
  define(m, build.float32);
  define(m, build.float64);
  define(m, build.bfloat16);
  define(m, build.float16);
  parent.attr("best") = m;
}

}  // namespace

NB_MODULE(_native, m) {
  nb::set_leak_warnings(false);  // the core caches laws until the interpreter is gone
  nb::class_<Law>(m, "Law")
      .def(
          "__init__",
          [](Law* law, double scale, double shift, double below, double between, double above, double low,
             double high) { new (law) Law{scale, shift, below, between, above, low, high}; },
          nb::kw_only(), nb::arg("scale") = 1.0, nb::arg("shift") = 0.0, nb::arg("below") = 0.0,
          nb::arg("between") = 1.0, nb::arg("above") = 0.0, nb::arg("low") = 0.0, nb::arg("high") = 0.0);
  // From the slowest to the fastest; `best` ends as the last.
  define(m, plain);
#ifdef X86_BUILDS
  __builtin_cpu_init();
  // Every processor with AVX2 converts to float16 too, which clang 14 cannot be asked for.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) define(m, avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    define(m, avx512);
#endif
}
