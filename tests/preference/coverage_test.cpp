// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "preference/tournaments.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/preference/bootstrap.hpp"
#include "zermelo/preference/inference.hpp"

// How often intervals that say 95 % hold the truth: tournaments are played from known strengths, with fixed seeds.

namespace zm = zermelo;
namespace zp = zermelo::preference;
using namespace tournaments;

namespace {

constexpr zp::bradley_terry maximum_likelihood{};

struct setting {
  std::vector<double> strength;
  pair_list pairs;
  int games;
  double tie;
  std::uint64_t seed;
};

/// What the fit tends to: the optimum for the counts that are expected. Where ties do not depend on the strengths, half-win
/// strengths shrink a little, and this is what intervals must hold.
std::vector<double> limit_of(const setting& s) {
  win_table w(static_cast<std::int64_t>(s.strength.size()));
  for (const auto& [i, j] : s.pairs) {
    const double p =
        1 / (1 + std::exp(s.strength[static_cast<std::size_t>(j)] - s.strength[static_cast<std::size_t>(i)]));
    w(i, j) += s.games * ((1 - s.tie) * p + s.tie / 2);
    w(j, i) += s.games * ((1 - s.tie) * (1 - p) + s.tie / 2);
  }
  return zp::fit(maximum_likelihood, w.graph(), {.tolerance = 1e-14}).strength;
}

struct coverage {
  double items = 0;        ///< share of all items' intervals that hold the truth
  double differences = 0;  ///< of all pairs' intervals
  int tournaments = 0;     ///< that had a finite estimate
};

/// Calls judge(graph, fit, truth) for every tournament, which returns the shares of intervals that hold.
template <class Judge>
coverage measure(const setting& s, int tournaments, Judge judge) {
  const auto truth = limit_of(s);
  coverage sum;
  for (int t = 0; t < tournaments; ++t) {
    const played b(s.strength, s.pairs, s.games, s.tie, s.seed, static_cast<std::uint64_t>(t));
    const auto graph = zp::count_battles(b.first, b.second, b.outcomes, static_cast<std::int64_t>(s.strength.size()));
    try {
      const auto fitted = zp::fit(maximum_likelihood, graph);
      const coverage one = judge(graph, fitted, truth);
      sum.items += one.items, sum.differences += one.differences;
      ++sum.tournaments;
    } catch (const zm::no_maximum&) {
    }
  }
  sum.items /= sum.tournaments, sum.differences /= sum.tournaments;
  return sum;
}

coverage wald(const setting& s, int tournaments, zp::covariance_kind kind) {
  return measure(s, tournaments, [kind](const auto& graph, const auto& fitted, const auto& truth) {
    const auto found = zp::infer(maximum_likelihood, graph, fitted, {.kind = kind});
    const std::size_t n = truth.size();
    coverage one;
    for (std::size_t i = 0; i < n; ++i) {
      one.items += found.lower[i] <= truth[i] && truth[i] <= found.upper[i];
      for (std::size_t j = 0; j < i; ++j) {
        const double error = (fitted.strength[i] - fitted.strength[j]) - (truth[i] - truth[j]);
        one.differences +=
            std::abs(error) <= 1.959963984540054 * std::sqrt(found.variance_of_difference(
                                                       static_cast<std::int64_t>(i), static_cast<std::int64_t>(j)));
      }
    }
    one.items /= static_cast<double>(n), one.differences /= static_cast<double>(n * (n - 1) / 2);
    return one;
  });
}

coverage percentiles(const setting& s, int tournaments, std::int64_t replicates) {
  return measure(s, tournaments, [replicates](const auto& graph, const auto& fitted, const auto& truth) {
    const auto found = zp::bootstrap(maximum_likelihood, graph, fitted, {.replicates = replicates, .seed = 4});
    coverage one;
    for (std::size_t i = 0; i < truth.size(); ++i)
      one.items += found.lower[i] <= truth[i] && truth[i] <= found.upper[i];
    one.items /= static_cast<double>(truth.size());
    return one;
  });
}

/// Four standard deviations of a share of N tournaments: those of one item's intervals. Averages over items, which hold
/// or fail partly together, scatter less.
double band(int tournaments) { return 4 * std::sqrt(0.95 * 0.05 / tournaments); }

const std::vector<double> spread = {1.2, 0.8, 0.4, 0.1, -0.1, -0.4, -0.8, -1.2};

const setting balanced{spread, every_pair(8), 30, 0.0, 201};
const setting tied{spread, every_pair(8), 30, 0.3, 202};
const setting sparse{spread, ring(8), 60, 0.0, 203};

}  // namespace

TEST_CASE("Wald intervals of the model hold the truth 95 times in a hundred") {
  const int tournaments = 2000;
  for (const setting* s : {&balanced, &sparse}) {
    const coverage c = wald(*s, tournaments, zp::covariance_kind::model);
    INFO("model, seed " << s->seed << ": items " << c.items << ", differences " << c.differences << " of "
                        << c.tournaments);
    CHECK(std::abs(c.items - 0.95) < band(c.tournaments));
    CHECK(std::abs(c.differences - 0.95) < band(c.tournaments));
    CHECK(c.tournaments > 0.99 * tournaments);
  }
}

TEST_CASE("sandwich intervals hold the truth 95 times in a hundred, with ties and on sparse graphs too") {
  const int tournaments = 2000;
  for (const setting* s : {&balanced, &tied, &sparse}) {
    const coverage c = wald(*s, tournaments, zp::covariance_kind::sandwich);
    INFO("sandwich, seed " << s->seed << ": items " << c.items << ", differences " << c.differences << " of "
                           << c.tournaments);
    CHECK(std::abs(c.items - 0.95) < band(c.tournaments));
    CHECK(std::abs(c.differences - 0.95) < band(c.tournaments));
  }
}

TEST_CASE("where battles tie, intervals of the model are too wide, never too narrow") {
  const coverage c = wald(tied, 2000, zp::covariance_kind::model);
  INFO("model with ties: items " << c.items << ", differences " << c.differences);
  CHECK(c.items > 0.95);
  CHECK(c.differences > 0.95);
}

TEST_CASE("percentile intervals of the bootstrap hold the truth 95 times in a hundred") {
  const int tournaments = 400;
  for (const setting* s : {&balanced, &tied, &sparse}) {
    const coverage c = percentiles(*s, tournaments, 500);
    INFO("bootstrap, seed " << s->seed << ": items " << c.items << " of " << c.tournaments);
    CHECK(std::abs(c.items - 0.95) < band(c.tournaments));
  }
}
