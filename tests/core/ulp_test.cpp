// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "core/ulp.hpp"

#include <cstdio>
#include <vector>

#include "catch.hpp"
#include "zermelo/core/lanes.hpp"
#include "zermelo/core/simd.hpp"

using namespace ulp;

namespace {

/// All functions at all points, in lanes of V: [function][point].
template <class V, class T>
std::vector<std::vector<T>> values(const std::vector<T>& points) {
  std::vector<std::vector<T>> y(functions, std::vector<T>(points.size()));
  for (std::size_t k = 0; k < points.size(); k += static_cast<std::size_t>(zm::lanes<V>))
    each_function(zm::load<V>(&points[k]), [&](V v, int f) { zm::store(&y[static_cast<std::size_t>(f)][k], v); });
  return y;
}

template <class T>
void keeps_bounds(double reference::*bound) {
  const auto points = sweep<T>();
  const auto y = values<T>(points);
  for (std::size_t f = 0; f < functions; ++f) {
    const auto worst = largest_error(references[f], points, [&](std::size_t k) { return y[f][k]; });
    INFO(references[f].name << " at " << worst.at);
    CHECK(worst.ulps <= references[f].*bound);
  }
}

/// How many lanes differ in some bit from the scalar; any NaN equals any other.
template <class T>
int differing() {
  using traits = zm::value_traits<T>;
  const auto points = sweep<T>();
  const auto scalars = values<T>(points), packs = values<zm::native_pack<T>>(points);
  int count = 0;
  for (std::size_t f = 0; f < functions; ++f)
    for (std::size_t k = 0; k < points.size(); ++k) {
      const T a = scalars[f][k], b = packs[f][k];
      count += !(traits::to_bits(a) == traits::to_bits(b) || (std::isnan(a) && std::isnan(b)));
    }
  return count;
}

}  // namespace

TEST_CASE("float functions keep to their published error over the whole range") {
  keeps_bounds<float>(&reference::bound_float);
}

TEST_CASE("double functions keep to their published error over the whole range") {
  keeps_bounds<double>(&reference::bound_double);
}

TEST_CASE("packs and scalars agree to the last bit") {
  CHECK(differing<float>() == 0);
  CHECK(differing<double>() == 0);
}

TEST_CASE("the table of errors", "[.table]") {
  const auto floats = sweep<float>();
  const auto doubles = sweep<double>();
  const auto in_float = values<float>(floats);
  const auto in_double = values<double>(doubles);
  for (std::size_t f = 0; f < functions; ++f) {
    const auto a = largest_error(references[f], floats, [&](std::size_t k) { return in_float[f][k]; });
    const auto b = largest_error(references[f], doubles, [&](std::size_t k) { return in_double[f][k]; });
    std::printf("| %-11s | %.2f at %.9g | %.2f at %.17g |\n", references[f].name, a.ulps, static_cast<double>(a.at),
                b.ulps, b.at);
  }
}
