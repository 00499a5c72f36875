// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/bradley_terry.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "catch.hpp"
#include "preference/tournaments.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace zm = zermelo;
namespace zp = zermelo::preference;
using namespace tournaments;

namespace {

constexpr zp::bradley_terry maximum_likelihood{};

std::vector<double> strengths(const zp::comparison_graph& g, zp::fit_parameters p = {}) {
  return zp::fit(maximum_likelihood, g, p).strength;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = (std::max)(largest, std::abs(a[i] - b[i]));
  return largest;
}

win_table two_items(double a, double b) {
  win_table w(2);
  w(0, 1) = a, w(1, 0) = b;
  return w;
}

win_table random_table() {
  const auto n = *rc::gen::inRange<std::int64_t>(2, 13);
  const auto density = *rc::gen::inRange(0, 101) / 100.0;
  return random_wins(n, density, 20, *rc::gen::arbitrary<std::uint64_t>());
}

/// Σⱼ (Wⱼᵢ pᵢⱼ − Wᵢⱼ pⱼᵢ) of the worst item, by the definition.
double naive_gradient_norm(const win_table& w, const std::vector<double>& theta) {
  double largest = 0;
  for (std::int64_t i = 0; i < w.n; ++i) {
    double g = 0;
    for (std::int64_t j = 0; j < w.n; ++j) {
      const double d = theta[static_cast<std::size_t>(i)] - theta[static_cast<std::size_t>(j)];
      g += w(j, i) / (1 + std::exp(-d)) - w(i, j) / (1 + std::exp(d));
    }
    largest = (std::max)(largest, std::abs(g));
  }
  return largest;
}

/// Neighbours alone meet, in 7 to 9 games.
win_table banded(std::int64_t n) {
  win_table w(n);
  for (std::int64_t i = 0; i + 1 < n; ++i) {
    const auto at = static_cast<std::uint64_t>(i);
    w(i, i + 1) = static_cast<double>(3 + zm::index_below(zm::random_bits(31, 0, at), 3));
    w(i + 1, i) = static_cast<double>(4 + zm::index_below(zm::random_bits(31, 1, at), 2)) - (w(i, i + 1) - 4);
  }
  return w;
}

}  // namespace

TEST_CASE("two items differ by the logarithm of their odds") {
  check_property([] {
    const double a = *rc::gen::inRange(1, 1'000'000), b = *rc::gen::inRange(1, 1'000'000);
    const auto theta = strengths(two_items(a, b).graph());
    const double exact = std::log(a / b);
    // Rounding of the last Newton step: a few units of the last place of the gradient's two sides over their curvature.
    RC_ASSERT(std::abs(theta[0] - theta[1] - exact) <= 4e-15 * (1 + std::abs(exact)));
    RC_ASSERT(std::abs(theta[0] + theta[1]) <= 1e-15 * (1 + std::abs(exact)));
  });
}

TEST_CASE("at the optimum every item won as often as expected") {
  check_property([] {
    const win_table w = random_table();
    const auto fitted = zp::fit(maximum_likelihood, w.graph());
    RC_ASSERT(fitted.convergence.status == zm::status::converged);
    RC_ASSERT(naive_gradient_norm(w, fitted.strength) <= 1e-10 * fitted.certificate.scale);
    RC_ASSERT(fitted.certificate.gradient_norm <= 1e-10 * fitted.certificate.scale);
    RC_ASSERT(fitted.convergence.residual == fitted.certificate.gradient_norm / fitted.certificate.scale);
    RC_ASSERT(std::abs(std::accumulate(fitted.strength.begin(), fitted.strength.end(), 0.0)) < 1e-12);
  });
}

TEST_CASE("the log-likelihood is that of its definition, and no neighbour has a higher one") {
  check_property([] {
    const win_table w = random_table();
    const auto fitted = zp::fit(maximum_likelihood, w.graph());
    const auto likelihood = [&](const std::vector<double>& theta) {
      double sum = 0;
      for (std::int64_t i = 0; i < w.n; ++i)
        for (std::int64_t j = 0; j < w.n; ++j)
          sum -=
              w(i, j) * std::log1p(std::exp(theta[static_cast<std::size_t>(j)] - theta[static_cast<std::size_t>(i)]));
      return sum;
    };
    const double best = likelihood(fitted.strength);
    RC_ASSERT(std::abs(fitted.log_likelihood - best) <= 1e-13 * std::abs(best));
    RC_ASSERT(fitted.objective == -fitted.log_likelihood);
    auto other = fitted.strength;
    other[*rc::gen::inRange<std::size_t>(0, other.size())] += 1e-3;
    RC_ASSERT(likelihood(other) < best);
  });
}

