// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/sort.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;

namespace {

enum class shape { random, equal, few, sorted, reversed, edges };

template <class T>
std::vector<T> keys_of(shape kind, std::size_t n) {
  using limits = std::numeric_limits<T>;
  std::vector<T> edges{T(0), T(1), limits::max(), limits::lowest(), limits::min(), limits::denorm_min()};
  if constexpr (std::is_floating_point_v<T>)
    edges.insert(edges.end(), {-T(0), -limits::denorm_min(), limits::infinity(), -limits::infinity(), -limits::min()});
  std::vector<T> x(n);
  for (std::size_t k = 0; k < n; ++k) {
    const std::uint64_t bits = zm::random_bits(42, 0, k);
    switch (kind) {
      case shape::random:
        if constexpr (std::is_floating_point_v<T>)  // of all sizes, in both directions
          x[k] = static_cast<T>(std::ldexp(zm::unit_interval(bits) - 0.5, static_cast<int>(bits % 200) - 100));
        else
          x[k] = static_cast<T>(bits);
        break;
      case shape::equal:
        x[k] = T(7);
        break;
      case shape::few:
        x[k] = static_cast<T>(bits % 5);
        break;
      case shape::sorted:
        x[k] = static_cast<T>(k);
        break;
      case shape::reversed:
        x[k] = static_cast<T>(n - k);
        break;
      case shape::edges:
        x[k] = edges[bits % edges.size()];
        break;
    }
  }
  return x;
}

/// What std::stable_sort says.
template <class T>
std::vector<std::int64_t> expected_order(const std::vector<T>& x, zm::order direction) {
  std::vector<std::int64_t> at(x.size());
  std::iota(at.begin(), at.end(), 0);
  std::stable_sort(at.begin(), at.end(), [&](std::int64_t a, std::int64_t b) {
    const T u = x[static_cast<std::size_t>(a)], v = x[static_cast<std::size_t>(b)];
    return direction == zm::order::ascending ? u < v : v < u;
  });
  return at;
}

/// Equal to the last bit, which tells −0 from 0.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

constexpr zm::order directions[] = {zm::order::ascending, zm::order::descending};

}  // namespace

TEMPLATE_TEST_CASE("sorting is stable, of every type, in both directions and under every policy", "", float, double,
                   std::int32_t, std::int64_t, std::uint32_t, std::uint64_t) {
  const zm::threads two(2), three(3);
  for (const std::size_t n : {0u, 1u, 2u, 17u, 255u, 256u, 5000u, 140001u})
    for (const auto kind : {shape::random, shape::equal, shape::few, shape::sorted, shape::reversed, shape::edges})
      for (const auto direction : directions) {
        const auto x = keys_of<TestType>(kind, n);
        const auto order = expected_order(x, direction);
        std::vector<TestType> sorted;
        for (const std::int64_t k : order) sorted.push_back(x[static_cast<std::size_t>(k)]);
        INFO(n << " keys of shape " << static_cast<int>(kind));
        const auto check = [&](auto&& policy) {
          auto keys = x;
          zm::sort(policy, keys, direction);
          CHECK(same_bits(keys, sorted));
          std::vector<std::int64_t> indices(n);
          zm::argsort(policy, x, indices, direction);
          CHECK(indices == order);
          for (const std::size_t k : {std::size_t{0}, std::size_t{1}, n / 100, n / 10, n}) {
            if (k > n) continue;
            std::vector<std::int32_t> top(k);
            zm::top_k(policy, x, static_cast<std::int64_t>(k), top, direction);
            CHECK(std::equal(top.begin(), top.end(), order.begin()));
          }
        };
        check(zm::simd{});
        check(two);
        if (n < 10000) check(zm::serial{});
        if (n > 10000) check(three);
      }
}

