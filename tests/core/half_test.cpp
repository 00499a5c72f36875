// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/half.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "zermelo/core/primitives/map_reduce.hpp"
#include "zermelo/core/tensor.hpp"

namespace zm = zermelo;

namespace {

template <class M>
M pattern(std::uint32_t bits) {
  return M::from_bits(static_cast<std::uint16_t>(bits));
}

/// By the definition: sign, exponent and fraction of the formats.
double by_definition(std::uint32_t bits, int exponent_bits) {
  const int fraction_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = bits & 0x8000U ? -1 : 1;
  const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const double fraction = std::ldexp(bits & ((1U << fraction_bits) - 1), -fraction_bits);
  if (exponent == (1 << exponent_bits) - 1)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  return exponent == 0 ? sign * std::ldexp(fraction, 1 - bias) : sign * std::ldexp(1 + fraction, exponent - bias);
}

template <class M>
constexpr int exponent_bits = std::is_same_v<M, zm::bfloat16> ? 8 : 5;

template <class M>
std::vector<M> all_patterns() {
  std::vector<M> x(65536);
  for (std::uint32_t b = 0; b < 65536; ++b) x[b] = pattern<M>(b);
  return x;
}

/// Every number of 16 bits, the middle between it and the next, and the floats on either side of both; what is beyond the
/// largest, NaNs, and subnormal floats. As many as packs have lanes, times something.
template <class M>
std::vector<float> where_rounding_changes() {
  std::vector<float> x;
  for (std::uint32_t b = 0; b < 65536; ++b) {
    const float here = static_cast<float>(pattern<M>(b)), next = static_cast<float>(pattern<M>(b + 1));
    x.push_back(here);
    if (std::isnan(here)) continue;
    const float middle = std::isfinite(next) ? here + (next - here) / 2 : here;
    for (const float y : {here, middle})
      for (const float to : {-1e38F, 1e38F, 0.0F, std::numeric_limits<float>::infinity()})
        x.push_back(std::nextafterf(y, to));
    x.push_back(middle);
  }
  for (const float y : {65519.0F, 65519.996F, 65520.0F, 65536.0F, 1e30F, 3.4e38F, 3.3961775e38F, 1e-40F, 1e-45F, 6e-8F})
    x.push_back(y), x.push_back(-y);
  while (x.size() % 32 != 0) x.push_back(0);
  return x;
}

template <class V, class M>
int wrongly_read(const std::vector<M>& x) {
  int wrong = 0;
  for (std::size_t k = 0; k < x.size(); k += V::size) {
    const V wide = zm::detail::load_as<V>(x.data() + k);
    for (int i = 0; i < V::size; ++i) {
      const auto expected = static_cast<zm::scalar_t<V>>(x[k + static_cast<std::size_t>(i)]);
      wrong += std::isnan(expected) ? !std::isnan(wide[i])
                                    : wide[i] != expected || std::signbit(wide[i]) != std::signbit(expected);
    }
  }
  return wrong;
}

template <class M, class V>
int wrongly_written(const std::vector<float>& x) {
  int wrong = 0;
  for (std::size_t k = 0; k < x.size(); k += V::size) {
    zm::scalar_t<V> lane[V::size];
    for (int i = 0; i < V::size; ++i) lane[i] = static_cast<zm::scalar_t<V>>(x[k + static_cast<std::size_t>(i)]);
    M rounded[V::size];
    zm::detail::store_as(rounded, V::load(lane));
    for (int i = 0; i < V::size; ++i)
      wrong += std::isnan(lane[i]) ? !std::isnan(static_cast<float>(rounded[i])) : rounded[i].bits != M(lane[i]).bits;
  }
  return wrong;
}

struct same {
  template <class V>
  auto operator()(V x) const {
    return zm::mapped{zm::bundle(x), zm::bundle(zm::total(x))};
  }
};

}  // namespace