TEST_CASE("scaling all counts leaves the strengths; turning all results around turns them around") {
  check_property([] {
    const win_table w = random_table();
    win_table scaled(w.n), turned(w.n);
    for (std::int64_t i = 0; i < w.n; ++i)
      for (std::int64_t j = 0; j < w.n; ++j) scaled(i, j) = 1000 * w(i, j), turned(j, i) = w(i, j);
    const auto theta = strengths(w.graph());
    RC_ASSERT(largest_difference(theta, strengths(scaled.graph())) < 1e-12);
    auto negated = strengths(turned.graph());
    for (double& x : negated) x = -x;
    RC_ASSERT(largest_difference(theta, negated) < 1e-12);
  });
}

TEST_CASE("ties pull the two together, as half a win of each does") {
  check_property([] {
    const win_table w = random_table();
    win_table ties(w.n), shared = w;
    const double extra = *rc::gen::inRange(1, 30);
    ties(0, 1) = ties(1, 0) = extra;
    shared(0, 1) += extra / 2, shared(1, 0) += extra / 2;
    const auto before = strengths(w.graph()), after = strengths(zp::graph_from_wins(w.view(), ties.view()));
    RC_ASSERT(largest_difference(after, strengths(shared.graph())) < 1e-12);
    RC_ASSERT(std::abs(after[0] - after[1]) <= std::abs(before[0] - before[1]) + 1e-14);
  });
}

TEST_CASE("a balanced schedule orders strengths by wins") {
  check_property([] {
    const auto n = *rc::gen::inRange<std::int64_t>(2, 10);
    const auto games = *rc::gen::inRange<std::int64_t>(2, 20);
    win_table w(n);
    std::vector<double> wins(static_cast<std::size_t>(n), 0.0);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = i + 1; j < n; ++j) {
        w(i, j) = static_cast<double>(*rc::gen::inRange<std::int64_t>(1, games));
        w(j, i) = static_cast<double>(games) - w(i, j);
        wins[static_cast<std::size_t>(i)] += w(i, j), wins[static_cast<std::size_t>(j)] += w(j, i);
      }
    const auto theta = strengths(w.graph());
    for (std::size_t i = 0; i < wins.size(); ++i)
      for (std::size_t j = 0; j < wins.size(); ++j) {
        if (wins[i] > wins[j]) RC_ASSERT(theta[i] > theta[j]);
        if (wins[i] == wins[j]) RC_ASSERT(std::abs(theta[i] - theta[j]) < 1e-12);
      }
  });
}

TEST_CASE("all solvers reach one optimum, to their certificates (evalica#7: two rules, two answers)") {
  using zp::fit_method;
  check_property(
      [] {
        const win_table w = random_table();
        const auto theta = strengths(w.graph());
        for (const auto method : {fit_method::lbfgs, fit_method::mm, fit_method::mm_cyclic, fit_method::newman,
                                  fit_method::newman_parallel}) {
          const auto other = zp::fit(maximum_likelihood, w.graph(), {.method = method, .tolerance = 1e-13});
          RC_ASSERT(other.convergence.status != zm::status::limit);
          RC_ASSERT(other.convergence.residual < 1e-12);
          RC_ASSERT(largest_difference(theta, other.strength) < 1e-9);
        }
      },
      40);
}

TEST_CASE("Newton keeps all digits on a chain of odds of a million to one") {
  win_table w(4);
  for (std::int64_t i = 0; i < 3; ++i) w(i, i + 1) = 1e6, w(i + 1, i) = 1;
  const auto fitted = zp::fit(maximum_likelihood, w.graph());
  CHECK(fitted.convergence.status == zm::status::converged);
  for (std::size_t i = 0; i < 3; ++i)
    // Half a unit of the last place of strengths up to 21, and of their difference: 5e-16 of it.
    CHECK(std::abs(fitted.strength[i] - fitted.strength[i + 1] - std::log(1e6)) <= 5e-16 * std::log(1e12));
}

