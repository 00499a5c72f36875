// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>

#include "reliability/kernels.hpp"
#include "zermelo/core/links.hpp"
#include "zermelo/core/primitives/count_pairs.hpp"
#include "zermelo/core/statistics.hpp"

namespace {

using namespace registry;

constexpr double infinity = std::numeric_limits<double>::infinity();

// Kernels ------------------------------------------------------------------------------------------------------------

struct logistic_link {
  static constexpr std::size_t count = 5;
  static zm::logistic make(const values&) { return {}; }
  template <class V>
  static std::array<V, count> outputs(zm::logistic link, V d) {
    const auto t = link(d);
    return {t.win_value, t.win_pull, t.loss_pull, t.win_curvature, t.loss_curvature};
  }
};

function logistic_function(function f) {
  auto& k = *f.kernel;
  k.derivatives = {{0, 0, 1, -1}, {0, 1, 3, -1}, {0, 2, 4, 1}};
  const auto output = [element = k.element](std::size_t which) {
    return [element, which](double d) { return element({}, {d})[which]; };
  };
  k.identities = {
      {"a win seen from the other side is a loss", [=](const values&, double d) { return output(1)(d); },
       [=](const values&, double d) { return output(2)(-d); }, [](const values&, double) { return 0.0; }},
      {"a win costs d less than a loss", [=](const values&, double d) { return output(0)(d) - output(0)(-d); },
       [](const values&, double d) { return -d; }, [](const values&, double d) { return std::abs(d); }}};
  const double tail = std::exp(-80.0);
  k.limits = {{{infinity}, {0, 0, 1, 0, 0}},
              {{-infinity}, {infinity, 1, 0, 0, 0}},
              {{80}, {tail, tail, 1, tail, tail}},
              {{-80}, {80, 1, tail, tail, tail}},
              {{0}, {std::log(2.0), 0.5, 0.5, 0.25, 0.25}},
              {{-1e-40}, {std::log(2.0), 0.5, 0.5, 0.25, 0.25}}};
  return f;
}

/// Counts the elements, whatever they are.
struct ones {
  template <class V>
  auto operator()(V) const {
    return zm::mapped{zm::bundle<>(), zm::bundle(zm::total(V(1)))};
  }
};

const std::vector<std::string> link_outputs = {"win_value", "win_pull", "loss_pull", "win_curvature", "loss_curvature"};

const registration logistic_in_double([] {
  auto f =
      logistic_function(kernel_function<logistic_link, double>("logistic link", link_outputs, {.name = "difference"}));
  const double tail = std::exp(-700.0);
  f.kernel->limits.push_back({{700}, {tail, tail, 1, tail, tail}});
  f.kernel->limits.push_back({{-700}, {700, 1, tail, tail, tail}});
  f.kernel->limits.push_back({{5e-324}, {std::log(2.0), 0.5, 0.5, 0.25, 0.25}});
  f.count_repeated = [](std::int64_t n) {
    const double zero = 0;
    const zm::tensor_view<const double, 1> repeated{.data = &zero, .shape = {n}, .strides = {0}};
    return zm::get<0>(zm::map_reduce(ones{}, zm::inputs(repeated))).value;
  };
  return f;
}());

const registration logistic_in_float(logistic_function(
    kernel_function<logistic_link, float>("logistic link of floats", link_outputs, {.name = "difference"})));

/// Direct preference optimisation with label smoothing: a loss as the library writes them.
struct smoothed {
  double beta, smoothing;
  template <class V>
  zm::value_slope<V> operator()(V margin) const {
    const V h = V(beta) * margin, e = V(smoothing);
    return {.value = zm::weighted(V(1) - e, zm::softplus(-h)) + zm::weighted(e, zm::softplus(h)),
            .slope = V(beta) * (e * zm::sigmoid(h) - (V(1) - e) * zm::sigmoid(-h))};
  }
};

struct smoothed_loss {
  static constexpr std::size_t count = 2;
  static smoothed make(const values& p) { return {p[0], p[1]}; }
  template <class V>
  static std::array<V, count> outputs(smoothed loss, V margin) {
    const auto y = loss(margin);
    return {y.value, y.slope};
  }
};

const registration smoothed_in_double([] {
  auto f = kernel_function<smoothed_loss, double>("smoothed logistic loss", {"value", "slope"}, {.name = "margin"},
                                                  {{"beta", 0.5, 0.7}, {"label_smoothing", 0.0, 0.1}});
  auto& k = *f.kernel;
  k.derivatives = {{0, 0, 1, 1}};
  const double tail = std::exp(-350.0);
  k.limits = {
      {{infinity}, {0, 0}}, {{-infinity}, {infinity, -0.5}}, {{700}, {tail, -0.5 * tail}}, {{-700}, {350, -0.5}}};
  const auto element = k.element;
  k.identities = {{"β scales the margin", [=](const values& p, double x) { return element(p, {x})[0]; },
                   [=](const values& p, double x) {
                     return element({2 * p[0], p[1]}, {x / 2})[0];
                   },
                   [](const values&, double) { return 0.0; }},
                  {"β scales the slope", [=](const values& p, double x) { return 2 * element(p, {x})[1]; },
                   [=](const values& p, double x) {
                     return element({2 * p[0], p[1]}, {x / 2})[1];
                   },
                   [](const values&, double) { return 0.0; }},
                  {"a label that is as likely wrong as right sees no sign",
                   [=](const values& p, double x) {
                     return element({p[0], 0.5}, {x})[0];
                   },
                   [=](const values& p, double x) {
                     return element({p[0], 0.5}, {-x})[0];
                   },
                   [](const values&, double) { return 0.0; }}};
  return f;
}());

// Primitives and statistics ------------------------------------------------------------------------------------------

std::vector<std::int64_t> integers(const values& x) {
  std::vector<std::int64_t> ids;
  for (const double v : x) ids.push_back(static_cast<std::int64_t>(v));
  return ids;
}

const registration counted_pairs({
    .name = "count_pairs",
    .arguments = {{"first", content::ids}, {"second", content::ids}, {"outcomes", content::ids}},
    .sample =
        [](std::uint64_t seed, std::size_t n) {
          columns x(3, values(n));
          for (std::size_t k = 0; k < n; ++k) {
            const std::int64_t i = zm::index_below(zm::random_bits(seed, 0, k), 5);
            x[0][k] = static_cast<double>(i);
            x[1][k] = static_cast<double>((i + 1 + zm::index_below(zm::random_bits(seed, 1, k), 4)) % 5);
            x[2][k] = static_cast<double>(zm::index_below(zm::random_bits(seed, 2, k), 3));
          }
          return x;
        },
    .call =
        [](const policy& p, const columns& x, const values&) {
          std::vector<std::int64_t> counts(4 * 5 * 5, 0);
          with(p, [&](const auto& how) {
            zm::count_pairs(how, integers(x[0]), integers(x[1]), integers(x[2]), 5, 3, counts);
          });
          return values(counts.begin(), counts.end());
        },
    .count_repeated =
        [](std::int64_t n) {
          const std::int8_t ids[] = {0, 1, 2};
          const auto repeated = [&](int which) {
            return zm::tensor_view<const std::int8_t, 1>{.data = ids + which, .shape = {n}, .strides = {0}};
          };
          std::vector<std::int64_t> counts(16, 0);
          const zm::threads two(2);
          zm::count_pairs(two, repeated(0), repeated(1), repeated(2), 2, 3, counts);
          return static_cast<double>(counts[1 * 4 + 2]);
        },
});

function statistic(std::string name, trait is, argument x) {
  return {
      .name = std::move(name), .is = is, .arguments = {std::move(x)}, .sample = [](std::uint64_t seed, std::size_t n) {
        return moderate(1, seed, n);
      }};
}

const registration summed_numbers([] {
  auto f = statistic("sum", trait::separable, {.name = "x"});
  f.call = [](const policy& p, const columns& x, const values&) {
    const auto s = with(p, [&](const auto& how) { return zm::sum(how, std::span<const double>(x[0])); });
    return values{s.sum, static_cast<double>(s.count)};
  };
  f.sizes = [](const columns& x, const values&) {
    double size = 0;
    for (const double v : x[0]) size += std::abs(v);
    return values{size, static_cast<double>(x[0].size())};
  };
  f.tolerance = 64 * std::numeric_limits<double>::epsilon();
  return f;
}());

const registration averaged([] {
  auto f = statistic("mean", trait::batch_coupled, {.name = "x"});
  f.call = [](const policy& p, const columns& x, const values&) {
    return values{with(p, [&](const auto& how) { return zm::mean(how, std::span<const double>(x[0])); })};
  };
  f.tolerance = 64 * std::numeric_limits<double>::epsilon();
  return f;
}());

const registration scattered([] {
  auto f = statistic("variance", trait::batch_coupled, {.name = "x", .finite = true});
  f.parameters = {{"ddof", 1, 0, true}};
  f.sample = [](std::uint64_t seed, std::size_t n) { return moderate(1, seed, n + 1); };  // of one there is none
  f.call = [](const policy& p, const columns& x, const values& parameters) {
    const auto ddof = static_cast<std::int64_t>(parameters[0]);
    return values{with(p, [&](const auto& how) { return zm::variance(how, std::span<const double>(x[0]), ddof); })};
  };
  f.tolerance = 64 * std::numeric_limits<double>::epsilon();
  return f;
}());

const registration ranked([] {
  auto f = statistic("quantile", trait::batch_coupled, {.name = "sample"});
  f.parameters = {{"q", 0.3, 0.31}};
  f.call = [](const policy&, const columns& x, const values& parameters) {
    values sample = x[0];
    return values{zm::quantile(std::span<double>(sample), parameters[0])};
  };
  return f;
}());

}  // namespace
