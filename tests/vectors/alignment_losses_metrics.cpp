// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/alignment/annotation.hpp>
#include <zermelo/alignment/aot.hpp>
#include <zermelo/alignment/comparisons.hpp>
#include <zermelo/alignment/optimum.hpp>
#include <zermelo/alignment/preference_degree.hpp>
#include <zermelo/alignment/preparation.hpp>
#include <zermelo/alignment/process_rewards.hpp>
#include <zermelo/alignment/ranking_accuracy.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace al = zermelo::alignment;

constexpr const char* cluster = "alignment-losses";

// Batches ------------------------------------------------------------------------------------------------------------

template <class F>
results transported(const inputs& in, F&& run) {
  const auto chosen = in.vector("policy_chosen"), rejected = in.vector("policy_rejected");
  const auto chosen_before = in.vector("ref_chosen"), rejected_before = in.vector("ref_rejected");
  std::vector<double> losses(chosen.size()), for_chosen(chosen.size()), for_rejected(chosen.size());
  const al::dpo link{.beta = in.number("beta", 0.1), .label_smoothing = in.number("label_smoothing", 0)};
  const al::batch_coupled_sums sums =
      run(link, chosen, rejected, chosen_before, rejected_before, losses, for_chosen, for_rejected);
  return {{"losses", losses},
          {"loss", sums.mean_over_pairs()},
          {"grad_policy_chosen", for_chosen},
          {"grad_policy_rejected", for_rejected}};
}

const method aot_paired{cluster, "aot_paired", [](const inputs& in, auto&& policy) {
                          return transported(in, [&](auto&... x) { return al::aot_paired(policy, x...); });
                        }};
const method aot_unpaired{cluster, "aot_unpaired", [](const inputs& in, auto&& policy) {
                            return transported(in, [&](auto&... x) { return al::aot_unpaired(policy, x...); });
                          }};

// Metrics ------------------------------------------------------------------------------------------------------------

std::vector<std::int64_t> whole(const std::vector<double>& x) { return {x.begin(), x.end()}; }

const method ranking_accuracy{cluster, "ranking_accuracy", [](const inputs& in, auto&& policy) {
                                const auto preference = in.vector("preference");
                                std::vector<double> out[7];
                                for (auto& o : out) o.resize(preference.size());
                                const auto counts = al::ranking_accuracy(
                                    policy, in.vector("policy_chosen"), in.vector("policy_rejected"),
                                    in.vector("ref_chosen"), in.vector("ref_rejected"), in.vector("len_chosen"),
                                    in.vector("len_rejected"), preference, out[0], out[1], out[2], out[3], out[4],
                                    out[5], out[6], {.beta = in.number("beta")});
                                return results{{"correct", whole(out[0])},
                                               {"correct_length_normalized", whole(out[1])},
                                               {"ideal_log_ratio", out[2]},
                                               {"ideal_correct", whole(out[3])},
                                               {"difficulty", out[4]},
                                               {"loss_threshold", out[5]},
                                               {"dpo_loss", out[6]},
                                               {"correct_mean", counts.accuracy()},
                                               {"correct_length_normalized_mean", counts.accuracy_by_length()},
                                               {"ideal_correct_mean", counts.idealised_accuracy()}};
                              }};
const method best_of_n{cluster, "best_of_n", [](const inputs& in) {
                         const auto prior = in.vector("prob");
                         std::vector<double> p(prior.size());
                         const auto r = al::best_of_n(prior, in.vector("reward"), in.integer("n"), p);
                         return results{
                             {"prob", p},
                             {"kl", r.kl},
                             {"kl_upper_bound", r.kl_upper_bound},
                             {"win_rate", r.win_rate},
                             {"expected_log_ratio_best_minus_worst_continuous", r.log_ratio_best_minus_worst}};
                       }};
const method kl_optimum{cluster, "kl_regularized_optimum", [](const inputs& in) {
                          const auto reference = in.vector("ref");
                          std::vector<double> p(reference.size()), gap(reference.size());
                          const auto r =
                              al::kl_regularized_optimum(reference, in.vector("reward"), in.number("beta"), p, gap);
                          return results{{"optimal_policy", p},
                                         {"implied_reward_gap_to_first", gap},
                                         {"kl", r.kl},
                                         {"log_partition", r.log_partition}};
                        }};

