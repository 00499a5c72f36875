// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "zermelo/core/value.hpp"

/// The functions of core/value.hpp against long double, over the whole range of numbers: for every backend.
namespace ulp {

namespace zm = zermelo;

inline long double exact_softplus(long double x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}
inline long double exact_sigmoid(long double x) {
  return x > 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
inline long double exact_log1mexp(long double x) {
  return x > -0.69L ? std::log(-std::expm1(x)) : std::log1p(-std::exp(x));
}

/// A function with what it should give, and the largest error of docs/precision.md in float and in double: measured on more
/// points than here, with and without fused multiply-add, rounded up to a tenth.
struct reference {
  const char* name;
  long double (*exact)(long double);
  double bound_float, bound_double;
};

inline const reference references[] = {
    {"exp", [](long double x) { return std::exp(x); }, 1.2, 1.1},
    {"expm1", [](long double x) { return std::expm1(x); }, 2, 2.1},
    {"log", [](long double x) { return std::log(x); }, 0.9, 0.8},
    {"log1p", [](long double x) { return std::log1p(x); }, 1.4, 1.3},
    {"softplus", exact_softplus, 2.5, 2.3},
    {"sigmoid", exact_sigmoid, 2.4, 2.3},
    {"log_sigmoid", [](long double x) { return -exact_softplus(-x); }, 2.5, 2.3},
    {"log1mexp", exact_log1mexp, 2.1, 2.1},
    {"tanh", [](long double x) { return std::tanh(x); }, 2.5, 2.5},
};
inline constexpr int functions = 9;

/// f(each reference's function, its number), in the order of the references.
template <class V, class F>
ZERMELO_FN void each_function(V x, F&& f) {
  f(zermelo::exp(x), 0);
  f(zermelo::expm1(x), 1);
  f(zermelo::log(x), 2);
  f(zermelo::log1p(x), 3);
  f(zermelo::softplus(x), 4);
  f(zermelo::sigmoid(x), 5);
  f(zermelo::log_sigmoid(x), 6);
  f(zermelo::log1mexp(x), 7);
  f(zermelo::tanh(x), 8);
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

/// The largest error of y[k] = f(points[k]).
template <class T>
struct extreme {
  double ulps = 0;
  T at = 0;
};

template <class T, class Y>
extreme<T> largest_error(const reference& f, const std::vector<T>& points, Y&& y) {
  extreme<T> worst;
  for (std::size_t k = 0; k < points.size(); ++k) {
    const double error = ulps(y(k), f.exact(points[k]));
    if (error > worst.ulps) worst = {error, points[k]};
  }
  return worst;
}

}  // namespace ulp
