// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/ipo.hpp>
#include <zermelo/core/pair_loss.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;

constexpr const char* cluster = "alignment-losses";

/// A loss of the margin over the pairs of a case. Rewards are `scale` times the log-ratios.
results pairs(const inputs& in, const auto& policy, const auto& kernel, double scale) {
  const auto chosen = in.vector("policy_chosen"), rejected = in.vector("policy_rejected");
  const auto chosen_before = in.vector("ref_chosen"), rejected_before = in.vector("ref_rejected");
  std::vector<double> losses(chosen.size()), for_chosen(chosen.size()), for_rejected(chosen.size());
  const auto run = [&](const auto&... options) {
    return zm::pair_loss(policy, kernel, chosen, rejected, chosen_before, rejected_before, losses, for_chosen,
                         for_rejected, options...);
  };
  zm::pair_sums sums;
  if (in.has("len_chosen")) {
    const auto n = in.vector("len_chosen"), m = in.vector("len_rejected");
    sums = run(zm::normalised_by(n, m));
  } else {
    sums = run();
  }
  std::vector<double> chosen_reward, rejected_reward, margin;
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    chosen_reward.push_back(scale * (chosen[k] - chosen_before[k]));
    rejected_reward.push_back(scale * (rejected[k] - rejected_before[k]));
    margin.push_back(chosen_reward[k] - rejected_reward[k]);
  }
  return {{"losses", losses},
          {"loss", sums.mean_over_pairs()},
          {"grad_policy_chosen", for_chosen},
          {"grad_policy_rejected", for_rejected},
          {"chosen_rewards", chosen_reward},
          {"rejected_rewards", rejected_reward},
          {"margins", margin},
          {"accuracy", sums.accuracy()}};
}

double number_or(const inputs& in, const char* name, double usual) { return in.has(name) ? in.number(name) : usual; }

const auto by_dpo = [](const inputs& in, auto&& policy) {
  const double beta = number_or(in, "beta", 0.1);
  return pairs(in, policy, zm::alignment::dpo{.beta = beta, .label_smoothing = number_or(in, "label_smoothing", 0)},
               beta);
};
const auto by_ipo = [](const inputs& in, auto&& policy) {
  const double tau = number_or(in, "tau", 0.1);
  return pairs(in, policy, zm::alignment::ipo{.tau = tau}, tau);
};

const method dpo{cluster, "dpo", by_dpo};
const method cdpo{cluster, "cdpo", by_dpo};
const method dpo_length_normalized{cluster, "dpo_length_normalized", by_dpo};
const method ipo{cluster, "ipo", by_ipo};
const method ipo_length_normalized{cluster, "ipo_length_normalized", by_ipo};

}  // namespace