// Annotation ---------------------------------------------------------------------------------------------------------

const method cdr_reward{cluster, "cdr_reward", [](const inputs& in) {
                          const matrix strong = in.matrix("strong_logp");
                          std::vector<double> sums(static_cast<std::size_t>(strong.rows)), means(sums);
                          const auto r =
                              al::density_ratio_reward(strong, in.matrix("weak_logp"), in.matrix("mask"), sums, means);
                          return results{{"reward_sum", sums},
                                         {"reward_mean", means},
                                         {"chosen", r.best},
                                         {"rejected", r.worst},
                                         {"margin", r.margin}};
                        }};
const method flr_reward{
    cluster, "flr_reward", [](const inputs& in) {
      std::vector<double> reward;
      for (const json& response : in.raw("responses")) {
        const json nothing;
        const inputs one(response, nothing, {});
        reward.push_back(al::follow_up_reward(one.matrix("positive_logp"), one.matrix("positive_mask"),
                                              one.matrix("negative_logp"), one.matrix("negative_mask"))
                             .reward);
      }
      const auto picked = al::pick_best_and_worst(reward);
      return results{{"reward", reward}, {"best", picked.best}, {"worst", picked.worst}};
    }};
const method apc_score{cluster, "apc_score", [](const inputs& in) {
                         const matrix relevance = in.matrix("relevance"), nli = in.matrix("nli");
                         std::vector<double> scores(static_cast<std::size_t>(relevance.rows));
                         const double sum = al::active_passive_score(relevance, nli, scores);
                         return results{{"per_statement", scores}, {"apc", sum}};
                       }};
const method cream_consistency{cluster, "cream_consistency", [](const inputs& in) {
                                 const matrix current = in.matrix("reward_current");
                                 const auto n = static_cast<std::size_t>(current.rows);
                                 std::vector<double> tau(n), consistency(n);
                                 std::vector<std::int64_t> chosen(n), rejected(n);
                                 const auto r = al::cream_consistency(current, in.matrix("reward_previous"), tau,
                                                                      consistency, chosen, rejected);
                                 return results{{"tau", tau},
                                                {"consistency", consistency},
                                                {"average", r.average},
                                                {"chosen", chosen},
                                                {"rejected", rejected}};
                               }};

// Around a loss ------------------------------------------------------------------------------------------------------

const method code_opt_metrics{cluster, "code_opt_metrics", [](const inputs& in) {
                                const auto before = in.vector("old_time");
                                std::vector<double> speedup(before.size());
                                const auto r = al::code_optimisation(
                                    before, in.vector("new_time"), in.integers("correct"), speedup,
                                    {.threshold = in.number("threshold", 0.1),
                                     .floor_at_one = !in.has("floor_at_one") || in.flag("floor_at_one")});
                                return results{{"percent_opt", r.percent_optimised},
                                               {"speedup", speedup},
                                               {"sp_mean", r.mean_speedup},
                                               {"sp_geomean", r.geometric_mean_speedup},
                                               {"percent_correct", r.percent_correct}};
                              }};
const method reward_augmented{
    cluster, "reward_augmented", [](const inputs& in) {
      json all = json::array();
      for (const auto& row : al::reward_augmented(in.vector("reward_chosen"), in.vector("reward_rejected")))
        all.push_back({{"pair", row.pair}, {"goal", row.goal}, {"swap", row.swapped ? 1 : 0}});
      return results{{"rows", all}};
    }};
