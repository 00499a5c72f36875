// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "zermelo/core/simd.hpp"
#include "zermelo/core/value.hpp"

// The largest error of each function in units of the last place, against long double, over a sweep of the whole range.
// The bounds are those of docs/precision.md: the largest error measured there, on more points than here, with and without
// fused multiply-add, rounded up to a tenth.

namespace zm = zermelo;

namespace {

/// A function with its reference and the error it may have: in float and in double.
struct function {
  const char* name;
  float (*scalar_float)(float);
  double (*scalar_double)(double);
  void (*pack_float)(const float*, float*);
  void (*pack_double)(const double*, double*);
  long double (*reference)(long double);
  double bound_float, bound_double;
};

template <class T>
using lanes = zm::native_pack<T>;

#define ENTRY(name, bound_float, bound_double, ...)                                                              \
  function {                                                                                                     \
    #name, [](float x) { return zm::name(x); }, [](double x) { return zm::name(x); },                            \
        [](const float* x, float* y) { zm::name(lanes<float>::load(x)).store(y); },                              \
        [](const double* x, double* y) { zm::name(lanes<double>::load(x)).store(y); }, __VA_ARGS__, bound_float, \
        bound_double                                                                                             \
  }

long double exact_softplus(long double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
long double exact_sigmoid(long double x) { return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
long double exact_log1mexp(long double x) { return x > -0.69L ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x)); }

const std::vector<function>& functions() {
  static const std::vector<function> all = {
      ENTRY(exp, 1.2, 1.1, [](long double x) { return std::exp(x); }),
      ENTRY(expm1, 2, 2.1, [](long double x) { return std::expm1(x); }),
      ENTRY(log, 0.9, 0.8, [](long double x) { return std::log(x); }),
      ENTRY(log1p, 1.4, 1.3, [](long double x) { return std::log1p(x); }),
      ENTRY(softplus, 2.5, 2.3, exact_softplus),
      ENTRY(sigmoid, 2.4, 2.3, exact_sigmoid),
      ENTRY(log_sigmoid, 2.5, 2.3, [](long double x) { return -exact_softplus(-x); }),
      ENTRY(log1mexp, 2.1, 2.1, exact_log1mexp),
      ENTRY(tanh, 2.5, 2.5, [](long double x) { return std::tanh(x); }),
  };
  return all;
}

/// |y − exact| in units of the last place of the result's binade; subnormal numbers have the unit of the smallest.
/// Overflow to infinity counts as 2^(largest exponent); NaN must be met by NaN.
template <class T>
double ulps(T y, long double exact) {
  using limits = std::numeric_limits<T>;
  if (std::isnan(exact) || std::isnan(y)) return std::isnan(exact) && std::isnan(y) ? 0 : HUGE_VAL;
  const long double top = std::ldexp(1.0L, limits::max_exponent);
  if (std::fabs(exact) > top) exact = std::copysign(top, exact);
  const long double rounded = std::isinf(y) ? std::copysign(top, static_cast<long double>(y)) : y;
  int exponent = limits::min_exponent;
  if (exact != 0) std::frexp(exact, &exponent);
  if (exponent < limits::min_exponent) exponent = limits::min_exponent;
  if (exponent > limits::max_exponent) exponent = limits::max_exponent;
  return static_cast<double>(std::fabs(rounded - exact) / std::ldexp(1.0L, exponent - limits::digits));
}

/// A stride through all bit patterns, every number of note and its neighbours, and an even grid where most work is done.
template <class T>
std::vector<T> sweep() {
  using traits = zm::value_traits<T>;
  using bits = typename traits::bits;
  using limits = std::numeric_limits<T>;
  std::vector<T> points;
  constexpr int strides = 1 << 20;
  const bits stride = (bits{1} << (8 * sizeof(T) - 20)) + 1;
  for (bits i = 0; i < strides; ++i) points.push_back(traits::from_bits(i * stride));
  for (int i = -100000; i <= 100000; ++i) points.push_back(static_cast<T>(i * 2.03e-4));

  std::vector<T> notable = {0,
                            limits::denorm_min(),
                            (limits::min)(),
                            (limits::max)(),
                            limits::infinity(),
                            limits::epsilon(),
                            1,
                            2,
                            20,
                            40,
                            88,
                            89,
                            104,
                            700,
                            709,
                            710,
                            745,
                            746};
  for (int k = 0; k < 1100; ++k) {
    notable.push_back(static_cast<T>((k + 0.5) * 0.6931471805599453));  // where exp changes its exponent
    notable.push_back(static_cast<T>(k * 0.6931471805599453));
  }
  for (int k = limits::min_exponent; k < limits::max_exponent; ++k) {
    notable.push_back(static_cast<T>(std::ldexp(0.7071067811865476, k)));  // where log does
    notable.push_back(static_cast<T>(std::ldexp(1.0, k)));
    notable.push_back(static_cast<T>(std::ldexp(0.7071067811865476, k) - 1));  // and log1p
  }
  for (const T x : notable)
    for (const T sign : {T(1), T(-1)})
      for (int neighbour = -3; neighbour <= 3; ++neighbour)
        points.push_back(sign * traits::from_bits(traits::to_bits(std::fabs(x)) + static_cast<bits>(neighbour)));
  while (points.size() % 64 != 0) points.push_back(limits::quiet_NaN());
  return points;
}

template <class T>
struct extreme {
  double ulps = 0;
  T at = 0;
};

template <class T>
extreme<T> largest_error(T (*f)(T), long double (*reference)(long double), const std::vector<T>& points) {
  extreme<T> worst;
  for (const T x : points) {
    const double error = ulps(f(x), reference(x));
    if (error > worst.ulps) worst = {error, x};
  }
  return worst;
}

/// How many lanes differ in some bit from the scalar; any NaN equals any other.
template <class T>
int differing(T (*scalar)(T), void (*pack)(const T*, T*), const std::vector<T>& points) {
  using traits = zm::value_traits<T>;
  int count = 0;
  T y[lanes<T>::size];
  for (std::size_t i = 0; i < points.size(); i += lanes<T>::size) {
    pack(&points[i], y);
    for (std::size_t j = 0; j < lanes<T>::size; ++j) {
      const T expected = scalar(points[i + j]);
      count += !(traits::to_bits(y[j]) == traits::to_bits(expected) || (std::isnan(y[j]) && std::isnan(expected)));
    }
  }
  return count;
}

}  // namespace

