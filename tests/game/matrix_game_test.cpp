// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/random.hpp>
#include <zermelo/game/matrix_game.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;
using rational = boost::multiprecision::cpp_rational;

auto solve(const std::vector<double>& m, std::int64_t rows, std::int64_t columns) {
  return game::solve_matrix_game(zm::matrix_view(m.data(), rows, columns));
}

bool is_strategy(const std::vector<double>& p) {
  double sum = 0;
  for (const double x : p) {
    if (!(x >= 0)) return false;
    sum += x;
  }
  return std::abs(sum - 1) < 1e-12;
}

std::vector<double> random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t stream) {
  std::vector<double> m(static_cast<std::size_t>(rows * columns));
  for (std::size_t k = 0; k < m.size(); ++k) m[k] = zm::uniform(11, stream, k);
  return m;
}

/// P of a random skew game.
std::vector<double> random_preferences(std::int64_t n, std::uint64_t stream) {
  std::vector<double> p(static_cast<std::size_t>(n * n), 0.5);
  std::uint64_t k = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      const double x = zm::uniform(12, stream, k++);
      p[static_cast<std::size_t>(i * n + j)] = x;
      p[static_cast<std::size_t>(j * n + i)] = 1 - x;
    }
  return p;
}

}  // namespace

TEST_CASE("all 3×3 games with payoffs 0, 1, 2 are solved as exact rationals solve them") {
  std::int64_t wrong = 0;
  for (int code = 0; code < 19683; ++code) {
    std::vector<double> m(9);
    std::vector<rational> exact(9);
    for (int k = 0, rest = code; k < 9; ++k, rest /= 3) m[static_cast<std::size_t>(k)] = rest % 3;
    for (std::size_t k = 0; k < 9; ++k) exact[k] = static_cast<int>(m[k]);
    const auto s = solve(m, 3, 3);
    if (!(is_strategy(s.row_strategy) && is_strategy(s.column_strategy) && s.gap < 1e-14)) ++wrong;
    if (code % 10 == 0) {
      const auto oracle = game::solve_matrix_game<rational>(std::span<const rational>(exact), 3, 3);
      if (oracle.gap != 0 || std::abs(oracle.value.convert_to<double>() - s.value) > 1e-14) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("a saddle point is found, and payoffs may be shifted and scaled") {
  const std::vector<double> m{2, 1, 5, -3, -4, -2};
  const auto s = solve(m, 2, 3);
  CHECK(s.value == 1);
  CHECK(s.row_strategy == std::vector<double>{1, 0});
  CHECK(s.column_strategy == std::vector<double>{0, 1, 0});
  const auto base = random_matrix(6, 9, 0);
  const auto before = solve(base, 6, 9);
  CHECK(before.gap < 1e-14);
  for (const double scale : {1e-12, 1.0, 1e6})
    for (const double shift : {0.0, -3.0, 100.0}) {
      auto moved = base;
      for (double& x : moved) x = scale * (x + shift);
      const auto after = solve(moved, 6, 9);
      CHECK(after.status == zm::status::converged);
      // Adding the shift rounds the payoffs themselves to units of it.
      CHECK(after.value == Approx(scale * (before.value + shift)).epsilon(1e-13));
      for (std::size_t i = 0; i < 6; ++i) CHECK(after.row_strategy[i] == Approx(before.row_strategy[i]).margin(1e-11));
    }
}

TEST_CASE("degenerate games have equilibria too") {
  CHECK(solve({3}, 1, 1).value == 3);
  CHECK(solve({0}, 1, 1).gap == 0);
  const auto equal = solve(std::vector<double>(12, 7.5), 3, 4);
  CHECK(equal.value == 7.5);
  CHECK(equal.gap == 0);
  const auto duplicate = solve({1, -1, 1, -1, -1, 1, -1, 1}, 4, 2);
  CHECK(std::abs(duplicate.value) < 1e-15);
  CHECK(duplicate.gap < 1e-15);
  const auto row = solve({3, 1, 2}, 1, 3), column = solve({3, 1, 2}, 3, 1);
  CHECK(row.value == 1);
  CHECK(column.value == 3);
}

TEST_CASE("the value of every symmetric game is a tie, and the support of a generic one is odd") {
  for (std::uint64_t stream = 0; stream < 60; ++stream) {
    const std::int64_t n = 2 + static_cast<std::int64_t>(stream % 13);
    const auto p = random_preferences(n, stream);
    const auto preferences = game::preference_matrix(zm::matrix_view(p.data(), n, n));
    const auto s = game::nash_policy(preferences);
    CHECK(is_strategy(s.policy));
    CHECK(std::abs(s.exploitability) < 1e-15);
    std::int64_t support = 0;
    for (const double x : s.policy) support += x > 1e-9;
    CHECK(support % 2 == 1);
    if (stream % 10 == 0) {
      const auto exact = game::nash_policy<rational>(preferences);
      CHECK(exact.exploitability == 0);
      for (std::size_t i = 0; i < s.policy.size(); ++i)
        CHECK(s.policy[i] == Approx(exact.policy[i].convert_to<double>()).margin(1e-14));
    }
  }
}

TEST_CASE("larger games keep their certificate") {
  for (const std::int64_t n : {20, 50, 100}) {
    const auto m = random_matrix(n, n, 5);
    const auto s = solve(m, n, n);
    CHECK(s.status == zm::status::converged);
    CHECK(s.gap < 1e-14);
    const auto p = random_preferences(n, 6);
    const auto nash = game::nash_policy(game::preference_matrix(zm::matrix_view(p.data(), n, n)));
    CHECK(std::abs(nash.exploitability) < 1e-15);
  }
}

TEST_CASE("an item that beats all others is the whole policy; a dominated one changes nothing") {
  auto p = random_preferences(5, 3);
  for (std::int64_t j = 0; j < 5; ++j)
    if (j != 2) {
      p[static_cast<std::size_t>(10 + j)] = 0.51;
      p[static_cast<std::size_t>(j * 5 + 2)] = 0.49;
    }
  const auto s = game::nash_policy(game::preference_matrix(zm::matrix_view(p.data(), 5, 5)));
  CHECK(s.policy == std::vector<double>{0, 0, 1, 0, 0});

  const auto small = random_preferences(4, 8);
  std::vector<double> large(25, 0.5);
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j)
      large[static_cast<std::size_t>(5 * i + j)] = small[static_cast<std::size_t>(4 * i + j)];
    large[static_cast<std::size_t>(5 * i + 4)] = 0.9;
    large[static_cast<std::size_t>(20 + i)] = 1 - 0.9;
  }
  const auto a = game::nash_policy(game::preference_matrix(zm::matrix_view(small.data(), 4, 4)));
  const auto b = game::nash_policy(game::preference_matrix(zm::matrix_view(large.data(), 5, 5)));
  for (std::size_t i = 0; i < 4; ++i) CHECK(a.policy[i] == Approx(b.policy[i]).margin(1e-14));
  CHECK(b.policy[4] == 0);
}

TEST_CASE("what is no matrix is refused") {
  const std::vector<double> m{1, std::numeric_limits<double>::infinity()};
  CHECK(thrown<zm::domain_error>([&] { solve(m, 1, 2); }).index() == 1);
  CHECK_THROWS_AS(solve(m, 0, 2), zm::shape_error);
  const std::vector<rational> exact(3);
  CHECK_THROWS_AS(game::solve_matrix_game<rational>(std::span<const rational>(exact), 2, 2), zm::shape_error);
}
