// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/fused_head.hpp>
#include <zermelo/alignment/token_logprobs.hpp>
#include <zermelo/alignment/token_weights.hpp>
#include <zermelo/core/pair_loss.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace za = zermelo::alignment;

constexpr const char* cluster = "alignment-losses";

/// One of the lists that an input is made of, read as an input of its own.
template <class F>
auto part(const json& value, F&& read) {
  const json values = {{"part", value}}, none = json::object();
  return read(inputs(values, none, {}));
}

/// [B][T][V], or the same of integers.
struct cube {
  std::int64_t count = 0, rows = 0, columns = 0;
  std::vector<double> values = {};
  zm::tensor_view<const double, 3> view() const {
    return {.data = values.data(), .shape = {count, rows, columns}, .strides = {rows * columns, columns, 1}};
  }
};

cube cube_of(const inputs& in, const std::string& name) {
  cube c;
  for (const json& one : in.raw(name)) {
    const auto m = part(one, [](const inputs& p) { return p.matrix("part"); });
    if (c.count > 0 && (m.rows != c.rows || m.columns != c.columns))
      throw zm::shape_error(name, "blocks of different shapes");
    c.rows = m.rows, c.columns = m.columns;
    c.values.insert(c.values.end(), m.values.begin(), m.values.end());
    ++c.count;
  }
  return c;
}

struct table {
  std::int64_t rows = 0, columns = 0;
  std::vector<std::int64_t> values = {};
  auto view() const { return zm::matrix_view(values.data(), rows, columns); }
};

table table_of(const inputs& in, const std::string& name) {
  table t;
  for (const json& one : in.raw(name)) {
    const auto row = part(one, [](const inputs& p) { return p.integers("part"); });
    if (t.rows > 0 && std::ssize(row) != t.columns) throw zm::shape_error(name, "rows of different lengths");
    t.columns = std::ssize(row);
    t.values.insert(t.values.end(), row.begin(), row.end());
    ++t.rows;
  }
  return t;
}

/// `count` rows, which may have no columns.
json table_rows(const std::vector<double>& values, std::int64_t count, std::int64_t columns) {
  json all = json::array();
  for (std::int64_t r = 0; r < count; ++r)
    all.push_back(std::vector<double>(values.begin() + r * columns, values.begin() + (r + 1) * columns));
  return all;
}

json cube_rows(const std::vector<double>& values, std::int64_t count, std::int64_t rows, std::int64_t columns) {
  json all = json::array();
  for (std::int64_t b = 0; b < count; ++b)
    all.push_back(
        table_rows(std::vector<double>(values.begin() + b * rows * columns, values.begin() + (b + 1) * rows * columns),
                   rows, columns));
  return all;
}

zm::tensor_view<double, 2> matrix_of(std::vector<double>& values, std::int64_t rows, std::int64_t columns) {
  return zm::matrix_view(values.data(), rows, columns);
}

const method token_logprobs{
    cluster, "token_logprobs", [](const inputs& in, auto&& policy) {
      const cube logits = cube_of(in, "logits");
      const table ids = table_of(in, "input_ids"), mask = table_of(in, "completion_mask");
      const std::int64_t b = logits.count, t = logits.rows, scored = std::max(t - 1, std::int64_t{0});
      const auto z = logits.view();
      const auto of = ids.view(), kept = mask.view();
      std::vector<double> tokens(static_cast<std::size_t>(b * scored)), entropy(tokens),
          sums(static_cast<std::size_t>(b));
      std::vector<std::int64_t> counts(static_cast<std::size_t>(b));
      auto entropy_view = matrix_of(entropy, b, scored);
      za::sequence_logprobs(policy, z, of, matrix_of(tokens, b, scored), sums, counts,
                            za::token_parameters{.every_row = true}, zm::counted_where(kept),
                            za::entropies(entropy_view));
      const std::vector<double> upstream =
          in.has("grad_sum") ? in.vector("grad_sum") : std::vector<double>(sums.size(), 1);
      std::vector<double> gradient(logits.values.size());
      const zm::tensor_view<double, 3> to{
          .data = gradient.data(), .shape = {b, t, z.shape[2]}, .strides = {t * z.shape[2], z.shape[2], 1}};
      za::sequence_logprobs_gradient(policy, z, of, upstream, to, zm::counted_where(kept));
      std::vector<double> means;
      for (std::size_t k = 0; k < sums.size(); ++k)
        means.push_back(counts[k] > 0 ? sums[k] / static_cast<double>(counts[k]) : 0);
      return results{{"per_token_logp", table_rows(tokens, b, scored)},
                     {"sum_logp", sums},
                     {"mean_logp", means},
                     {"count", counts},
                     {"entropy", table_rows(entropy, b, scored)},
                     {"grad_logits", cube_rows(gradient, b, t, z.shape[2])}};
    }};

