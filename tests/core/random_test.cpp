// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/random.hpp>

#if __has_include(<Random123/philox.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <Random123/philox.h>
#pragma GCC diagnostic pop
#endif

#include "../catch.hpp"

namespace zm = zermelo;

namespace {

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace

TEST_CASE("Philox reproduces the known answers published with Random123") {
  struct known_answer {
    std::uint32_t counter[4], key[2], block[4];
  };
  constexpr std::uint32_t f = 0xffffffffu;
  const known_answer answers[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{f, f, f, f}, {f, f}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  const auto wide = [](std::uint32_t low, std::uint32_t high) { return low | static_cast<std::uint64_t>(high) << 32; };
  for (const auto& a : answers) {
    const zm::philox source{wide(a.key[0], a.key[1]), wide(a.counter[2], a.counter[3])};
    const auto block = source(wide(a.counter[0], a.counter[1]));
    for (int k = 0; k < 4; ++k) CHECK(block[k] == a.block[k]);
  }
}

#if __has_include(<Random123/philox.h>)
TEST_CASE("Philox equals Random123's on random counters and keys") {
  std::mt19937_64 draw(7);
  for (int k = 0; k < 20000; ++k) {
    const std::uint64_t seed = draw(), stream = draw(), i = draw();
    const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
    const philox4x32_ctr_t counter = {{low(i), high(i), low(stream), high(stream)}};
    const philox4x32_key_t key = {{low(seed), high(seed)}};
    const auto expected = philox4x32(counter, key);
    const auto block = zm::philox{seed, stream}(i);
    REQUIRE(std::memcmp(block.word, expected.v, sizeof block.word) == 0);
  }
}
#endif

TEST_CASE("a stretch of a stream has the same bits under every policy, from any position") {
  zm::threads one(1), two(2), three(3);
  const auto check = [&](auto zero) {
    using T = decltype(zero);
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3},
                                      (std::uint64_t{1} << 33) - 5, ~std::uint64_t{0} / 2}) {
      for (const std::size_t n : {0u, 1u, 2u, 3u, 15u, 16u, 17u, 33u, 8192u, 8193u, 30001u}) {
        std::vector<T> expected(n), out(n);
        for (std::size_t k = 0; k < n; ++k) expected[k] = zm::uniform<T>(5, 9, first + k);
        const auto matches = [&] {
          const bool same = same_bits(out, expected);
          std::fill(out.begin(), out.end(), T(-1));
          return same;
        };
        zm::fill_uniform(zm::serial{}, 5, 9, std::span<T>(out), first);
        REQUIRE(matches());
        zm::fill_uniform(zm::simd{}, 5, 9, std::span<T>(out), first);
        REQUIRE(matches());
        zm::fill_uniform(5, 9, std::span<T>(out), first);
        REQUIRE(matches());
        for (zm::threads* pool : {&one, &two, &three}) {
          zm::fill_uniform(*pool, 5, 9, std::span<T>(out), first);
          REQUIRE(matches());
        }
      }
    }
  };
  check(double{});
  check(float{});
}

TEST_CASE("uniform numbers stay in their interval at the extreme bits") {
  const std::uint64_t ones = ~std::uint64_t{0};
  CHECK(zm::unit_interval(std::uint64_t{0}) == 0.0);
  CHECK(zm::unit_interval(ones) == 1.0 - 0x1p-53);
  CHECK(zm::open_unit_interval(0) == 0x1p-53);
  CHECK(zm::open_unit_interval(ones) == 1.0 - 0x1p-53);
  CHECK(zm::unit_interval(std::uint32_t{0}) == 0.0f);
  CHECK(zm::unit_interval(~std::uint32_t{0}) == 1.0f - 0x1p-24f);
  CHECK(zm::index_below(ones, 1) == 0);
  CHECK(zm::index_below(0, 7) == 0);
  CHECK(zm::index_below(ones, 7) == 6);
  CHECK(zm::index_below(ones, (std::int64_t{1} << 40) + 3) == (std::int64_t{1} << 40) + 2);
  CHECK(zm::index_below(std::uint64_t{1} << 63, (std::int64_t{1} << 62)) == std::int64_t{1} << 61);
}

TEST_CASE("uniform numbers fill 1000 cells evenly, in pairs of neighbours too") {
  // Pearson's statistic has about k − 1 degrees of freedom; beyond k + 5√(2k) lies less than 1e-6 of it.
  const int n = 1000000;
  std::vector<double> x(n);
  zm::fill_uniform(11, 3, std::span<double>(x));
  const auto statistic = [](const std::vector<double>& count, double total) {
    double sum = 0, expected = total / static_cast<double>(count.size());
    for (double c : count) sum += (c - expected) * (c - expected) / expected;
    return sum;
  };
  std::vector<double> single(1000), pairs(32 * 32), across(32 * 32);
  for (int k = 0; k < n; ++k) {
    const auto cell = [](double u) { return static_cast<std::size_t>(u * 32); };
    const auto at = static_cast<std::size_t>(k);
    single[static_cast<std::size_t>(x[at] * 1000)] += 1;
    if (k % 2 == 0) pairs[cell(x[at]) * 32 + cell(x[at + 1])] += 1;
    across[cell(x[at]) * 32 + cell(zm::uniform(11, 4, at))] += 1;
  }
  CHECK(statistic(single, n) < 999 + 5.5 * std::sqrt(2 * 999.0));
  CHECK(statistic(pairs, n / 2) < 1023 + 5.5 * std::sqrt(2 * 1023.0));
  CHECK(statistic(across, n) < 1023 + 5.5 * std::sqrt(2 * 1023.0));
}

TEST_CASE("the engine draws the stream in order and can be set to any position") {
  static_assert(std::uniform_random_bit_generator<zm::random_engine>);
  zm::random_engine engine(21, 4);
  for (std::uint64_t i = 0; i < 9; ++i) {
    CHECK(engine.position() == i);
    CHECK(engine() == zm::random_bits(21, 4, i));
  }
  for (const std::uint64_t i : {7u, 7u, 2u, 3u, 100001u}) {
    engine.set_position(i);
    CHECK(engine() == zm::random_bits(21, 4, i));
    CHECK(engine() == zm::random_bits(21, 4, i + 1));
  }
  std::uniform_real_distribution<double> half(0.0, 0.5);
  CHECK(half(engine) < 0.5);
}