TEMPLATE_TEST_CASE("a number of 16 bits is read exactly and comes back as it was", "", zm::bfloat16, zm::float16) {
  using M = TestType;
  int wrong = 0;
  for (std::uint32_t b = 0; b < 65536; ++b) {
    const double expected = by_definition(b, exponent_bits<M>), got = static_cast<double>(pattern<M>(b));
    const M back(got);
    if (std::isnan(expected))
      wrong += !(std::isnan(got) && std::isnan(static_cast<double>(back)));
    else
      wrong += !(got == expected && std::signbit(got) == std::signbit(expected) && back.bits == b);
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("a float is rounded to the nearest number of 16 bits, ties to even", "", zm::bfloat16, zm::float16) {
  using M = TestType;
  int wrong = 0;
  for (std::uint32_t b = 0; b + 1 < 0x8000U; ++b) {
    const double low = by_definition(b, exponent_bits<M>), high = by_definition(b + 1, exponent_bits<M>);
    if (!std::isfinite(low) || std::isnan(high)) continue;
    const double top = std::isfinite(high) ? high : 2 * low - by_definition(b - 1, exponent_bits<M>);
    const auto tie = static_cast<float>((low + top) / 2);
    const float below = std::nextafterf(tie, 0.0F),
                above = std::nextafterf(tie, std::numeric_limits<float>::infinity());
    for (const float sign : {1.0F, -1.0F}) {
      const std::uint32_t s = sign < 0 ? 0x8000U : 0;
      wrong += M(sign * below).bits != (s | b);
      wrong += M(sign * tie).bits != (s | (b + b % 2));
      wrong += M(sign * above).bits != (s | (b + 1));
    }
  }
  CHECK(wrong == 0);
}

TEMPLATE_TEST_CASE("packs of any width read numbers of 16 bits as scalars do", "", zm::bfloat16, zm::float16) {
  using M = TestType;
  const std::vector<M> x = all_patterns<M>();
  CHECK(wrongly_read<zm::native_pack<float>>(x) == 0);
  CHECK(wrongly_read<zm::native_pack<double>>(x) == 0);
  CHECK(wrongly_read<zm::pack<float, 4>>(x) == 0);
  CHECK(wrongly_read<zm::pack<float, zm::native_pack<float>::size / 2>>(x) == 0);
}

TEMPLATE_TEST_CASE("packs of any width round to numbers of 16 bits as scalars do", "", zm::bfloat16, zm::float16) {
  using M = TestType;
  const std::vector<float> x = where_rounding_changes<M>();
  CHECK(wrongly_written<M, zm::native_pack<float>>(x) == 0);
  CHECK(wrongly_written<M, zm::native_pack<double>>(x) == 0);
  CHECK(wrongly_written<M, zm::pack<float, 4>>(x) == 0);
  CHECK(wrongly_written<M, zm::pack<float, zm::native_pack<float>::size / 2>>(x) == 0);
}

TEMPLATE_TEST_CASE("two packs at once are the same numbers in some order", "", zm::bfloat16, zm::float16, float) {
  using M = TestType;
  using V = zm::native_pack<float>;
  std::vector<M> x, y(2 * V::size);
  for (int k = 0; k < 2 * V::size; ++k) x.push_back(M(k * k - 100));
  V a, b;
  zm::detail::load_two(x.data(), a, b);
  zm::detail::store_two(y.data(), a + a, b + b);
  for (int k = 0; k < 2 * V::size; ++k)
    CHECK(static_cast<float>(y[static_cast<std::size_t>(k)]) == static_cast<float>(M(2 * (k * k - 100))));
}

TEST_CASE("primitives take tensors of numbers of 16 bits and compute in float") {
  const std::vector<zm::bfloat16> x = {zm::bfloat16(1), zm::bfloat16(-2.5), zm::bfloat16(0.25)};
  std::vector<zm::float16> y(3);
  const auto sums = zm::map_reduce(same{}, zm::inputs(x), zm::outputs(y));
  CHECK(zm::get<0>(sums).value == -1.25);
  CHECK(static_cast<double>(y[1]) == -2.5);
  STATIC_REQUIRE(std::is_same_v<zm::element_t<const std::vector<zm::bfloat16>>, zm::bfloat16>);
}