const method tr_dpo_update{cluster, "tr_dpo_update", [](const inputs& in, auto&& policy) {
                             auto reference = in.vector("ref");
                             const std::string mode = in.has("mode") ? in.text("mode") : "soft";
                             if (mode != "soft" && mode != "hard")
                               throw zm::domain_error("mode", zm::domain_error::whole,
                                                      mode + ", expected soft or hard");
                             using mode_t = al::reference_update::mode_t;
                             const al::reference_update how{.mode = mode == "soft" ? mode_t::soft : mode_t::hard,
                                                            .alpha = in.number("alpha", 0.6),
                                                            .every = in.has("every") ? in.integer("every") : 512};
                             json steps = json::array();
                             const matrix policies = in.matrix("policy_steps");
                             for (std::int64_t i = 0; i < policies.rows; ++i) {
                               const std::vector<double> theta(policies.values.begin() + i * policies.columns,
                                                               policies.values.begin() + (i + 1) * policies.columns);
                               al::update_reference(policy, reference, theta, i + 1, how);
                               steps.push_back(reference);
                             }
                             return results{{"ref_steps", steps}};
                           }};
const method implicit_prm_steps{
    cluster, "implicit_prm_steps", [](const inputs& in) {
      const auto policy = in.vector("policy_logp");
      const auto ends = in.integers("step_end");
      std::vector<double> tokens(policy.size()), steps(ends.size()), q(ends.size());
      const auto s =
          al::implicit_step_rewards(policy, in.vector("ref_logp"), ends, in.number("beta", 0.05), tokens, steps, q);
      return results{{"token_reward", tokens},        {"step_reward", steps}, {"step_q", q},
                     {"response_reward", s.response}, {"score_sum", s.sum},   {"score_min", s.least},
                     {"score_mean", s.mean},          {"score_last", s.last}, {"score_max", s.most}};
    }};

/// Nested lists of three levels.
struct cube {
  std::int64_t shape[3] = {};
  std::vector<double> values;

  cube(const inputs& in, const std::string& name) {
    for (const json& plane : in.raw(name)) {
      std::int64_t rows = 0;
      for (const json& row : plane) {
        for (const json& x : row) values.push_back(x.get<double>());
        shape[2] = static_cast<std::int64_t>(row.size());
        ++rows;
      }
      shape[1] = rows;
      ++shape[0];
    }
    if (shape[0] * shape[1] * shape[2] != static_cast<std::int64_t>(values.size()))
      throw zm::shape_error(name, "is ragged");
  }
  cube(const cube& other, double fill) : values(other.values.size(), fill) {
    for (int d = 0; d < 3; ++d) shape[d] = other.shape[d];
  }
  zm::tensor_view<double, 3> view() {
    return {
        .data = values.data(), .shape = {shape[0], shape[1], shape[2]}, .strides = {shape[1] * shape[2], shape[2], 1}};
  }
  json nested() const {
    json all = json::array();
    for (std::int64_t i = 0; i < shape[0]; ++i)
      all.push_back(
          rows({values.data() + i * shape[1] * shape[2], static_cast<std::size_t>(shape[1] * shape[2])}, shape[2]));
    return all;
  }
};

const method implicit_prm_tree{
    cluster, "implicit_prm_tree", [](const inputs& in) {
      cube policy(in, "policy"), reference(in, "ref");
      const auto q = al::prefix_value(policy.view(), reference.view(), in.integers("prefix"), in.number("beta"));
      return results{{"q_by_expectation", q.by_expectation}, {"q_by_prefix_ratio", q.by_prefix_ratio}};
    }};
const method spo_degree{cluster, "spo_degree", [](const inputs& in) {
                          const auto base = in.vector("align_loss");
                          cube chosen(in, "degree_logits_chosen"), rejected(in, "degree_logits_rejected");
                          cube for_chosen(chosen, 0.0), for_rejected(rejected, 0.0);
                          std::vector<double> losses(base.size());
                          const auto sums = al::preference_degree_loss(base, chosen.view(), in.matrix("degree_chosen"),
                                                                       rejected.view(), in.matrix("degree_rejected"),
                                                                       losses, for_chosen.view(), for_rejected.view(),
                                                                       in.number("gamma", 0.1));
                          return results{{"losses", losses},
                                         {"loss", sums.mean_over_lists()},
                                         {"grad_degree_logits_chosen", for_chosen.nested()},
                                         {"grad_degree_logits_rejected", for_rejected.nested()}};
                        }};

}  // namespace
