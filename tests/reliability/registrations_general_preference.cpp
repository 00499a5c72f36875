// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>

#include "reliability/kernels.hpp"
#include "zermelo/game/general_preference_operator.hpp"
#include "zermelo/game/pair_regression.hpp"
#include "zermelo/game/sampled_gradient.hpp"
#include "zermelo/preference/general_preference.hpp"

namespace {

using namespace registry;
namespace zp = zermelo::preference;
namespace zg = zermelo::game;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double unit = std::numeric_limits<double>::epsilon();

// Losses of scores ---------------------------------------------------------------------------------------------------

template <class Loss>
struct score_loss {
  static constexpr std::size_t count = 2;
  static Loss make(const values& p) { return {p[0], p[1]}; }
  template <class V>
  static std::array<V, count> outputs(Loss loss, V score) {
    const auto t = loss(score);
    return {t.value, t.slope};
  }
};

template <class Loss>
function score_function(std::string name, std::vector<parameter> parameters, std::vector<limit> limits) {
  auto f = kernel_function<score_loss<Loss>, double>(std::move(name), {"value", "slope"}, {.name = "score"},
                                                     std::move(parameters));
  f.kernel->derivatives = {{0, 0, 1, 1}};
  f.kernel->limits = std::move(limits);
  return f;
}

const registration logistic(score_function<zp::score_logistic>(
    "logistic loss of a score", {{"temperature", 0.5, 0.6}, {"margin", 0, 0.5}},
    {{{infinity}, {0, 0}}, {{-infinity}, {infinity, -2}}, {{0}, {std::log(2.0), -1}}}));
const registration regression(score_function<zp::score_regression>("regression of a score",
                                                                   {{"temperature", 0.5, 0.6}, {"target", 2, 3}},
                                                                   {{{1}, {0, 0}}, {{0}, {2, -4}}}));

struct temperature_kernel {
  static constexpr std::size_t count = 2;
  static zp::learnable_temperature make(const values&) { return {}; }
  template <class V>
  static std::array<V, count> outputs(zp::learnable_temperature f, V t) {
    const auto y = f(t);
    return {y.value, y.slope};
  }
};
const registration learned([] {
  auto f = kernel_function<temperature_kernel, double>("learnable temperature", {"value", "slope"}, {.name = "t"});
  f.kernel->derivatives = {{0, 0, 1, 1}};
  f.kernel->limits = {{{-infinity}, {0.01, 0}}, {{0}, {std::log(2.0), 0.5}}};
  return f;
}());

// Embeddings ---------------------------------------------------------------------------------------------------------

/// One pair of embeddings, as long as the columns.
auto one_row(const values& x) { return zm::matrix_view(x.data(), 1, static_cast<std::int64_t>(x.size())); }
auto one_row(values& x) { return zm::matrix_view(x.data(), 1, static_cast<std::int64_t>(x.size())); }

columns pair_of_rows(std::uint64_t seed, std::size_t n) {
  return moderate(2, seed, 2 * ((std::max)(n, std::size_t{1}) / 2 + n % 2));
}

const registration pair_loss([] {
  function f{.name = "general_preference_loss",
             .is = trait::batch_coupled,
             .arguments = {{.name = "chosen", .finite = true}, {.name = "rejected", .finite = true}},
             .parameters = {{"temperature", 500, 600}, {"margin", 1, 2}},
             .sample = pair_of_rows,
             .tolerance = 64 * unit};
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    values grad_chosen(x[0].size()), grad_rejected(x[0].size());
    const zp::score_logistic loss{.temperature = parameters[0], .margin = parameters[1]};
    const auto sums = with(p, [&](const auto& how) {
      return zp::general_preference_loss(how, loss, one_row(x[0]), one_row(x[1]), zp::unit_scales, zm::discard,
                                         zm::discard, one_row(grad_chosen), one_row(grad_rejected), zm::discard);
    });
    grad_chosen.insert(grad_chosen.end(), grad_rejected.begin(), grad_rejected.end());
    grad_chosen.push_back(sums.loss);
    return grad_chosen;
  };
  return f;
}());

const registration scores([] {
  function f{.name = "pair_scores",
             .is = trait::batch_coupled,
             .arguments = {{.name = "chosen", .finite = true}, {.name = "rejected", .finite = true}},
             .sample = pair_of_rows};
  f.call = [](const policy& p, const columns& x, const values&) {
    values out(1);
    with(p, [&](const auto& how) { zp::pair_scores(how, one_row(x[0]), one_row(x[1]), zp::unit_scales, out); });
    return out;
  };
  return f;
}());

const registration against([] {
  function f{.name = "scores_against",
             .is = trait::batch_coupled,
             .arguments = {{.name = "opponent", .finite = true}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(1, seed, n); }};
  f.call = [](const policy& p, const columns& x, const values&) {
    const auto n = static_cast<std::int64_t>(x[0].size());
    const values embedding = uniforms(61, 0, 4 * x[0].size(), -1, 1);
    values out(x[0].size());
    with(p, [&](const auto& how) {
      zp::scores_against(how, zm::matrix_view(embedding.data(), n, 4), zp::unit_scales, x[0], out);
    });
    return out;
  };
  return f;
}());

// Fits ---------------------------------------------------------------------------------------------------------------

constexpr std::int64_t items = 6;

