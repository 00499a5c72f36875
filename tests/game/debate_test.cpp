// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/random.hpp>
#include <zermelo/game/debate.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"

using namespace zermelo::game;

namespace {

additive_judge drawn(std::int64_t features, std::uint64_t seed) {
  additive_judge j{.features = features};
  for (std::int64_t k = 0; k < 2 * features; ++k)
    j.scores.push_back(2 * zermelo::uniform(seed, 0, static_cast<std::uint64_t>(k)) - 1);
  return j;
}

/// A judge who also minds which features stand together.
struct suspicious_judge {
  additive_judge plain;
  double operator()(std::uint64_t set) const { return plain(set) + 0.3 * std::sin(static_cast<double>(set)); }
};

/// The value by trying everything.
template <class Judge>
double naive(const Judge& judge, std::int64_t features, const debate_parameters& p, std::uint64_t set, std::int64_t k) {
  if (k == p.length) {
    const double margin = judge(set);
    return p.payoff == debate_payoff::margin ? margin : margin > p.tie ? 1 : margin < -p.tie ? -1 : 0;
  }
  const bool up = (k % 2 == 0) != p.second_starts;
  double best = up ? -HUGE_VAL : HUGE_VAL;
  for (std::int64_t f = 0; f < features; ++f) {
    if (set >> f & 1) continue;
    const double x = naive(judge, features, p, set | std::uint64_t{1} << f, k + 1);
    best = up ? std::max(best, x) : std::min(best, x);
  }
  return best;
}

}  // namespace

TEST_CASE("The value is that of trying every line, for any judge") {
  for (std::uint64_t seed = 0; seed < 8; ++seed)
    for (const std::int64_t length : {0, 1, 2, 3, 5})
      for (const bool second : {false, true})
        for (const auto payoff : {debate_payoff::sign, debate_payoff::margin}) {
          const debate_parameters p{.length = length, .payoff = payoff, .second_starts = second};
          const suspicious_judge judge{drawn(7, seed)};
          const auto r = solve_debate(judge, 7, p);
          CHECK(r.value ==
                Approx(naive(judge, 7, p, 0, 0)).margin(1e-14));  // the judge's sums may be fused in other places
          REQUIRE(static_cast<std::int64_t>(r.line.size()) == length);
          // the line is legal, keeps the value, and ends with the judge's word
          std::uint64_t set = 0;
          for (const std::int64_t f : r.line) {
            CHECK((set >> f & 1) == 0);
            set |= std::uint64_t{1} << f;
          }
          for (const double v : r.after) CHECK(v == Approx(r.value).margin(1e-11));
          CHECK(r.after.back() == Approx(naive(judge, 7, p, set, length)).margin(1e-14));
        }
}

TEST_CASE("All features revealed, order does not matter") {
  const auto judge = drawn(6, 3);
  const double whole = judge(0b111111);
  for (const bool second : {false, true})
    CHECK(solve_debate(judge, 6, {.length = 6, .payoff = debate_payoff::margin, .second_starts = second}).value ==
          Approx(whole).epsilon(1e-14));
}

TEST_CASE("Sides that change places, and who starts with them, change the sign") {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto judge = drawn(8, seed);
    const auto turned = [&](std::uint64_t set) { return -judge(set); };
    for (const std::int64_t length : {2, 3, 4}) {
      const auto a = solve_debate(judge, 8, {.length = length, .payoff = debate_payoff::margin});
      const auto b =
          solve_debate(turned, 8, {.length = length, .payoff = debate_payoff::margin, .second_starts = true});
      CHECK(a.value == Approx(-b.value).epsilon(1e-14));
      CHECK(a.line == b.line);
      CHECK(solve_debate(judge, 8, {.length = length}).value ==
            -solve_debate(turned, 8, {.length = length, .second_starts = true}).value);
    }
  }
}

TEST_CASE("Any number of threads values a debate by the same bits") {
  const auto judge = drawn(20, 5);
  const debate_parameters p{.length = 6, .payoff = debate_payoff::margin};
  const auto one = solve_debate(zermelo::serial{}, judge, 20, p);
  const zermelo::threads pool(3);
  const auto many = solve_debate(pool, judge, 20, p);
  CHECK(one.value == many.value);
  CHECK(one.line == many.line);
  CHECK(one.opening == many.opening);
  CHECK(one.positions == 1 + 20 + 190 + 1140 + 4845 + 15504 + 38760);
}

TEST_CASE("Who submits blindly is worth what mixing makes of it") {
  const double scores[2][2] = {{1, 0}, {0, 1}};  // either side's own feature speaks for it
  const auto judge = judge_of(scores);
  const auto s = solve_upfront_debate(judge, 2, {.length = 2, .payoff = debate_payoff::margin});
  CHECK(s.value == Approx(0).margin(1e-12));
  CHECK(s.row_strategy[0] == Approx(1));
  CHECK(s.column_strategy[1] == Approx(1));
  const auto any = drawn(6, 2);
  const auto blind = solve_upfront_debate(any, 6, {.length = 4, .payoff = debate_payoff::margin});
  CHECK(blind.gap < 1e-9);
  CHECK(blind.row_strategy.size() == 15);
}

TEST_CASE("Positions are numbered without gaps") {
  const auto c = zermelo::game::detail::binomials();
  for (const std::int64_t k : {0, 1, 3, 5}) {
    std::uint64_t set = zermelo::game::detail::set_of_rank(c, 0, k);
    for (std::int64_t rank = 0; rank < c(9, k); ++rank) {
      CHECK(zermelo::game::detail::set_of_rank(c, rank, k) == set);
      zermelo::game::detail::for_each_addition(c, set, 9, [&](std::int64_t f, std::int64_t larger) {
        CHECK(zermelo::game::detail::set_of_rank(c, larger, k + 1) == (set | std::uint64_t{1} << f));
      });
      set = zermelo::game::detail::next_set(set);
    }
  }
}

TEST_CASE("Debates that cannot be held are refused") {
  const auto judge = drawn(5, 1);
  CHECK_THROWS_AS(solve_debate(judge, 5, {.length = 6}), zermelo::domain_error);
  CHECK_THROWS_AS(solve_debate(judge, 5, {.length = -1}), zermelo::domain_error);
  CHECK_THROWS_AS(solve_debate(judge, 64, {.length = 2}), zermelo::domain_error);
  CHECK_THROWS_AS(solve_debate(judge, 60, {.length = 30}), zermelo::domain_error);
  CHECK_THROWS_AS(solve_upfront_debate(judge, 5, {.length = 3}), zermelo::domain_error);
  CHECK_THROWS_AS(
      solve_debate([](std::uint64_t) { return std::numeric_limits<double>::quiet_NaN(); }, 3, {.length = 1}),
      zermelo::domain_error);
  const double three[3][2] = {}, bad[2][2] = {{0, 0}, {0, std::numeric_limits<double>::infinity()}};
  CHECK_THROWS_AS(judge_of(three), zermelo::shape_error);
  CHECK(thrown<zermelo::domain_error>([&] { judge_of(bad); }).index() == 3);
}
