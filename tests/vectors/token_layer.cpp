// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <zermelo/alignment/token_logprobs.hpp>
#include <zermelo/alignment/token_weights.hpp>

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

}  // namespace
