// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/primitives/count_pairs.hpp"

#include <Eigen/Core>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;

namespace {

/// Random pairs of different ids below n, and categories below 3.
template <class Id>
struct pairs {
  std::vector<Id> first, second;
  std::vector<std::uint8_t> category;

  pairs(std::int64_t n, std::int64_t m, std::uint64_t seed) {
    for (std::int64_t k = 0; k < m; ++k) {
      const auto at = static_cast<std::uint64_t>(k);
      const std::int64_t i = zm::index_below(zm::random_bits(seed, 0, at), n);
      const std::int64_t j = zm::index_below(zm::random_bits(seed, 1, at), n - 1);
      first.push_back(static_cast<Id>(i));
      second.push_back(static_cast<Id>(j + (j >= i)));
      category.push_back(static_cast<std::uint8_t>(zm::index_below(zm::random_bits(seed, 2, at), 3)));
    }
  }
  std::vector<std::int64_t> naive(std::int64_t n) const {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(4 * n * n), 0);
    for (std::size_t k = 0; k < first.size(); ++k)
      ++counts[static_cast<std::size_t>(
          (static_cast<std::int64_t>(first[k]) * n + static_cast<std::int64_t>(second[k])) * 4 + category[k])];
    return counts;
  }
};

template <class P, class F, class S, class C>
std::vector<std::int64_t> counted(P&& policy, const F& first, const S& second, const C& category, std::int64_t n) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(4 * n * n), 0);
  zm::count_pairs(policy, first, second, category, n, 3, counts);
  return counts;
}

}  // namespace

TEMPLATE_TEST_CASE("counts are those of a naive histogram for ids of every width", "", std::int8_t, std::uint16_t,
                   std::int32_t, std::uint32_t, std::int64_t, std::uint64_t) {
  const zm::threads three(3);
  for (const std::int64_t n : {2, 5, 100, 300}) {  // beyond 256 ids the table is walked with prefetches
    if (static_cast<std::uint64_t>(n - 1) > static_cast<std::uint64_t>((std::numeric_limits<TestType>::max)()))
      continue;
    for (const std::int64_t m : {0, 1, 63, 64, 65, 30001}) {
      const pairs<TestType> p(n, m, 11);
      const auto expected = p.naive(n);
      CHECK(counted(zm::simd{}, p.first, p.second, p.category, n) == expected);
      CHECK(counted(zm::serial{}, p.first, p.second, p.category, n) == expected);
      CHECK(counted(three, p.first, p.second, p.category, n) == expected);
    }
  }
}

TEST_CASE("many pairs on few ids are counted by several threads in tables of their own") {
  const zm::threads three(3);
  const pairs<std::int32_t> p(7, 500001, 12);
  CHECK(counted(three, p.first, p.second, p.category, 7) == p.naive(7));
}

TEST_CASE("strided columns and matrices of ids count as their row-major order") {
  const pairs<std::int32_t> p(50, 6000, 13);
  const auto expected = p.naive(50);
  Eigen::Matrix<std::int32_t, Eigen::Dynamic, 2, Eigen::RowMajor> both(6000, 2);
  for (int k = 0; k < 6000; ++k)
    both(k, 0) = p.first[static_cast<std::size_t>(k)], both(k, 1) = p.second[static_cast<std::size_t>(k)];
  CHECK(counted(zm::simd{}, both.col(0), both.col(1), p.category, 50) == expected);

  Eigen::MatrixXi first(60, 100), second(60, 100);  // stored by columns
  for (int k = 0; k < 6000; ++k)
    first(k / 100, k % 100) = p.first[static_cast<std::size_t>(k)],
                       second(k / 100, k % 100) = p.second[static_cast<std::size_t>(k)];
  CHECK(counted(zm::simd{}, first, second, p.category, 50) == expected);
}

TEST_CASE("counts are added to") {
  const pairs<std::int32_t> p(5, 100, 14);
  auto counts = p.naive(5);
  zm::count_pairs(p.first, p.second, p.category, 5, 3, counts);
  auto twice = p.naive(5);
  for (auto& c : twice) c *= 2;
  CHECK(counts == twice);
}

TEST_CASE("a wrong pair is refused with its argument and position") {
  const auto refusal = [](std::int64_t first, std::int64_t second, std::int64_t category) {
    std::vector<std::int64_t> f(100, 0), s(100, 1), counts(4 * 9, 0);
    std::vector<std::int64_t> c(100, 2);
    f[70] = first, s[70] = second, c[70] = category;
    f[71] = -5;  // later, and therefore not what is named
    return thrown<zm::domain_error>([&] { zm::count_pairs(f, s, c, 3, 3, counts); });
  };
  CHECK(refusal(3, 1, 0).argument() == "first");
  CHECK(refusal(-1, 1, 0).argument() == "first");
  CHECK(refusal(std::int64_t{1} << 32, 1, 0).argument() == "first");  // not 0, whatever 32 bits say
  CHECK(refusal(0, (std::int64_t{1} << 32) + 1, 0).argument() == "second");
  CHECK(refusal(2, 2, 0).argument() == "second");
  CHECK(refusal(0, 1, 3).argument() == "outcomes");
  CHECK(refusal(0, 1, -1).argument() == "outcomes");
  CHECK(refusal(0, 1, std::int64_t{1} << 32).argument() == "outcomes");
  CHECK(refusal(0, 1, 3).index() == 70);
  CHECK(std::string(refusal(2, 2, 0).what()) == "second[70]: item 2 is compared with itself");
}

TEST_CASE("count_pairs names the argument whose length is wrong") {
  const std::vector<int> two = {0, 1}, other = {1, 0}, one = {1};
  std::vector<std::int64_t> counts(16), few(15);
  CHECK(thrown<zm::shape_error>([&] { zm::count_pairs(two, one, two, 2, 3, counts); }).argument() == "second");
  CHECK(thrown<zm::shape_error>([&] { zm::count_pairs(two, other, one, 2, 3, counts); }).argument() == "outcomes");
  CHECK(thrown<zm::shape_error>([&] { zm::count_pairs(two, other, two, 2, 3, few); }).argument() == "counts");
  CHECK(thrown<zm::domain_error>([&] { zm::count_pairs(two, other, two, 20000, 3, counts); }).argument() == "items");
  CHECK(thrown<zm::domain_error>([&] { zm::count_pairs(two, other, two, 2, 5, counts); }).argument() == "categories");
}
