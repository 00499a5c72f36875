// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <limits>
#include <vector>

#include "reliability/registry.hpp"
#include "zermelo/game/anchor_step.hpp"
#include "zermelo/game/dynamics.hpp"
#include "zermelo/game/gaps.hpp"
#include "zermelo/game/preference_operator.hpp"
#include "zermelo/game/simplex_projection.hpp"
#include "zermelo/preference/comparison_graph.hpp"

namespace {

using namespace registry;
namespace zg = zermelo::game;
namespace zp = zermelo::preference;

constexpr double unit = std::numeric_limits<double>::epsilon();

/// n positive numbers that add up to one.
values some_policy(std::uint64_t seed, std::uint64_t stream, std::size_t n) {
  values p = uniforms(seed, stream, n, 0.5, 1);
  double sum = 0;
  for (const double x : p) sum += x;
  for (double& x : p) x /= sum;
  return p;
}

/// Every item met the next two on a circle.
zp::comparison_graph circle(std::size_t n) {
  std::vector<std::int64_t> first, second;
  values outcomes;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 1; k <= 2 && k < n; ++k) {
      first.push_back(static_cast<std::int64_t>(i));
      second.push_back(static_cast<std::int64_t>((i + k) % n));
      outcomes.push_back((i + k) % 3 == 0 ? 0.5 : (i + k) % 3 == 1 ? 1.0 : 0.0);
    }
  return zp::count_battles(first, second, outcomes, static_cast<std::int64_t>(n), {.dense_limit = 50});
}

const registration step([] {
  function f{.name = "anchor_step",
             .is = trait::batch_coupled,
             .arguments = {{.name = "base", .below_infinity = true},
                           {.name = "reference", .below_infinity = true},
                           {.name = "payoff", .below_infinity = true}},
             .parameters = {{"reference_weight", 0.25, 0.5}, {"step", 1, 2}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(3, seed, n); },
             .tolerance = 16 * unit};
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    values out(2 * x[0].size());
    const auto n = static_cast<std::int64_t>(x[0].size());
    with(p, [&](const auto& how) {
      zg::anchor_step(how, x[0], x[1], x[2], zm::vector_view(out.data(), n), zm::vector_view(out.data() + n, n),
                      {.reference_weight = parameters[0], .step = parameters[1]});
    });
    return out;
  };
  // Log-probabilities are sums of terms of at most 10, 20 and log n; probabilities inherit their errors.
  f.sizes = [](const columns& x, const values&) { return values(2 * x[0].size(), 50.0); };
  return f;
}());

const registration counted([] {
  function f{.name = "win rates of counts",
             .is = trait::batch_coupled,
             .arguments = {{.name = "policy", .finite = true}},
             .parameters = {{"pseudo_count", 0, 1}},
             .sample = [](std::uint64_t seed, std::size_t n) { return columns{some_policy(seed, 0, n)}; },
             .tolerance = 16 * unit};
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    const auto graph = circle(x[0].size());
    values out(x[0].size());
    const auto game = zg::empirical_game(graph, {.pseudo_count = parameters[0]});
    with(p, [&](const auto& how) { game.win_rate(how, x[0], out); });
    return out;
  };
  f.sizes = [](const columns& x, const values&) { return values(x[0].size(), 1.0); };
  return f;
}());

const registration gap([] {
  function f{
      .name = "regularized_exploitability",
      .is = trait::batch_coupled,
      .arguments = {{.name = "policy", .least = 0, .finite = true}, {.name = "reference", .least = 0, .finite = true}},
      .parameters = {{"kl_weight", 0.1, 0.2}},
      .sample =
          [](std::uint64_t seed, std::size_t n) {
            return columns{some_policy(seed, 0, n), some_policy(seed, 1, n)};
          },
      .tolerance = 64 * unit};
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    const auto graph = circle(x[0].size());
    const auto game = zg::empirical_game(graph);
    return with(p, [&](const auto& how) {
      const auto soft = zg::regularized_exploitability(how, game, x[0], x[1], {.kl_weight = parameters[0]});
      return values{soft.exploitability, soft.divergence, zg::exploitability(how, game, x[0]).exploitability};
    });
  };
  f.sizes = [](const columns&, const values&) { return values(3, 10.0); };
  return f;
}());

const registration rounds([] {
  function f{
      .name = "solve",
      .is = trait::batch_coupled,
      .arguments = {{.name = "start", .least = 0, .finite = true}, {.name = "reference", .least = 0, .finite = true}},
      .parameters = {{"step", 1, 0.5}, {"kl_weight", 0.1, 0.2}},
      .sample =
          [](std::uint64_t seed, std::size_t n) {
            return columns{some_policy(seed, 0, n), some_policy(seed, 1, n)};
          },
      .tolerance = 256 * unit};
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    const auto graph = circle(x[0].size());
    return with(p, [&](const auto& how) {
      return zg::solve(how, zg::empirical_game(graph), zg::egpo{parameters[0], parameters[1]}, x[0], x[1],
                       {.limit = 5, .target = 0})
          .policy;
    });
  };
  return f;
}());

const registration projection([] {
  function f{.name = "simplex_projection",
             .is = trait::batch_coupled,
             .arguments = {{.name = "v", .finite = true}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(1, seed, n); }};
  f.call = [](const policy&, const columns& x, const values&) {
    values out(x[0].size());
    zg::simplex_projection(x[0], out);
    return out;
  };
  return f;
}());

}  // namespace