TEST_CASE("Newman's step for all items at once oscillates for ever on a bipartite graph") {
  const auto graph = two_items(3, 1).graph();
  for (const std::int64_t sweeps : {1, 2, 3, 4, 1001}) {
    const auto fitted =
        zp::fit(maximum_likelihood, graph, {.method = zp::fit_method::newman_simultaneous, .max_iterations = sweeps});
    CHECK(fitted.convergence.status == zm::status::limit);
    CHECK(fitted.strength[0] - fitted.strength[1] == Approx(sweeps % 2 == 1 ? std::log(9.0) : 0.0).margin(1e-12));
  }
  CHECK(strengths(graph, {.method = zp::fit_method::newman_parallel})[0] == Approx(std::log(3.0) / 2).epsilon(1e-10));
}

TEST_CASE("Newton needs a handful of steps on a band of 300 items, where sweeps do not arrive") {
  const win_table w = banded(300);
  const auto fitted = zp::fit(maximum_likelihood, w.graph());
  CHECK(fitted.convergence.status == zm::status::converged);
  CHECK(fitted.convergence.iterations <= 5);  // 3 to the gradient test, and up to 2 for the last digits
  // A chain has a closed form: each difference is the logarithm of the pair's odds.
  for (std::int64_t i = 0; i + 1 < 300; ++i) {
    const auto at = static_cast<std::size_t>(i);
    CHECK(fitted.strength[at] - fitted.strength[at + 1] == Approx(std::log(w(i, i + 1) / w(i + 1, i))).margin(1e-11));
  }
  const auto slow = zp::fit(maximum_likelihood, w.graph(), {.method = zp::fit_method::mm, .max_iterations = 2000});
  CHECK(slow.convergence.status == zm::status::limit);
  CHECK(largest_difference(slow.strength, fitted.strength) > 1e-3);
}

TEST_CASE("a solver that stops early says so, however near to separable the field (tabarena#500, elote#65)") {
  win_table w(12);
  for (std::int64_t i = 0; i < 12; ++i)
    for (std::int64_t j = i + 1; j < 12; ++j) w(i, j) = 200;
  for (std::int64_t i = 0; i + 1 < 12; ++i) w(i + 1, i) = 0.5;
  const auto capped = zp::fit(maximum_likelihood, w.graph(), {.method = zp::fit_method::mm, .max_iterations = 100});
  CHECK(capped.convergence.status == zm::status::limit);
  CHECK(capped.convergence.iterations == 100);
  CHECK(capped.convergence.residual > 1e-10);
  const auto exact = zp::fit(maximum_likelihood, w.graph());
  CHECK(exact.convergence.status == zm::status::converged);
  CHECK(naive_gradient_norm(w, exact.strength) < 1e-9);
  CHECK(largest_difference(exact.strength, capped.strength) > 1);
  const auto lbfgs = zp::fit(maximum_likelihood, w.graph(), {.method = zp::fit_method::lbfgs, .tolerance = 1e-12});
  CHECK(largest_difference(exact.strength, lbfgs.strength) < 1e-5);
}

TEST_CASE("where no maximum exists the error says what never happened (BradleyTerry2#6)") {
  win_table undefeated(3);  // 1 beat the others, which beat each other
  undefeated(1, 0) = undefeated(1, 2) = undefeated(0, 2) = undefeated(2, 0) = 1;
  auto error = thrown<zm::no_maximum>([&] { strengths(undefeated.graph()); });
  CHECK(error.components() == zm::item_sets{{1}, {0, 2}});
  CHECK(std::string(error.what()).starts_with("no maximum-likelihood estimate exists: item 1 never lost"));

  win_table winless(3);
  winless(0, 1) = winless(1, 0) = winless(0, 2) = 2;
  error = thrown<zm::no_maximum>([&] { strengths(winless.graph()); });
  CHECK(error.components() == zm::item_sets{{0, 1}, {2}});
  CHECK(std::string(error.what()).find("item 2 never won") != std::string::npos);

  win_table leagues(4);  // {2, 3} never lost to {0, 1}
  leagues(0, 1) = leagues(1, 0) = leagues(2, 3) = leagues(3, 2) = leagues(3, 0) = 1;
  error = thrown<zm::no_maximum>([&] { strengths(leagues.graph()); });
  CHECK(error.components() == zm::item_sets{{2, 3}, {0, 1}});
  CHECK(std::string(error.what()).find("items {2, 3} never lost to any other") != std::string::npos);
}

TEST_CASE("islands are named, and not taken for a tie (langwatch#7803)") {
  win_table w(5);
  w(0, 2) = w(2, 0) = w(1, 3) = w(3, 1) = 4;
  const auto error = thrown<zm::not_identifiable>([&] { strengths(w.graph()); });
  CHECK(error.components() == zm::item_sets{{0, 2}, {1, 3}, {4}});
  CHECK(std::string(error.what()).find("3 islands that never met, items {0, 2} and {1, 3}") != std::string::npos);
  CHECK(thrown<zm::not_identifiable>([&] { strengths(win_table(3).graph()); }).components().size() == 3);
}

