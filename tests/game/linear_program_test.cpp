// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <boost/multiprecision/cpp_int.hpp>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/distributions.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/game/linear_program.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"

using namespace zermelo::game;
using rational = boost::multiprecision::cpp_rational;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A programme of small whole numbers; kind decides how often rows are equalities or bounds from below.
template <class F>
linear_program<F> drawn(std::uint64_t seed, std::int64_t n, std::int64_t m) {
  linear_program<F> p(n);
  zermelo::random_engine bits(seed);
  const auto whole = [&](int low, int high) {
    return F(low + static_cast<int>(zermelo::index_below(bits(), high - low + 1)));
  };
  for (std::int64_t j = 0; j < n; ++j) p.objective[at(j)] = whole(-5, 3), p.free[at(j)] = bits() % 5 == 0;
  for (std::int64_t i = 0; i < m; ++i) {
    const auto kind = bits() % 6;
    const auto row = p.add_row(kind == 0   ? relation::equal
                               : kind == 1 ? relation::at_least
                                           : relation::at_most,
                               whole(-2, 9));
    for (std::int64_t j = 0; j < n; ++j) p(row, j) = whole(-3, 6);
  }
  return p;
}

}  // namespace

TEST_CASE("A programme of the textbooks, with multipliers that price its rows") {
  linear_program<> p(2);
  p.objective = {3, 5};
  const auto a = p.add_row(relation::at_most, 4), b = p.add_row(relation::at_most, 12),
             c = p.add_row(relation::at_most, 18);
  p(a, 0) = 1, p(b, 1) = 2, p(c, 0) = 3, p(c, 1) = 2;
  const auto s = solve_linear_program(p);
  CHECK(s.outcome == program_outcome::optimal);
  CHECK(s.value == Approx(36));
  CHECK(s.x[0] == Approx(2));
  CHECK(s.x[1] == Approx(6));
  CHECK(s.multipliers[0] == Approx(0).margin(1e-12));
  CHECK(s.multipliers[1] == Approx(1.5));
  CHECK(s.multipliers[2] == Approx(1));
}

TEST_CASE("Equalities, bounds from below and free variables need the first phase") {
  linear_program<> p(2);  // maximise −x − 2y, x + y = 3, x ≤ 1, y free
  p.objective = {-1, -2};
  p.free[1] = 1;
  const auto a = p.add_row(relation::equal, 3), b = p.add_row(relation::at_most, 5),
             c = p.add_row(relation::at_least, -4);
  p(a, 0) = p(a, 1) = 1, p(b, 0) = 1, p(c, 1) = 1;
  const auto s = solve_linear_program(p);
  CHECK(s.outcome == program_outcome::optimal);
  CHECK(s.x[0] == Approx(5));
  CHECK(s.x[1] == Approx(-2));
  CHECK(s.value == Approx(-1));
}

TEST_CASE("What has no answer says which") {
  linear_program<> none(1);
  none(none.add_row(relation::at_most, 1), 0) = 1;
  none(none.add_row(relation::at_least, 2), 0) = 1;
  CHECK(solve_linear_program(none).outcome == program_outcome::infeasible);
  linear_program<> endless(2);
  endless.objective = {1, 0};
  endless(endless.add_row(relation::at_least, 2), 0) = 1;
  CHECK(solve_linear_program(endless).outcome == program_outcome::unbounded);
  linear_program<> bare(2);
  bare.objective = {-1, 0};
  CHECK(solve_linear_program(bare).value == 0);
  linear_program<> twice(1);  // a row that says the same again
  twice.objective = {1};
  for (int k = 0; k < 3; ++k) twice(twice.add_row(relation::equal, 2), 0) = 1;
  CHECK(solve_linear_program(twice).value == Approx(2));
}

TEST_CASE("Doubles agree with exact rationals, whose certificate is zero, on small programmes of every kind") {
  int seen[4] = {};
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const std::int64_t n = 1 + static_cast<std::int64_t>(seed % 5), m = static_cast<std::int64_t>(seed / 5 % 6);
    const auto exact = solve_linear_program(drawn<rational>(seed, n, m));
    const auto rounded = solve_linear_program(drawn<double>(seed, n, m));
    ++seen[static_cast<int>(exact.outcome)];
    REQUIRE(rounded.outcome == exact.outcome);
    if (exact.outcome != program_outcome::optimal) continue;
    CHECK(exact.primal_error == 0);
    CHECK(exact.dual_error == 0);
    CHECK(exact.gap == 0);
    CHECK(rounded.value == Approx(static_cast<double>(exact.value)).margin(1e-9));
  }
  for (const auto outcome : {program_outcome::optimal, program_outcome::infeasible, program_outcome::unbounded})
    CHECK(seen[static_cast<int>(outcome)] > 20);
  CHECK(seen[static_cast<int>(program_outcome::stalled)] == 0);
}

TEST_CASE("Degenerate programmes end: cycling examples of Beale, and of Hall and McKinnon") {
  linear_program<rational> beale(4);
  beale.objective = {rational(3, 4), -150, rational(1, 50), -6};
  const rational rows[3][4] = {
      {rational(1, 4), -60, rational(-1, 25), 9}, {rational(1, 2), -90, rational(-1, 50), 3}, {0, 0, 1, 0}};
  for (int i = 0; i < 3; ++i) {
    const auto r = beale.add_row(relation::at_most, i == 2 ? 1 : 0);
    for (int j = 0; j < 4; ++j) beale(r, j) = rows[i][j];
  }
  const auto s = solve_linear_program(beale);
  CHECK(s.outcome == program_outcome::optimal);
  CHECK(s.value == rational(1, 20));
  // many rows through one point
  linear_program<> pencil(3);
  pencil.objective = {1, 1, 1};
  for (int k = 0; k < 60; ++k) {
    const auto r = pencil.add_row(relation::at_most, 0);
    for (int j = 0; j < 3; ++j) pencil(r, j) = 1 + zermelo::uniform(3, 0, static_cast<std::uint64_t>(3 * k + j));
  }
  CHECK(solve_linear_program(pencil).value == Approx(0).margin(1e-12));
}

TEST_CASE("Numbers that are not finite are refused with their place") {
  linear_program<> p(2);
  p.add_row(relation::at_most, 1);
  p(0, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK(thrown<zermelo::domain_error>([&] { solve_linear_program(p); }).index() == 1);
  CHECK_THROWS_AS(linear_program<>(0), zermelo::shape_error);
}
