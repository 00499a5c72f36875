// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>

#include "reliability/kernels.hpp"
#include "zermelo/preference/bootstrap.hpp"
#include "zermelo/preference/inference.hpp"

namespace {

using namespace registry;
namespace zp = zermelo::preference;

constexpr double infinity = std::numeric_limits<double>::infinity();

// Priors -------------------------------------------------------------------------------------------------------------

template <class Prior>
struct prior_kernel {
  static constexpr std::size_t count = 7;
  static Prior make(const values& p) {
    if constexpr (std::is_same_v<Prior, zp::gamma_prior>)
      return {p[0], p[1]};
    else
      return {p[0]};
  }
  template <class V>
  static std::array<V, count> outputs(Prior prior, V theta) {
    const auto t = prior(theta);
    return {t.value, t.slope, t.curvature, t.won, t.lost, t.decided, t.expected};
  }
};

template <class Prior>
function prior_function(std::string name, std::vector<parameter> parameters, std::vector<limit> limits) {
  auto f = kernel_function<prior_kernel<Prior>, double>(
      std::move(name), {"value", "slope", "curvature", "won", "lost", "decided", "expected"}, {.name = "theta"},
      std::move(parameters));
  auto& k = *f.kernel;
  k.derivatives = {{0, 0, 1, 1}, {0, 1, 2, 1}};
  k.limits = std::move(limits);
  if constexpr (!std::is_same_v<Prior, zp::gaussian_prior>) {
    const auto difference = [element = k.element](std::size_t a, std::size_t b) {
      return [element, a, b](const values& p, double x) { return element(p, {x})[a] - element(p, {x})[b]; };
    };
    const auto slope = [element = k.element](const values& p, double x) { return element(p, {x})[1]; };
    const auto size = [element = k.element](const values& p, double x) {
      const values y = element(p, {x});
      return y[3] + y[4] + y[5] + y[6];
    };
    k.identities = {{"Newman's two sides differ by the slope", difference(4, 3), slope, size},
                    {"Zermelo's two sides differ by the slope", difference(6, 5), slope, size}};
  }
  return f;
}

const registration gaussian(prior_function<zp::gaussian_prior>("Gaussian prior", {{"precision", 0.7, 0.9}},
                                                               {{{infinity}, {infinity, infinity, 0.7, 0, 0, 0, 0}},
                                                                {{-2}, {1.4, -1.4, 0.7, 0, 0, 0, 0}}}));

const registration gamma(prior_function<zp::gamma_prior>(
    "gamma prior", {{"shape", 2.5, 2.6}, {"rate", 0.4, 0.5}},
    {{{infinity}, {infinity, infinity, infinity, 1.5, infinity, 1.5, infinity}},
     {{-infinity}, {infinity, -1.5, 0, 1.5, 0, 1.5, 0}},
     {{-700}, {1050, -1.5, 0.4 * std::exp(-700.0), 1.5, 0.4 * std::exp(-700.0), 1.5, 0.4 * std::exp(-700.0)}}}));

const registration phantom(
    prior_function<zp::phantom_prior>("phantom prior", {{"games", 0.5, 0.6}},
                                      {{{infinity}, {infinity, 0.5, 0, 0, 0.5, 0.5, 1}},
                                       {{-infinity}, {infinity, -0.5, 0, 0.5, 0, 0.5, 0}},
                                       {{700}, {350, 0.5, std::exp(-700.0), 0.5 * std::exp(-700.0), 0.5, 0.5, 1}}}));

// Comparison graphs --------------------------------------------------------------------------------------------------

constexpr std::int64_t items = 6;

std::vector<std::int64_t> integers(const values& x) {
  std::vector<std::int64_t> ids;
  for (const double v : x) ids.push_back(static_cast<std::int64_t>(v));
  return ids;
}

/// Random battles; the first of them, as many as fit, go around a ring both ways, so that fits exist from 12 on.
columns battles(std::uint64_t seed, std::size_t n, std::size_t numbers) {
  columns x(3 + numbers, values(n));
  for (std::size_t k = 0; k < n; ++k) {
    const bool ring = k < 2 * static_cast<std::size_t>(items);
    const auto i = ring ? static_cast<std::int64_t>(k / 2) : zm::index_below(zm::random_bits(seed, 0, k), items);
    const auto step = ring ? 1 : 1 + zm::index_below(zm::random_bits(seed, 1, k), items - 1);
    x[0][k] = static_cast<double>(i);
    x[1][k] = static_cast<double>((i + step) % items);
    x[2][k] =
        ring ? static_cast<double>(k % 2) : 0.5 * static_cast<double>(zm::index_below(zm::random_bits(seed, 2, k), 3));
    for (std::size_t c = 0; c < numbers; ++c)  // quarters, whose sums are exact
      x[3 + c][k] = 0.25 * static_cast<double>(1 + zm::index_below(zm::random_bits(seed, 3 + c, k), 12));
  }
  return x;
}

values flat(const zp::comparison_graph& g) {
  values all = {static_cast<double>(g.battles)};
  for (std::int64_t i = 0; i < g.items; ++i)
    for (std::int64_t j = 0; j < g.items; ++j) {
      const auto r = g.between(i, j);
      all.insert(all.end(), {r.wins, r.losses, r.ties});
    }
  return all;
}

const std::vector<argument> battle_arguments = {
    {"first", content::ids}, {"second", content::ids}, {"outcomes", content::scores}};

std::vector<argument> with_counts(std::initializer_list<std::string> names) {
  auto all = battle_arguments;
  for (const auto& name : names) all.push_back({.name = name, .least = 0, .finite = true});
  return all;
}

zp::comparison_graph counted(const policy& p, const columns& x, std::int64_t dense_limit = 4000) {
  return with(p, [&](const auto& how) {
    return zp::count_battles(how, integers(x[0]), integers(x[1]), x[2], items, {.dense_limit = dense_limit});
  });
}

function counting(std::string name, std::int64_t dense_limit) {
  return {.name = std::move(name),
          .arguments = battle_arguments,
          .sample = [](std::uint64_t seed, std::size_t n) { return battles(seed, n, 0); },
          .call = [=](const policy& p, const columns& x, const values&) { return flat(counted(p, x, dense_limit)); }};
}

function weighing(std::string name, std::int64_t dense_limit) {
  return {.name = std::move(name),
          .arguments = with_counts({"weights"}),
          .sample = [](std::uint64_t seed, std::size_t n) { return battles(seed, n, 1); },
          .call =
              [=](const policy& p, const columns& x, const values&) {
                return with(p, [&](const auto& how) {
                  const auto g = zp::count_battles(how, integers(x[0]), integers(x[1]), x[2], x[3], items,
                                                   {.dense_limit = dense_limit});
                  values all = flat(g);
                  double squares = 0;
                  for (const auto* column : {&g.squared_wins, &g.squared_ties})
                    for (const double s : *column) squares += s;
                  all.push_back(squares);
                  return all;
                });
              }};
}

const registration dense(counting("count_battles, dense", 4000));
const registration compressed(counting("count_battles, compressed", 0));
const registration weighted_dense(weighing("count_battles with weights, dense", 4000));
const registration weighted_compressed(weighing("count_battles with weights, compressed", 0));

const registration merged({
    .name = "merge",
    .arguments = battle_arguments,
    .sample = [](std::uint64_t seed, std::size_t n) { return battles(seed, n, 0); },
    .call =
        [](const policy& p, const columns& x, const values&) {
          const auto g = counted(p, x);
          return flat(zp::merge(g, counted(p, x, 0)));
        },
});

const registration repeated_battles({
    .name = "count_battles with weights and counts",
    .arguments = with_counts({"weights", "counts"}),
    .sample = [](std::uint64_t seed, std::size_t n) { return battles(seed, n, 2); },
    .call =
        [](const policy& p, const columns& x, const values&) {
          return with(p, [&](const auto& how) {
            values all = flat(zp::count_battles(how, integers(x[0]), integers(x[1]), x[2], x[3], x[4], items));
            all.erase(all.begin());  // a number of battles that is rounded to whole ones does not add up
            return all;
          });
        },
});

const registration records({
    .name = "graph_from_records",
    .arguments = {{"first", content::ids},
                  {"second", content::ids},
                  {.name = "wins", .least = 0, .finite = true},
                  {.name = "losses", .least = 0, .finite = true}},
    .sample =
        [](std::uint64_t seed, std::size_t n) {
          auto x = battles(seed, n, 2);
          x.erase(x.begin() + 2);
          return x;
        },
    .call =
        [](const policy& p, const columns& x, const values&) {
          return with(p, [&](const auto& how) {
            values all = flat(zp::graph_from_records(how, integers(x[0]), integers(x[1]), x[2], x[3], items));
            all.erase(all.begin());
            return all;
          });
        },
});

// Fits ---------------------------------------------------------------------------------------------------------------

/// A function of the battles by way of a fit.
template <class Of>
function of_battles(std::string name, std::vector<parameter> parameters, Of of) {
  function f{.name = std::move(name),
             .is = trait::batch_coupled,
             .arguments = battle_arguments,
             .parameters = std::move(parameters)};
  f.sample = [](std::uint64_t seed, std::size_t n) { return battles(seed, (std::max)(n, std::size_t{24}), 0); };
  f.call = [of](const policy& p, const columns& x, const values& parameters_) {
    return with(p, [&](const auto& how) { return of(how, counted(p, x), parameters_); });
  };
  f.tolerance = 1e-9;  // of refits to 1e-10 of the games played
  f.sizes = [call = f.call](const columns& x, const values& p) {
    values size = call(zm::simd{}, x, p);
    for (double& s : size) s = 1 + std::abs(s);
    return size;
  };
  return f;
}

function fitting(std::string name, zp::fit_method method, std::vector<parameter> parameters,
                 zp::strength_prior (*prior)(const values&)) {
  return of_battles(std::move(name), std::move(parameters),
                    [=](const auto& how, const zp::comparison_graph& g, const values& p) {
                      const zp::bradley_terry model{.prior = prior(p)};
                      auto found = zp::fit(how, model, g, {.method = method});
                      found.strength.push_back(found.log_likelihood);
                      return found.strength;
                    });
}

zp::strength_prior none(const values&) { return zp::no_prior{}; }

const registration newton(fitting("fit by Newton", zp::fit_method::newton, {}, none));
const registration lbfgs(fitting("fit by L-BFGS", zp::fit_method::lbfgs, {}, none));
const registration mm(fitting("fit by MM", zp::fit_method::mm, {}, none));
const registration mm_cyclic(fitting("fit by cyclic MM", zp::fit_method::mm_cyclic, {}, none));
const registration newman(fitting("fit by Newman", zp::fit_method::newman, {}, none));
const registration newman_parallel(fitting("fit by parallel Newman", zp::fit_method::newman_parallel, {}, none));
const registration with_gaussian(fitting("fit with a Gaussian prior", zp::fit_method::newton, {{"precision", 1, 1.1}},
                                         [](const values& p) -> zp::strength_prior {
                                           return zp::gaussian_prior{.precision = p[0]};
                                         }));
const registration with_gamma(fitting("fit with a gamma prior", zp::fit_method::newton,
                                      {{"shape", 2, 2.1}, {"rate", 1, 1.1}}, [](const values& p) -> zp::strength_prior {
                                        return zp::gamma_prior{.shape = p[0], .rate = p[1]};
                                      }));
const registration with_phantom(fitting("fit with a phantom prior", zp::fit_method::newton, {{"games", 1, 1.1}},
                                        [](const values& p) -> zp::strength_prior {
                                          return zp::phantom_prior{.games = p[0]};
                                        }));
const registration with_pairs(fitting("fit with pseudo-counts", zp::fit_method::newton, {{"games", 1, 1.1}},
                                      [](const values& p) -> zp::strength_prior {
                                        return zp::pair_prior{.games = p[0]};
                                      }));

const registration inferred(of_battles("infer", {{"level", 0.95, 0.9}, {"kind", 0, 1, true}},
                                       [](const auto& how, const zp::comparison_graph& g, const values& p) {
                                         const zp::bradley_terry model;
                                         const auto found =
                                             zp::infer(how, model, g, zp::fit(how, model, g),
                                                       {.kind = static_cast<zp::covariance_kind>(p[1]), .level = p[0]});
                                         values all = found.lower;
                                         all.insert(all.end(), found.covariance.begin(), found.covariance.end());
                                         return all;
                                       }));

const registration redrawn(of_battles("bootstrap",
                                      {{"replicates", 40, 41, true}, {"seed", 1, 2, true}, {"level", 0.9, 0.8}},
                                      [](const auto& how, const zp::comparison_graph& g, const values& p) {
                                        const zp::bradley_terry model;
                                        const auto found = zp::bootstrap(how, model, g, zp::fit(how, model, g),
                                                                         {.replicates = static_cast<std::int64_t>(p[0]),
                                                                          .seed = static_cast<std::uint64_t>(p[1]),
                                                                          .level = p[2]});
                                        values all = found.lower;
                                        all.insert(all.end(), found.upper.begin(), found.upper.end());
                                        all.push_back(static_cast<double>(found.degenerate));
                                        return all;
                                      }));

}  // namespace