TEST_CASE("one tie connects both ways; a battle of weight zero connects nothing") {
  const std::vector<int> first = {0}, second = {1};
  const std::vector<double> tie = {0.5}, nothing = {0};
  CHECK(strengths(zp::count_battles(first, second, tie, 2)) == std::vector<double>{0, 0});
  CHECK_THROWS_AS(strengths(zp::count_battles(first, second, tie, nothing, 2)), zm::not_identifiable);
  CHECK_THROWS_AS(strengths(zp::count_battles(first, second, tie, nothing, 2, {.dense_limit = 0})),
                  zm::not_identifiable);
}

TEST_CASE("a single item has strength zero") {
  const auto fitted = zp::fit(maximum_likelihood, win_table(1).graph());
  CHECK(fitted.strength == std::vector<double>{0});
  CHECK(fitted.convergence.status == zm::status::converged);
  CHECK(fitted.log_likelihood == 0);
}

TEST_CASE("a fit by components fits each as if it were alone") {
  win_table w(7);
  w(2, 5) = 3, w(5, 2) = 1;                      // the winners
  w(0, 3) = w(3, 6) = w(6, 0) = 2, w(3, 0) = 1;  // beaten by 5
  w(5, 3) = 4, w(0, 1) = 1;                      // 1 lost its only battle; 4 never met anyone
  const auto fitted = zp::fit(maximum_likelihood, w.graph(), {.existence = zp::existence::by_component});
  REQUIRE(fitted.components == zm::item_sets{{2, 5}, {0, 3, 6}, {1}, {4}});
  CHECK(fitted.convergence.status == zm::status::converged);
  CHECK(fitted.strength[2] - fitted.strength[5] == Approx(std::log(3.0)).epsilon(1e-14));
  CHECK(fitted.strength[1] == 0);
  CHECK(fitted.strength[4] == 0);
  win_table alone(3);
  alone(0, 1) = alone(1, 2) = alone(2, 0) = 2, alone(1, 0) = 1;
  const auto part = strengths(alone.graph());
  CHECK(largest_difference({fitted.strength[0], fitted.strength[3], fitted.strength[6]}, part) < 1e-14);
  CHECK(fitted.win_probability(2, 5) == Approx(0.75));
  CHECK_THROWS_AS(fitted.win_probability(2, 3), zm::domain_error);
  CHECK_THROWS_AS(fitted.win_probability(4, 0), zm::domain_error);

  // Of one component it is the fit.
  const auto graph = two_items(3, 1).graph();
  const auto whole = zp::fit(maximum_likelihood, graph, {.existence = zp::existence::by_component});
  CHECK(whole.components.empty());
  CHECK(whole.strength == strengths(graph));
}

TEST_CASE("full and compressed rows give one estimate") {
  // 1000 items fill rows. One item more, which drew twice with item 0, changes nothing but the storage and the solver.
  const std::int64_t n = 1000;
  std::vector<std::int32_t> first, second;
  std::vector<double> wins, losses;
  for (std::int64_t k = 0; k < 6 * n; ++k) {
    const auto at = static_cast<std::uint64_t>(k);
    const std::int64_t i = k % n, j = k < n ? (i + 1) % n : zm::index_below(zm::random_bits(41, 0, at), n);
    if (i == j) continue;
    first.push_back(static_cast<std::int32_t>(i)), second.push_back(static_cast<std::int32_t>(j));
    wins.push_back(static_cast<double>(1 + zm::index_below(zm::random_bits(41, 1, at), 5)));
    losses.push_back(static_cast<double>(1 + zm::index_below(zm::random_bits(41, 2, at), 5)));
  }
  const auto full = strengths(zp::graph_from_records(first, second, wins, losses, n));
  first.push_back(0), second.push_back(1000), wins.push_back(1), losses.push_back(1);
  const zm::threads three(3);
  for (const std::int64_t dense_limit : {4000, 10})
    for (const auto method : {zp::fit_method::newton, zp::fit_method::lbfgs, zp::fit_method::newman_parallel}) {
      const auto graph = zp::graph_from_records(first, second, wins, losses, n + 1, {.dense_limit = dense_limit});
      const auto fitted = zp::fit(maximum_likelihood, graph, {.method = method, .tolerance = 1e-12});
      CHECK(fitted.strength ==
            zp::fit(three, maximum_likelihood, graph, {.method = method, .tolerance = 1e-12}).strength);
      double largest = std::abs(fitted.strength[1000] - fitted.strength[0]);
      const double shift = fitted.strength[0] - full[0];
      for (std::size_t i = 0; i < full.size(); ++i)
        largest = (std::max)(largest, std::abs(fitted.strength[i] - full[i] - shift));
      INFO("dense limit " << dense_limit << ", method " << static_cast<int>(method));
      CHECK(largest < 1e-9);
    }
}