const registration fitted([] {
  function f{.name = "fit of general preferences",
             .is = trait::batch_coupled,
             .arguments = {{"first", content::ids}, {"second", content::ids}, {"outcomes", content::scores}},
             .parameters = {{"blocks", 1, 2, true}, {"temperature", 0.5, 0.6}, {"weight_decay", 0.1, 0.2}},
             .tolerance = 1e-9};
  f.sample = [](std::uint64_t seed, std::size_t n) {
    columns x(3, values((std::max)(n, std::size_t{24})));
    for (std::size_t k = 0; k < x[0].size(); ++k) {
      const auto i = zm::index_below(zm::random_bits(seed, 0, k), items);
      x[0][k] = static_cast<double>(i);
      x[1][k] = static_cast<double>((i + 1 + zm::index_below(zm::random_bits(seed, 1, k), items - 1)) % items);
      x[2][k] = 0.5 * static_cast<double>(zm::index_below(zm::random_bits(seed, 2, k), 3));
    }
    return x;
  };
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    const auto ids = [](const values& v) {
      std::vector<std::int64_t> all;
      for (const double id : v) all.push_back(static_cast<std::int64_t>(id));
      return all;
    };
    return with(p, [&](const auto& how) {
      const auto found = zp::fit(how,
                                 zp::general_preference{.blocks = static_cast<std::int64_t>(parameters[0]),
                                                        .temperature = parameters[1],
                                                        .weight_decay = parameters[2]},
                                 zp::count_battles(how, ids(x[0]), ids(x[1]), x[2], items));
      values all{found.objective, found.log_likelihood, found.certificate.lower_bound};
      for (std::int64_t i = 0; i < items; ++i)
        for (std::int64_t j = 0; j < i; ++j) all.push_back(found.score(i, j));
      return all;
    });
  };
  return f;
}());

// Games --------------------------------------------------------------------------------------------------------------

/// Win rates against a policy of the game that `make` makes of random embeddings.
template <class Make>
function win_rates(std::string name, argument in, std::vector<parameter> parameters, double low, double tolerance,
                   Make make) {
  function f{.name = std::move(name),
             .is = trait::batch_coupled,
             .arguments = {std::move(in)},
             .parameters = std::move(parameters),
             .sample =
                 [low](std::uint64_t seed, std::size_t n) {  // the work is n²
                   return columns{uniforms(seed, 0, (std::min)(n, std::size_t{700}), low, 1)};
                 },
             .tolerance = tolerance};
  f.call = [make](const policy& p, const columns& x, const values& parameters_) {
    const auto n = static_cast<std::int64_t>(x[0].size());
    const values embedding = uniforms(67, 0, 4 * x[0].size(), -1, 1);
    values out(x[0].size());
    const auto game = make(zm::matrix_view(embedding.data(), n, 4), parameters_);
    with(p, [&](const auto& how) { game.win_rate(how, x[0], out); });
    return out;
  };
  f.sizes = [](const columns& x, const values&) {
    double size = 0;
    for (const double v : x[0]) size += std::abs(v);
    return values(x[0].size(), size);
  };
  return f;
}

const registration probabilities(win_rates("win rates of general preferences", {.name = "policy", .finite = true},
                                           {{"temperature", 0.5, 0.6}}, -1, 64 * unit,
                                           [](const auto& embedding, const values& p) {
                                             return zg::general_preference_game(embedding, zp::unit_scales,
                                                                                {.temperature = p[0]});
                                           }));

const registration verdicts(win_rates("verdicts of a judge", {.name = "policy", .least = 0, .finite = true},
                                      {{"samples", 8, 9, true}, {"seed", 1, 2, true}, {"round", 0, 1, true}}, 0, 0,
                                      [](const auto& embedding, const values& p) {
                                        return zg::judge_of(zg::general_preference_game(embedding),
                                                            {.samples = static_cast<std::int64_t>(p[0]),
                                                             .seed = static_cast<std::uint64_t>(p[1]),
                                                             .round = static_cast<std::uint64_t>(p[2])});
                                      }));

const registration responses([] {
  function f{.name = "response_regression",
             .arguments = {{.name = "log_policy"}, {.name = "log_previous"}, {.name = "payoff"}},
             .parameters = {{"step", 0.5, 0.6}, {"offset", 0.5, 0.25}, {"log_normaliser", 0.1, 0.2}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(3, seed, n); },
             .tolerance = 64 * unit};
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    return with(p, [&](const auto& how) {
      return values{
          zg::response_regression(how, x[0], x[1], x[2], zm::discard, zm::discard,
                                  {.step = parameters[0], .offset = parameters[1], .log_normaliser = parameters[2]})};
    });
  };
  return f;
}());

const registration advantages([] {
  function f{.name = "preference_advantages",
             .is = trait::batch_coupled,
             .arguments = {{.name = "preferences"}, {.name = "log_policy"}, {.name = "log_reference"}},
             .parameters = {{"kl_weight", 0.1, 0.2}, {"baseline", 0.5, 0.25}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(3, seed, n); },
             .tolerance = 8 * unit};
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    values out(x[0].size());
    with(p, [&](const auto& how) {
      zg::preference_advantages(how, x[0], x[1], x[2], out, {.kl_weight = parameters[0], .baseline = parameters[1]});
    });
    return out;
  };
  f.sizes = [](const columns& x, const values&) { return values(x[0].size(), 20.0); };
  return f;
}());

}  // namespace