const method packed_logprobs{
    cluster, "packed_logprobs", [](const inputs& in, auto&& policy) {
      const auto logits = in.matrix("logits");
      const auto ids = in.integers("input_ids"), offsets = in.integers("cu_seqlens"),
                 prompts = in.integers("prompt_len");
      for (std::size_t s = 1; s < offsets.size(); ++s)  // sequences of no tokens are the library's, not this method's
        if (offsets[s] == offsets[s - 1])
          throw zm::domain_error("cu_seqlens", static_cast<std::int64_t>(s), "is not increasing");
      std::vector<double> tokens(ids.size()), sums(prompts.size());
      std::vector<std::int64_t> counts(prompts.size()), positions(ids.size());
      za::packed_logprobs(policy, logits, ids, offsets, prompts, tokens, sums, counts);
      za::packed_positions(offsets, positions);
      return results{{"sum_logp", sums}, {"count", counts}, {"position_ids", positions}, {"per_token_logp", tokens}};
    }};

const method wpo_weights{
    cluster, "wpo_weights", [](const inputs& in, auto&& policy) {
      const cube logits = cube_of(in, "logits");
      const table ids = table_of(in, "input_ids"), mask = table_of(in, "completion_mask");
      const std::int64_t b = logits.count, t = logits.rows, scored = std::max(t - 1, std::int64_t{0});
      const auto z = logits.view();
      const auto of = ids.view(), kept = mask.view();
      std::vector<double> tokens(static_cast<std::size_t>(b * scored)), collisions(tokens);
      std::vector<double> means(static_cast<std::size_t>(b)), weights(means);
      auto collision_view = matrix_of(collisions, b, scored);
      za::sequence_logprobs(policy, z, of, matrix_of(tokens, b, scored), zm::discard, zm::discard,
                            zm::counted_where(kept), za::log_collisions(collision_view));
      const zm::tensor_view<const std::int64_t, 2> shifted{
          .data = mask.values.data() + (t > 0 ? 1 : 0), .shape = {b, scored}, .strides = {t, 1}};
      za::aligned_weights(policy, za::padded(shifted), tokens, collisions, means, weights);
      return results{{"log_sum_p2", table_rows(collisions, b, scored)}, {"mean_aligned", means}, {"weight", weights}};
    }};

const method likelihood_overopt{cluster, "likelihood_overopt", [](const inputs& in, auto&& policy) {
                                  const auto logits = in.matrix("logits");
                                  const std::int64_t k = in.has("k") ? in.integer("k") : 10;
                                  std::vector<double> entropy(static_cast<std::size_t>(logits.rows)), raw(entropy),
                                      mass(entropy);
                                  za::token_statistics(policy, logits, za::top_tokens(k, entropy, raw, mass));
                                  const auto mean = [](const std::vector<double>& x) {
                                    double sum = 0;
                                    for (const double v : x) sum += v;
                                    return sum / static_cast<double>(x.size());
                                  };
                                  return results{{"topk_entropy", entropy},
                                                 {"topk_entropy_unnormalized", raw},
                                                 {"topk_mass", mass},
                                                 {"mean_topk_entropy", mean(entropy)},
                                                 {"mean_topk_entropy_unnormalized", mean(raw)},
                                                 {"mean_topk_mass", mean(mass)}};
                                }};

const method ld_dpo_reduction{cluster, "ld_dpo_reduction", [](const inputs& in, auto&& policy) {
                                const auto ragged = [&](const char* name) {
                                  std::pair<std::vector<double>, std::vector<std::int64_t>> tokens{{}, {0}};
                                  for (const json& one : in.raw(name)) {
                                    const auto row = part(one, [](const inputs& p) { return p.vector("part"); });
                                    tokens.first.insert(tokens.first.end(), row.begin(), row.end());
                                    tokens.second.push_back(std::ssize(tokens.first));
                                  }
                                  return tokens;
                                };
                                const auto chosen = ragged("logp_chosen"), rejected = ragged("logp_rejected");
                                std::vector<double> first(chosen.second.size() - 1), second(first);
                                za::length_desensitised_sums(policy, za::ragged(chosen.second), chosen.first,
                                                             za::ragged(rejected.second), rejected.first, first, second,
                                                             {.alpha = in.number("alpha", 1)});
                                return results{{"chosen", first}, {"rejected", second}};
                              }};