TEST_CASE("how a small graph is stored does not change a bit of its fit") {
  const played battles({1, 0.5, 0, -0.5, -1}, every_pair(5), 30, 0.2, 51, 0);
  const auto dense = zp::count_battles(battles.first, battles.second, battles.outcomes, 5);
  const auto compressed = zp::count_battles(battles.first, battles.second, battles.outcomes, 5, {.dense_limit = 0});
  CHECK(strengths(dense) == strengths(compressed));
}

TEST_CASE("a fit that starts at its own optimum stays there") {
  const win_table w = random_wins(9, 0.5, 9, 61);
  const auto theta = strengths(w.graph());
  auto shifted = theta;
  for (double& x : shifted) x += 7;
  const auto again = zp::fit(maximum_likelihood, w.graph(), {.start = shifted});
  CHECK(again.convergence.iterations <= 2);
  CHECK(largest_difference(again.strength, theta) < 1e-14);
}

TEST_CASE("win probabilities add up to one, and ask for items that exist") {
  const auto fitted = zp::fit(maximum_likelihood, two_items(3, 1).graph());
  CHECK(fitted.win_probability(0, 1) == Approx(0.75).epsilon(1e-14));
  CHECK(fitted.win_probability(0, 1) + fitted.win_probability(1, 0) == Approx(1).epsilon(1e-15));
  CHECK(fitted.win_probability(1, 1) == 0.5);
  CHECK(thrown<zm::domain_error>([&] { fitted.win_probability(2, 0); }).argument() == "i");
  CHECK(thrown<zm::domain_error>([&] { fitted.win_probability(0, -1); }).argument() == "j");
}

TEST_CASE("simulated battles are a pure function of seed and position, with the model's probabilities") {
  const auto fitted = zp::fit(maximum_likelihood, two_items(3, 1).graph());
  const std::size_t m = 40000;
  std::vector<int> first(m, 0), second(m, 1);
  std::vector<zp::outcome> once(m), again(m), other(m), part(100);
  fitted.simulate(first, second, once, 5);
  fitted.simulate(first, second, again, 5);
  fitted.simulate(first, second, other, 6);
  CHECK(once == again);
  CHECK(once != other);
  first.resize(100), second.resize(100);
  fitted.simulate(first, second, part, 5);
  CHECK(std::equal(part.begin(), part.end(), once.begin()));
  const auto won = static_cast<double>(std::count(once.begin(), once.end(), zp::outcome::first));
  CHECK(std::abs(won - 0.75 * m) < 4 * std::sqrt(m * 0.75 * 0.25));  // four standard deviations, and a fixed seed

  second[70] = 2;
  const auto error = thrown<zm::domain_error>([&] { fitted.simulate(first, second, part, 5); });
  CHECK(error.argument() == "second");
  CHECK(error.index() == 70);
  second.pop_back();
  CHECK(thrown<zm::shape_error>([&] { fitted.simulate(first, second, part, 5); }).argument() == "second");
}

TEST_CASE("parameters outside their domain are refused by name") {
  const auto graph = two_items(3, 1).graph();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto argument = [&](zp::fit_parameters p) {
    return thrown<zm::domain_error>([&] { zp::fit(maximum_likelihood, graph, p); }).argument();
  };
  CHECK(argument({.tolerance = -1}) == "tolerance");
  CHECK(argument({.tolerance = nan}) == "tolerance");
  CHECK(argument({.max_iterations = -1}) == "max_iterations");
  const std::vector<double> three(3), wild = {0, nan}, endless = {0, std::numeric_limits<double>::infinity()};
  CHECK(thrown<zm::shape_error>([&] { zp::fit(maximum_likelihood, graph, {.start = three}); }).argument() == "start");
  CHECK(argument({.start = wild}) == "start");
  CHECK(argument({.start = endless}) == "start");
}