TEST_CASE("float functions keep to their published error over the whole range") {
  const auto points = sweep<float>();
  for (const auto& f : functions()) {
    const auto worst = largest_error(f.scalar_float, f.reference, points);
    INFO(f.name << " at " << worst.at);
    CHECK(worst.ulps <= f.bound_float);
  }
}

TEST_CASE("double functions keep to their published error over the whole range") {
  const auto points = sweep<double>();
  for (const auto& f : functions()) {
    const auto worst = largest_error(f.scalar_double, f.reference, points);
    INFO(f.name << " at " << worst.at);
    CHECK(worst.ulps <= f.bound_double);
  }
}

TEST_CASE("packs and scalars agree to the last bit") {
  const auto floats = sweep<float>();
  const auto doubles = sweep<double>();
  for (const auto& f : functions()) {
    INFO(f.name);
    CHECK(differing(f.scalar_float, f.pack_float, floats) == 0);
    CHECK(differing(f.scalar_double, f.pack_double, doubles) == 0);
  }
}

TEST_CASE("the table of errors", "[.table]") {
  const auto floats = sweep<float>();
  const auto doubles = sweep<double>();
  for (const auto& f : functions()) {
    const auto a = largest_error(f.scalar_float, f.reference, floats);
    const auto b = largest_error(f.scalar_double, f.reference, doubles);
    std::printf("| %-11s | %.2f at %.9g | %.2f at %.17g |\n", f.name, a.ulps, static_cast<double>(a.at), b.ulps, b.at);
  }
}