const method fused_linear_logprob{
    cluster, "fused_linear_logprob", [](const inputs& in, auto&& policy) {
      const auto hidden = in.matrix("hidden"), weight = in.matrix("weight");
      const auto bias = in.vector("bias"), upstream = in.vector("grad_logp");
      const auto target = in.integers("target");
      const za::fused_parameters p{.ignore_index = in.has("ignore_index") ? in.integer("ignore_index") : -100,
                                   .softcap = in.number("softcap", 0),
                                   .tile_rows = 2,
                                   .tile_vocabulary = 4};
      std::vector<double> logp(target.size()), lse(target.size()), for_bias(bias.size());
      std::vector<double> for_hidden(hidden.values.size()), for_weight(weight.values.size());
      za::fused_linear_logprobs(policy, hidden, weight, bias, target, logp, lse, p);
      za::fused_linear_logprobs_gradient(policy, hidden, weight, bias, target, lse, upstream,
                                         matrix_of(for_hidden, hidden.rows, hidden.columns),
                                         matrix_of(for_weight, weight.rows, weight.columns), for_bias, p);
      return results{{"logp", logp},
                     {"lse", lse},
                     {"grad_hidden", table_rows(for_hidden, hidden.rows, hidden.columns)},
                     {"grad_weight", table_rows(for_weight, weight.rows, weight.columns)},
                     {"grad_bias", for_bias}};
    }};

const method fused_linear_dpo{
    cluster, "fused_linear_dpo", [](const inputs& in, auto&& policy) {
      const cube hidden = cube_of(in, "hidden"), ref_hidden = cube_of(in, "ref_hidden");
      const auto weight = in.matrix("weight"), ref_weight = in.matrix("ref_weight");
      const table target = table_of(in, "target");
      const double beta = in.number("beta", 0.1), nll_weight = in.number("nll_weight", 0);
      if (hidden.count % 2 != 0) throw zm::shape_error("hidden", "as many chosen as rejected sequences are expected");
      const std::int64_t sequences = hidden.count, pairs = sequences / 2, length = hidden.rows;
      const auto ids = target.view();
      std::vector<int> mask;
      std::int64_t chosen_tokens = 0;
      for (std::size_t k = 0; k < target.values.size(); ++k) {
        mask.push_back(target.values[k] != -100);
        if (static_cast<std::int64_t>(k) < pairs * target.columns) chosen_tokens += mask.back();
      }
      const auto kept = zm::matrix_view(static_cast<const int*>(mask.data()), target.rows, target.columns);
      const auto sums_of = [&](const cube& states, const matrix& head, std::vector<double>& normaliser) {
        const auto n = static_cast<std::size_t>(sequences * length);
        std::vector<double> tokens(n), sums(static_cast<std::size_t>(sequences));
        normaliser.resize(n);
        za::fused_linear_logprobs(policy, states.view(), head, za::no_bias, ids, tokens, normaliser);
        za::sum_tokens(policy, za::padded(kept), tokens, sums, zm::discard);
        return sums;
      };
      std::vector<double> normaliser, unused;
      const auto sums = sums_of(hidden, weight, normaliser), ref_sums = sums_of(ref_hidden, ref_weight, unused);
      // The loss sees log-probabilities of sequences, of which it gives the gradients; the head takes those of tokens.
      const auto half = [&](const std::vector<double>& x, std::int64_t from) {
        return std::vector<double>(x.begin() + from, x.begin() + from + pairs);
      };
      const auto chosen = half(sums, 0), rejected = half(sums, pairs), ref_chosen = half(ref_sums, 0),
                 ref_rejected = half(ref_sums, pairs);
      std::vector<double> for_chosen(chosen.size()), for_rejected(chosen.size());
      const auto total = zm::pair_loss(policy, za::dpo{.beta = beta}, chosen, rejected, ref_chosen, ref_rejected,
                                       zm::discard, for_chosen, for_rejected);
      double nll = 0;
      for (const double x : chosen) nll -= x / static_cast<double>(chosen_tokens);
      std::vector<double> upstream, rewards, for_tokens(mask.size());
      for (const double g : for_chosen)
        upstream.push_back(g / static_cast<double>(pairs) - nll_weight / static_cast<double>(chosen_tokens));
      for (const double g : for_rejected) upstream.push_back(g / static_cast<double>(pairs));
      for (std::size_t k = 0; k < sums.size(); ++k) rewards.push_back(beta * (sums[k] - ref_sums[k]));
      za::spread_over_tokens(policy, za::padded(kept), upstream, for_tokens);
      std::vector<double> for_hidden(hidden.values.size()), for_weight(weight.values.size());
      const zm::tensor_view<double, 3> to{.data = for_hidden.data(),
                                          .shape = {sequences, length, hidden.columns},
                                          .strides = {length * hidden.columns, hidden.columns, 1}};
      za::fused_linear_logprobs_gradient(policy, hidden.view(), weight, za::no_bias, ids, normaliser, for_tokens, to,
                                         matrix_of(for_weight, weight.rows, weight.columns), zm::discard);
      return results{{"loss", total.mean_over_pairs() + nll_weight * nll},
                     {"logps", sums},
                     {"ref_logps", ref_sums},
                     {"nll", nll},
                     {"chosen_rewards", half(rewards, 0)},
                     {"rejected_rewards", half(rewards, pairs)},
                     {"grad_hidden", cube_rows(for_hidden, sequences, length, hidden.columns)},
                     {"grad_weight", table_rows(for_weight, weight.rows, weight.columns)}};
    }};

}  // namespace
