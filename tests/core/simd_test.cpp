// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/simd.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"

namespace zm = zermelo;

namespace {

using floats = zm::native_pack<float>;
using doubles = zm::native_pack<double>;

template <class P>
std::vector<typename P::value_type> lanes(P x) {
  std::vector<typename P::value_type> y(P::size);
  x.store(y.data());
  return y;
}

/// 1, 2, 3, …
template <class P>
P counting() {
  std::vector<typename P::value_type> x(P::size);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<typename P::value_type>(i + 1);
  return P::load(x.data());
}

}  // namespace

TEST_CASE("a native pack fills one register") {
  CHECK(sizeof(floats) == ZERMELO_VECTOR_BYTES);
  CHECK(floats::size == 2 * doubles::size);
  STATIC_REQUIRE(std::is_trivially_copyable_v<floats>);
}

TEST_CASE("a partial load reads only its numbers and fills the rest") {
  for (int count = 0; count <= floats::size; ++count) {
    std::vector<float> x(static_cast<std::size_t>(count));  // the address sanitizer watches its end
    for (int i = 0; i < count; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i);
    const auto y = lanes(floats::load(x.data(), count, -7));
    for (int i = 0; i < floats::size; ++i)
      CHECK(y[static_cast<std::size_t>(i)] == (i < count ? static_cast<float>(i) : -7));
  }
}

TEST_CASE("a partial store writes only its numbers") {
  for (int count = 0; count <= doubles::size; ++count) {
    std::vector<double> y(static_cast<std::size_t>(count) + 1, 99);
    counting<doubles>().store(y.data(), count);
    for (int i = 0; i < count; ++i) CHECK(y[static_cast<std::size_t>(i)] == i + 1);
    CHECK(y.back() == 99);
  }
}

TEST_CASE("loads and stores need no alignment") {
  std::vector<float> x(3 * floats::size);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  for (std::size_t offset = 0; offset < floats::size; ++offset) {
    floats::load(&x[offset]).store(&x[floats::size + offset]);
    CHECK(x[floats::size + offset] == static_cast<float>(offset));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  }
}

TEST_CASE("arithmetic works lane by lane and mixes with literals") {
  const auto x = counting<floats>();
  const auto y = lanes((1 - x) * 2.0F / (x + 1) - -x);
  for (int i = 0; i < floats::size; ++i) {
    const auto v = static_cast<float>(i + 1);
    CHECK(y[static_cast<std::size_t>(i)] == (1 - v) * 2 / (v + 1) + v);
  }
  floats z(2);
  z += x, z -= 1, z *= x, z /= 4;
  CHECK(z[1] == 1.5F);
}

TEST_CASE("masks combine, select, and answer for any and for all lanes") {
  const auto x = counting<doubles>();
  const auto low = x < doubles(2), high = x >= doubles(2);
  CHECK(any(low));
  CHECK_FALSE(all(low));
  CHECK(all(low | high));
  CHECK(all(low || !low));
  CHECK_FALSE(any(low & high));
  CHECK(all(low ^ high));
  CHECK_FALSE(any(x != x));
  CHECK(all(x == x));
  CHECK(low[0]);
  CHECK_FALSE(low[1]);
  const auto nan = doubles(std::numeric_limits<double>::quiet_NaN());
  const auto y = lanes(select(low, doubles(-1), select(high, x, nan)));
  CHECK(y[0] == -1);
  for (std::size_t i = 1; i < y.size(); ++i) CHECK(y[i] == static_cast<double>(i + 1));
}

TEST_CASE("any finds a single lane wherever it is") {
  for (std::size_t i = 0; i < floats::size; ++i) {
    std::vector<float> x(floats::size, 1);
    x[i] = std::numeric_limits<float>::quiet_NaN();
    CHECK(any(is_nan(floats::load(x.data()))));
    CHECK_FALSE(all(is_nan(floats::load(x.data()))));
    CHECK_FALSE(all(is_finite(floats::load(x.data()))));
    x[i] = -std::numeric_limits<float>::infinity();
    CHECK_FALSE(any(is_nan(floats::load(x.data()))));
    CHECK_FALSE(all(is_finite(floats::load(x.data()))));
  }
}

TEST_CASE("lanes are added in a fixed tree of halves") {
  CHECK(reduce_add(counting<floats>()) == floats::size * (floats::size + 1) / 2);
  // Big numbers cancel between lane i and lane i + N/2, so that the small ones survive only in this order.
  std::vector<float> x(floats::size, 1);
  x[0] = 1e20F;
  x[floats::size / 2] = -1e20F;
  CHECK(reduce_add(floats::load(x.data())) == floats::size - 2);
  CHECK(reduce_max(counting<doubles>()) == doubles::size);
  CHECK(reduce_min(counting<doubles>()) == 1);
}

TEST_CASE("gather reads where 32-bit and 64-bit indices say") {
  std::vector<double> base(100);
  for (std::size_t i = 0; i < base.size(); ++i) base[i] = static_cast<double>(i) / 2;
  std::vector<std::int32_t> narrow(doubles::size);
  std::vector<std::int64_t> wide(doubles::size);
  for (std::size_t i = 0; i < doubles::size; ++i) wide[i] = narrow[i] = static_cast<std::int32_t>(37 * (i + 1) % 100);
  const auto a = lanes(doubles::gather(base.data(), narrow.data()));
  const auto b = lanes(doubles::gather(base.data(), wide.data()));
  for (std::size_t i = 0; i < doubles::size; ++i) {
    CHECK(a[i] == base[static_cast<std::size_t>(wide[i])]);
    CHECK(b[i] == a[i]);
  }
}

TEST_CASE("floats widen to doubles and narrow back") {
  const auto x = counting<floats>();
  const auto low = zm::convert<double>(low_half(x)), high = zm::convert<double>(high_half(x));
  CHECK(reduce_add(low + high) == reduce_add(x));
  CHECK(low[0] == 1);
  CHECK(high[doubles::size - 1] == floats::size);
  CHECK(all(join(zm::convert<float>(low), zm::convert<float>(high)) == x));
}

TEST_CASE("packs of integers wrap, shift and compare") {
  using words = zm::pack<std::uint32_t, 4>;
  const auto x = counting<words>();
  CHECK(lanes(x - 2) == std::vector<std::uint32_t>{0xffffffffu, 0, 1, 2});
  CHECK(lanes((x << 31) >> 30) == std::vector<std::uint32_t>{2, 0, 2, 0});
  CHECK(all((x & words(~0u)) == x));
}

TEST_CASE("the logistic terms of a pack keep masks, tails and NaN to their lanes") {
  std::vector<float> x(floats::size, 0.5F);
  x[0] = std::numeric_limits<float>::infinity();
  x[1] = -std::numeric_limits<float>::infinity();
  x[2] = std::numeric_limits<float>::quiet_NaN();
  x[3] = -103.0F;
  const auto t = zm::softplus_sigmoid(floats::load(x.data()));
  CHECK(t.softplus[0] == x[0]);
  CHECK(t.complement[0] == 0);
  CHECK(t.softplus[1] == 0);
  CHECK(t.complement[1] == 1);
  CHECK(std::isnan(t.softplus[2]));
  CHECK(std::isnan(t.sigmoid[2]));
  CHECK(t.sigmoid[3] == static_cast<float>(std::exp(-103.0)));
  CHECK(t.complement[3] == 1);
}

TEST_CASE("a pack of one lane works") {
  using one = zm::pack<float, 1>;
  CHECK(reduce_add(zm::softplus(one(0.0F))) == zm::softplus(0.0F));
  CHECK(any(one(1.0F) > one(0.0F)));
}
