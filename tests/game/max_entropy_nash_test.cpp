// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>
#include <zermelo/core/random.hpp>
#include <zermelo/game/matrix_game.hpp>
#include <zermelo/game/max_entropy_nash.hpp>

#include "catch.hpp"

namespace {

namespace zm = zermelo;
namespace game = zermelo::game;

auto preferences(const std::vector<double>& p) {
  const auto n = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(p.size()))));
  return game::preference_matrix(zm::matrix_view(p.data(), n, n));
}

std::vector<double> random_preferences(std::int64_t n, std::uint64_t stream) {
  std::vector<double> p(static_cast<std::size_t>(n * n), 0.5);
  std::uint64_t k = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      const double x = zm::uniform(21, stream, k++);
      p[static_cast<std::size_t>(i * n + j)] = x;
      p[static_cast<std::size_t>(j * n + i)] = 1 - x;
    }
  return p;
}

/// The game in which item `original` has a copy, the last item.
std::vector<double> with_clone(const std::vector<double>& p, std::size_t n, std::size_t original) {
  std::vector<double> q((n + 1) * (n + 1));
  const auto source = [&](std::size_t i) { return i == n ? original : i; };
  for (std::size_t i = 0; i <= n; ++i)
    for (std::size_t j = 0; j <= n; ++j) q[i * (n + 1) + j] = p[source(i) * n + source(j)];
  return q;
}

}  // namespace

TEST_CASE("a unique Nash policy is the one of largest entropy") {
  for (std::uint64_t stream = 0; stream < 20; ++stream) {
    const auto n = 3 + static_cast<std::int64_t>(stream % 6);
    const auto p = random_preferences(n, stream);
    const auto lp = game::nash_policy(preferences(p));
    const auto r = game::max_entropy_nash(preferences(p));
    CHECK(r.polished);
    CHECK(r.exploitability < 1e-13);
    for (std::size_t i = 0; i < lp.policy.size(); ++i) CHECK(r.policy[i] == Approx(lp.policy[i]).margin(1e-10));
  }
}

TEST_CASE("in the sparse four-cycle, where Nash is a segment, it is uniform") {
  const std::vector<double> p{0.5, 0.8, 0.5, 0.2, 0.2, 0.5, 0.8, 0.5, 0.5, 0.2, 0.5, 0.8, 0.8, 0.5, 0.2, 0.5};
  const auto r = game::max_entropy_nash(preferences(p));
  for (const double x : r.policy) CHECK(x == Approx(0.25).epsilon(1e-13));
  CHECK(r.entropy == Approx(std::log(4.0)));
  CHECK(r.polished);
  for (const double x : game::max_entropy_nash(preferences(std::vector<double>(9, 0.5))).policy)
    CHECK(x == Approx(1.0 / 3));
}

TEST_CASE("clones share the mass of the item that they copy") {
  for (std::uint64_t stream = 0; stream < 10; ++stream) {
    const auto p = random_preferences(5, stream);
    const auto before = game::max_entropy_nash(preferences(p));
    for (std::size_t original = 0; original < 5; ++original) {
      const auto after = game::max_entropy_nash(preferences(with_clone(p, 5, original)));
      CHECK(after.polished);
      for (std::size_t i = 0; i < 5; ++i) {
        const double expected = i == original ? before.policy[i] / 2 : before.policy[i];
        CHECK(after.policy[i] == Approx(expected).margin(1e-9));
      }
      CHECK(after.policy[5] == Approx(after.policy[original]).margin(1e-12));
    }
  }
}

TEST_CASE("clones in larger games do no harm") {
  for (const std::int64_t n : {15, 30}) {
    const auto p = random_preferences(n, 77);
    const auto before = game::nash_policy(preferences(p));
    const auto played =
        static_cast<std::size_t>(std::max_element(before.policy.begin(), before.policy.end()) - before.policy.begin());
    const auto after = game::max_entropy_nash(preferences(with_clone(p, static_cast<std::size_t>(n), played)));
    CHECK(after.polished);
    CHECK(after.policy[played] == Approx(before.policy[played] / 2).margin(1e-9));
    CHECK(after.policy.back() == Approx(before.policy[played] / 2).margin(1e-9));
  }
}

TEST_CASE("it has more entropy than any other Nash policy, where constraints bind too") {
  // Items 0, 1, 2 cycle; 3 copies 0 but loses to 2 by less, and wins from 1 by less: mixtures of 0 and 3 stay Nash.
  const std::vector<double> p{0.5, 0.9, 0.1, 0.5, 0.1, 0.5, 0.9, 0.3, 0.9, 0.1, 0.5, 0.7, 0.5, 0.7, 0.3, 0.5};
  const auto r = game::max_entropy_nash(preferences(p));
  CHECK(r.exploitability < 1e-12);
  const auto lp = game::nash_policy(preferences(p));
  double entropy = 0;
  for (const double x : lp.policy) entropy -= x > 0 ? x * std::log(x) : 0.0;
  CHECK(r.entropy >= entropy - 1e-12);
}
