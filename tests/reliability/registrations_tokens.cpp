// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <numeric>

#include "reliability/registry.hpp"
#include "zermelo/alignment/fused_head.hpp"
#include "zermelo/alignment/token_weights.hpp"

namespace {

using namespace registry;
namespace za = zermelo::alignment;

// A number is added up after at most ten thousand others.
constexpr double of_sums = 10000 * std::numeric_limits<double>::epsilon();

std::vector<std::int64_t> one_sequence(const columns& x) { return {0, static_cast<std::int64_t>(x[0].size())}; }

double absolute(const values& x) {
  return std::accumulate(x.begin(), x.end(), 0.0, [](double sum, double v) { return sum + std::abs(v); });
}

const registration sums([] {
  function f{.name = "sum_tokens", .arguments = {{.name = "logprobs"}}};
  f.sample = [](std::uint64_t seed, std::size_t n) { return moderate(1, seed, n); };
  f.call = [](const policy& p, const columns& x, const values&) {
    values sum(1), count(1);
    const auto offsets = one_sequence(x);
    with(p, [&](const auto& how) { za::sum_tokens(how, za::ragged(offsets), x[0], sum, count); });
    return values{sum[0], count[0]};
  };
  f.call_masked = [](const policy& p, const columns& x, const values& mask, const values&) {
    values sum(1), count(1);
    const auto kept = zm::matrix_view(mask.data(), 1, static_cast<std::int64_t>(mask.size()));
    with(p, [&](const auto& how) { za::sum_tokens(how, za::padded(kept), x[0], sum, count); });
    return values{sum[0], count[0]};
  };
  f.tolerance = of_sums;
  f.sizes = [](const columns& x, const values&) { return values{absolute(x[0]), static_cast<double>(x[0].size())}; };
  return f;
}());

const registration log_ratios([] {
  function f{.name = "sum_token_log_ratios",
             .arguments = {{.name = "policy_logprobs"}, {.name = "reference_logprobs"}},
             .parameters = {{"low", -3, -2}, {"high", 4, 5}}};
  f.sample = [](std::uint64_t seed, std::size_t n) { return moderate(2, seed, n); };
  const auto run = [](const policy& p, const columns& x, const auto& layout, const values& parameters) {
    values sum(1);
    with(p, [&](const auto& how) {
      za::sum_token_log_ratios(how, layout, x[0], x[1], sum, {.low = parameters[0], .high = parameters[1]});
    });
    return sum;
  };
  f.call = [run](const policy& p, const columns& x, const values& parameters) {
    const auto offsets = one_sequence(x);
    return run(p, x, za::ragged(offsets), parameters);
  };
  f.call_masked = [run](const policy& p, const columns& x, const values& mask, const values& parameters) {
    const auto kept = zm::matrix_view(mask.data(), 1, static_cast<std::int64_t>(mask.size()));
    return run(p, x, za::padded(kept), parameters);
  };
  f.tolerance = of_sums;
  f.sizes = [](const columns& x, const values&) { return values{absolute(x[0]) + absolute(x[1])}; };
  return f;
}());

const registration weights([] {
  function f{.name = "aligned_weights",
             .is = trait::batch_coupled,
             .arguments = {{.name = "logprobs"}, {.name = "log_collisions"}}};
  f.sample = [](std::uint64_t seed, std::size_t n) { return moderate(2, seed, n); };
  f.call = [](const policy& p, const columns& x, const values&) {
    values mean(1), weight(1);
    const auto offsets = one_sequence(x);
    with(p, [&](const auto& how) { za::aligned_weights(how, za::ragged(offsets), x[0], x[1], mean, weight); });
    return values{mean[0], weight[0]};
  };
  f.tolerance = of_sums;
  f.sizes = [](const columns&, const values&) { return values(2, 1e7); };
  return f;
}());

/// A head of one hidden number over a vocabulary of seven tokens.
const values head = {-1.5, 0.25, 1, -0.5, 2, 0.75, -1}, head_bias = {0.5, 0, -1, 1, 0.25, -0.25, 0.125};

columns hidden_states(std::uint64_t seed, std::size_t n, bool with_upstream) {
  columns x = moderate(with_upstream ? 3 : 2, seed, n);
  for (double& y : x[1]) y = std::floor((y + 8) / 16 * 7);
  return x;
}
std::vector<std::int64_t> targets_of(const values& ids, const values* mask) {
  std::vector<std::int64_t> y;
  for (std::size_t k = 0; k < (mask ? mask->size() : ids.size()); ++k)
    y.push_back(mask && (k >= ids.size() || (*mask)[k] == 0) ? -100 : static_cast<std::int64_t>(ids[k]));
  return y;
}

const registration forward([] {
  function f{.name = "fused_linear_logprobs",
             .arguments = {{.name = "hidden", .finite = true}, {.name = "targets", .holds = content::ids}}};
  f.sample = [](std::uint64_t seed, std::size_t n) { return hidden_states(seed, n, false); };
  const auto run = [](const policy& p, const columns& x, const values* mask) {
    const auto y = targets_of(x[1], mask);
    const auto h = zm::matrix_view(x[0].data(), static_cast<std::int64_t>(x[0].size()), 1);
    const auto w = zm::matrix_view(head.data(), 7, 1);
    values logprob(x[0].size());
    const auto total = with(p, [&](const auto& how) {
      return za::fused_linear_logprobs(how, h, w, head_bias, y, logprob, zm::discard,
                                       {.tile_rows = 64, .tile_vocabulary = 3});
    });
    return values{total.logprob, static_cast<double>(total.tokens)};
  };
  f.call = [run](const policy& p, const columns& x, const values&) { return run(p, x, nullptr); };
  f.call_masked = [run](const policy& p, const columns& x, const values& mask, const values&) {
    return run(p, x, &mask);
  };
  f.tolerance = of_sums;
  f.sizes = [](const columns& x, const values&) { return values(2, 8 * static_cast<double>(x[0].size())); };
  return f;
}());

const registration backward([] {
  function f{.name = "fused_linear_logprobs_gradient",
             .arguments = {{.name = "hidden", .finite = true},
                           {.name = "targets", .holds = content::ids},
                           {.name = "upstream", .finite = true}}};
  f.sample = [](std::uint64_t seed, std::size_t n) { return hidden_states(seed, n, true); };
  f.call = [](const policy& p, const columns& x, const values&) {
    const auto y = targets_of(x[1], nullptr);
    const auto h = zm::matrix_view(x[0].data(), static_cast<std::int64_t>(x[0].size()), 1);
    const auto w = zm::matrix_view(head.data(), 7, 1);
    values logprob(x[0].size()), normaliser(logprob), for_hidden(logprob), for_weight(7), for_bias(7);
    const za::fused_parameters tiles{.tile_rows = 64, .tile_vocabulary = 3};
    with(p, [&](const auto& how) {
      za::fused_linear_logprobs(how, h, w, head_bias, y, logprob, normaliser, tiles);
      za::fused_linear_logprobs_gradient(how, h, w, head_bias, y, normaliser, x[2],
                                         zm::matrix_view(for_hidden.data(), h.shape[0], 1),
                                         zm::matrix_view(for_weight.data(), 7, 1), for_bias, tiles);
    });
    values all = for_weight;
    all.insert(all.end(), for_bias.begin(), for_bias.end());
    all.push_back(std::accumulate(for_hidden.begin(), for_hidden.end(), 0.0));
    return all;
  };
  f.tolerance = of_sums;
  f.sizes = [](const columns& x, const values&) { return values(15, 8 * absolute(x[2])); };
  return f;
}());

}  // namespace
