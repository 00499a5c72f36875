// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <string>
#include <utility>

#include "reliability/kernels.hpp"
#include "zermelo/alignment/aot.hpp"
#include "zermelo/alignment/cream.hpp"
#include "zermelo/alignment/dpo.hpp"
#include "zermelo/alignment/kto.hpp"
#include "zermelo/alignment/mixture.hpp"
#include "zermelo/alignment/nca.hpp"
#include "zermelo/alignment/ranking_accuracy.hpp"
#include "zermelo/core/pair_loss.hpp"

namespace {

using namespace registry;
namespace al = zermelo::alignment;

constexpr double unit = std::numeric_limits<double>::epsilon();

argument log_probability(const char* name) { return {.name = name, .below_infinity = true}; }
argument length(const char* name) { return {.name = name, .least = 0, .finite = true}; }

double total_of(const values& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum;
}

/// Log-probabilities of up to −30 in the first `count` columns, then numbers between 0 and 1, or lengths.
columns log_probabilities(std::uint64_t seed, std::size_t n, std::size_t count, std::size_t shares,
                          std::size_t lengths = 0) {
  columns x;
  for (std::size_t k = 0; k < count; ++k) x.push_back(uniforms(seed, k, n, -30, 0));
  for (std::size_t k = 0; k < shares; ++k) x.push_back(uniforms(seed, count + k, n, 0.05, 0.95));
  for (std::size_t k = 0; k < lengths; ++k) {
    x.push_back(uniforms(seed, 90 + k, n, 1, 20));
    for (double& v : x.back()) v = std::floor(v);
  }
  return x;
}

/// Registers a loss over pairs. Model: make(parameters) → kernel; options(x, f) calls f with the options for columns x.
template <class Model>
function pair_function(std::string name, std::vector<argument> beside, std::vector<parameter> parameters) {
  function f{.name = std::move(name)};
  for (const char* n : {"chosen", "rejected", "reference_chosen", "reference_rejected"})
    f.arguments.push_back(log_probability(n));
  f.arguments.insert(f.arguments.end(), beside.begin(), beside.end());
  f.parameters = std::move(parameters);
  f.sample = [](std::uint64_t seed, std::size_t n) {
    return log_probabilities(seed, n, 4, Model::shares, Model::lengths);
  };
  const auto run = [](const policy& p, const columns& x, const values& q, const auto&... mask) {
    const std::size_t n = x[0].size();
    values losses(n), w(n), l(n);
    return with(p, [&](const auto& how) {
      zm::pair_sums s;
      Model::options(x, [&](const auto&... options) {
        s = zm::pair_loss(how, Model::make(q), x[0], x[1], x[2], x[3], losses, w, l, options..., mask...);
      });
      return values{s.loss,      s.weight,   static_cast<double>(s.pairs), static_cast<double>(s.correct),
                    total_of(w), total_of(l)};
    });
  };
  f.call = [run](const policy& p, const columns& x, const values& q) { return run(p, x, q); };
  f.call_masked = [run](const policy& p, const columns& x, const values& mask, const values& q) {
    return run(p, x, q, zm::counted_where(mask));
  };
  // Sums of n terms in another order.
  f.tolerance = 256 * unit;
  f.sizes = [](const columns& x, const values& q) {
    const std::size_t n = x[0].size();
    values losses(n), w(n), l(n), sizes(6, static_cast<double>(n));
    Model::options(x, [&](const auto&... options) {
      sizes[1] += zm::pair_loss(zm::serial{}, Model::make(q), x[0], x[1], x[2], x[3], losses, w, l, options...).weight;
    });
    for (std::size_t k = 0; k < n; ++k) {
      sizes[0] += std::abs(losses[k]);
      sizes[4] += std::abs(w[k]);
      sizes[5] += std::abs(l[k]);
    }
    return sizes;
  };
  return f;
}

struct weighted_dpo {
  static constexpr std::size_t shares = 1, lengths = 2;
  static al::dpo make(const values& p) { return {.beta = p[0], .label_smoothing = p[1]}; }
  template <class F>
  static void options(const columns& x, F&& f) {
    f(zm::weighted_by(x[4]), zm::normalised_by(x[5], x[6]));
  }
};
const registration dpo_by_lengths(pair_function<weighted_dpo>(
    "weighted DPO by lengths",
    {{.name = "weights", .least = 0, .finite = true}, length("chosen_lengths"), length("rejected_lengths")},
    {{"beta", 2, 2.5}, {"label_smoothing", 0.1, 0.2}}));

struct imitating {
  static constexpr std::size_t shares = 0, lengths = 2;
  static al::rpo make(const values& p) { return {.beta = p[0], .eta = p[1]}; }
  template <class F>
  static void options(const columns& x, F&& f) {
    f(zm::with_lengths(x[4], x[5]));
  }
};
const registration rpo(pair_function<imitating>("RPO", {length("chosen_lengths"), length("rejected_lengths")},
                                                {{"beta", 0.1, 0.2}, {"eta", 0.5, 0.6}}));

struct consistent {
  static constexpr std::size_t shares = 1, lengths = 0;
  static al::cream make(const values& p) { return {.beta = p[0]}; }
  template <class F>
  static void options(const columns& x, F&& f) {
    f(zm::alongside(x[4]));
  }
};
const registration cream(pair_function<consistent>("CREAM", {{.name = "consistency", .least = 0, .finite = true}},
                                                   {{"beta", 0.1, 0.2}}));

struct separable {
  static constexpr std::size_t shares = 0, lengths = 0;
  static al::nca_pair make(const values& p) { return {.beta = p[0]}; }
  template <class F>
  static void options(const columns&, F&& f) {
    f();
  }
};
const registration nca(pair_function<separable>("NCA of pairs", {}, {{"beta", 0.1, 0.2}}));

// Single responses ---------------------------------------------------------------------------------------------------

const registration kto([] {
  function f{.name = "KTO"};
  f.arguments = {log_probability("policy"), log_probability("reference"), {.name = "labels", .holds = content::scores}};
  f.parameters = {{"beta", 0.1, 0.2}, {"desirable_weight", 1, 1.5}, {"undesirable_weight", 1, 0.5}};
  f.sample = [](std::uint64_t seed, std::size_t n) {
    columns x = log_probabilities(seed, n, 3, 0);
    for (double& v : x[2]) v = v < -15 ? 1 : 0;
    return x;
  };
  const auto run = [](const policy& p, const columns& x, const values& q, const auto&... mask) {
    values losses(x[0].size()), slope(x[0].size());
    const al::kto kernel{.beta = q[0],
                         .desirable_weight = q[1],
                         .undesirable_weight = q[2],
                         .baseline = {.log_ratio = 3, .responses = 2}};
    return with(p, [&](const auto& how) {
      const auto s = zm::response_loss(how, kernel, x[0], x[1], losses, slope, zm::alongside(x[2]), mask...);
      return values{s.loss, static_cast<double>(s.responses), total_of(slope)};
    });
  };
  f.call = [run](const policy& p, const columns& x, const values& q) { return run(p, x, q); };
  f.call_masked = [run](const policy& p, const columns& x, const values& mask, const values& q) {
    return run(p, x, q, zm::counted_where(mask));
  };
  f.tolerance = 256 * unit;
  f.sizes = [](const columns& x, const values&) { return values(3, static_cast<double>(x[0].size())); };
  return f;
}());

// Batches and metrics ------------------------------------------------------------------------------------------------

const registration transported([] {
  function f{.name = "alignment by optimal transport", .is = trait::batch_coupled};
  for (const char* n : {"chosen", "rejected", "reference_chosen", "reference_rejected"})
    f.arguments.push_back(log_probability(n));
  f.parameters = {{"beta", 0.1, 0.2}, {"label_smoothing", 0.1, 0.2}};
  f.sample = [](std::uint64_t seed, std::size_t n) { return log_probabilities(seed, n, 4, 0); };
  f.call = [](const policy& p, const columns& x, const values& q) {
    values losses(x[0].size()), w(x[0].size()), l(x[0].size());
    return with(p, [&](const auto& how) {
      const auto s =
          al::aot_paired(how, al::dpo{.beta = q[0], .label_smoothing = q[1]}, x[0], x[1], x[2], x[3], losses, w, l);
      return values{s.loss, static_cast<double>(s.pairs), w.empty() ? 0 : w[0], l.empty() ? 0 : l.back()};
    });
  };
  f.tolerance = 256 * unit;
  return f;
}());

const registration ranked([] {
  function f{.name = "ranking accuracy"};
  for (const char* n : {"chosen", "rejected", "reference_chosen", "reference_rejected"})
    f.arguments.push_back({.name = n});
  f.arguments.push_back({.name = "chosen_lengths", .least = 0, .finite = true});
  f.arguments.push_back({.name = "rejected_lengths", .least = 0, .finite = true});
  f.arguments.push_back({.name = "preference", .least = 0, .finite = true});
  f.parameters = {{"beta", 0.1, 0.3}};
  f.sample = [](std::uint64_t seed, std::size_t n) {
    columns x = log_probabilities(seed, n, 4, 1, 2);
    std::swap(x[4], x[6]);
    return x;
  };
  f.call = [](const policy& p, const columns& x, const values& q) {
    return with(p, [&](const auto& how) {
      const auto c =
          al::ranking_accuracy(how, x[0], x[1], x[2], x[3], x[4], x[5], x[6], zm::discard, zm::discard, zm::discard,
                               zm::discard, zm::discard, zm::discard, zm::discard, {.beta = q[0]});
      return values{static_cast<double>(c.pairs), static_cast<double>(c.correct),
                    static_cast<double>(c.correct_by_length), static_cast<double>(c.ideally_correct), c.loss};
    });
  };
  f.tolerance = 256 * unit;
  return f;
}());

}  // namespace