TEST_CASE("keys of eight bytes that differ in low bits only, or share their high ones, are told apart") {
  const zm::threads pool(2);
  for (const int differing : {20, 40, 64})
    for (const int distinct : {3, 300, 100'000}) {
      std::vector<std::uint64_t> x(70'000);
      for (std::size_t k = 0; k < x.size(); ++k) {
        const std::uint64_t high = zm::random_bits(7, 0, zm::random_bits(8, 0, k) % static_cast<unsigned>(distinct));
        x[k] = (high >> (64 - differing)) ^ (zm::random_bits(9, 0, k) % 30);
      }
      std::vector<std::int64_t> one(x.size()), two(x.size());
      zm::argsort(x, one);
      zm::argsort(pool, x, two);
      INFO(differing << " bits differ, " << distinct << " high parts");
      CHECK(one == expected_order(x, zm::order::ascending));
      CHECK(two == one);
    }
}

TEST_CASE("keys that lie apart are sorted where they lie") {
  const auto x = keys_of<float>(shape::random, 3000);
  std::vector<float> wide(3 * x.size(), 5.0f);
  for (std::size_t k = 0; k < x.size(); ++k) wide[3 * k] = x[k];
  const zm::tensor_view<float, 1> apart{.data = wide.data(), .shape = {3000}, .strides = {3}};
  std::vector<std::int64_t> indices(3000);
  zm::argsort(apart, indices);
  CHECK(indices == expected_order(x, zm::order::ascending));
  std::vector<std::int64_t> top(20);
  zm::top_k(apart, 20, top, zm::order::ascending);
  CHECK(std::equal(top.begin(), top.end(), indices.begin()));
  zm::sort(apart);
  auto sorted = x;
  std::sort(sorted.begin(), sorted.end());
  bool same = true;
  for (std::size_t k = 0; k < x.size(); ++k) same = same && wide[3 * k] == sorted[k] && wide[3 * k + 1] == 5.0f;
  CHECK(same);
}

TEST_CASE("the best of many equal keys are the first ones") {
  const double one = 1;
  const zm::tensor_view<const double, 1> same{.data = &one, .shape = {1'000'000}, .strides = {0}};
  std::vector<std::int64_t> top(1000), expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  zm::top_k(zm::threads(2), same, 1000, top);
  CHECK(top == expected);
}

TEST_CASE("sorting names the first NaN, a wrong length and a k out of range") {
  std::vector<double> x(100'000, 1.0);
  std::vector<std::int32_t> indices(x.size()), few(10);
  x[70'000] = x[90'000] = std::numeric_limits<double>::quiet_NaN();
  const auto message = [](auto&& f) { return std::string(thrown<zm::error>(f).what()); };
  CHECK(message([&] { zm::sort(x); }) == "keys[70000]: is not a number");
  CHECK(message([&] { zm::argsort(zm::serial{}, x, indices); }) == "keys[70000]: is not a number");
  CHECK(message([&] { zm::top_k(zm::threads(2), x, 10, few); }) == "keys[70000]: is not a number");
  CHECK(message([&] { zm::argsort(x, few); }) == "indices: 10 elements, expected 100000");
  CHECK(message([&] { zm::top_k(x, 11, few); }) == "indices: 10 elements, expected 11");
  CHECK(message([&] { zm::top_k(x, 100'001, few); }) == "k: 100001, expected at most the number of keys, 100000");
  std::vector<std::int8_t> narrow(300);
  const std::vector<float> keys(300);
  CHECK(message([&] { zm::argsort(keys, narrow); }) == "indices: are of a type too narrow for 300 keys");
}

TEST_CASE("an order applied to its keys ascends, and is a permutation") {
  check_property(
      [] {
        const auto x = *rc::gen::container<std::vector<std::int32_t>>(rc::gen::inRange(-50, 50));
        std::vector<std::int64_t> at(x.size());
        zm::argsort(x, at);
        for (std::size_t k = 1; k < x.size(); ++k) {
          const auto a = x[static_cast<std::size_t>(at[k - 1])], b = x[static_cast<std::size_t>(at[k])];
          RC_ASSERT(a < b || (a == b && at[k - 1] < at[k]));
        }
      },
      200);
}
