// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <zermelo/alignment/apo.hpp>
#include <zermelo/alignment/bco.hpp>
#include <zermelo/alignment/copg.hpp>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/dpop.hpp>
#include <zermelo/alignment/f_dpo.hpp>
#include <zermelo/alignment/inpo.hpp>
#include <zermelo/alignment/mixture.hpp>
#include <zermelo/alignment/nca.hpp>
#include <zermelo/alignment/orpo.hpp>
#include <zermelo/alignment/seppo.hpp>
#include <zermelo/alignment/simpo.hpp>
#include <zermelo/alignment/sppo.hpp>
#include <zermelo/alignment/tdpo.hpp>
#include <zermelo/alignment/themis.hpp>
#include <zermelo/alignment/wpo.hpp>
#include <zermelo/core/statistics.hpp>

#include "alignment_losses.hpp"

namespace {

using namespace alignment_losses;

const method f_dpo{cluster, "f_dpo", [](const inputs& in, auto&& policy) {
                     const double beta = in.number("beta", 0.1);
                     const std::string f = in.has("f_divergence") ? in.text("f_divergence") : "reverse_kl";
                     using enum al::f_divergence;
                     if (f == "reverse_kl") return pairs(in, policy, al::f_dpo<reverse_kl>{.beta = beta}, beta);
                     if (f == "forward_kl") return pairs(in, policy, al::f_dpo<forward_kl>{.beta = beta}, beta);
                     if (f == "js_divergence") return pairs(in, policy, al::f_dpo<jensen_shannon>{.beta = beta}, beta);
                     if (f == "alpha_divergence")
                       return pairs(in, policy, al::f_dpo<alpha>{.beta = beta, .alpha = in.number("alpha", 0.5)}, beta);
                     throw zm::domain_error("f_divergence", zm::domain_error::whole, f + ", expected a divergence");
                   }};
const method nca_pair{cluster, "nca_pair", [](const inputs& in, auto&& policy) {
                        const double beta = in.number("beta", 0.01);
                        return pairs(in, policy, al::nca_pair{.beta = beta}, beta);
                      }};
const method bco_pair{cluster, "bco_pair", [](const inputs& in, auto&& policy) {
                        const double beta = in.number("beta", 0.1);
                        return pairs(in, policy, al::bco_pair{.beta = beta}, beta);
                      }};
const method apo_zero{cluster, "apo_zero", [](const inputs& in, auto&& policy) {
                        const double beta = in.number("beta", 0.1);
                        return pairs(in, policy, al::apo_zero{.beta = beta}, beta);
                      }};
const method apo_down{cluster, "apo_down", [](const inputs& in, auto&& policy) {
                        const double beta = in.number("beta", 0.1);
                        return pairs(in, policy, al::apo_down{.beta = beta}, beta);
                      }};
const method dpop{cluster, "dpop", [](const inputs& in, auto&& policy) {
                    const double beta = in.number("beta", 0.3);
                    return pairs(in, policy, al::dpop{.beta = beta, .lambda = in.number("lam", 50)}, beta);
                  }};
const method sppo_hard{cluster, "sppo_hard", [](const inputs& in, auto&& policy) {
                         const double beta = in.number("beta");
                         return pairs(in, policy, al::sppo_hard{.beta = beta}, beta);
                       }};
const method sppo_soft{cluster, "sppo_soft", [](const inputs& in, auto&& policy) {
                         pair_inputs x(in);
                         const auto p = in.vector("win_prob_chosen"), q = in.vector("win_prob_rejected");
                         return x.run(policy, al::sppo_soft{.eta = in.number("eta", 1000)}, zm::alongside(p, q));
                       }};
const method tdpo{cluster, "tdpo", [](const inputs& in, auto&& policy) {
                    pair_inputs x(in);
                    const auto d = in.vector("seq_kl_chosen"), e = in.vector("seq_kl_rejected");
                    std::vector<double> for_d(d.size()), for_e(e.size());
                    const double beta = in.number("beta", 0.1);
                    const auto variant = in.integer("variant");
                    if (variant != 1 && variant != 2)
                      throw zm::domain_error("variant", zm::domain_error::whole, "expected 1 or 2");
                    auto r = variant == 1 ? x.run(policy, al::tdpo1{.beta = beta}, zm::alongside(d, e),
                                                  zm::also_into(for_d, for_e))
                                          : x.run(policy, al::tdpo2{.beta = beta, .alpha = in.number("alpha", 0.5)},
                                                  zm::alongside(d, e), zm::also_into(for_d, for_e));
                    r["grad_seq_kl_chosen"] = for_d;
                    r["grad_seq_kl_rejected"] = for_e;
                    return r;
                  }};
const method inpo_loss{cluster, "inpo_loss", [](const inputs& in, auto&& policy) {
                         pair_inputs x(in);
                         const auto q = in.vector("prev_chosen"), s = in.vector("prev_rejected");
                         std::vector<double> h(q.size());
                         auto r =
                             x.run(policy, al::inpo{.eta = in.number("eta", 0.0075), .tau = in.number("tau", 0.0025)},
                                   zm::alongside(q, s), zm::also_into(h));
                         r["h"] = h;
                         return r;
                       }};
const method copg{cluster, "copg", [](const inputs& in, auto&& policy) {
                    pair_inputs x(in, false, "policy_a", "policy_b");
                    x.chosen_before = in.vector("ref_a");
                    x.rejected_before = in.vector("ref_b");
                    const auto first = in.vector("reward_a"), second = in.vector("reward_b");
                    std::vector<double> gap(first.size());
                    auto r = x.run(policy, al::copg{.beta = in.number("beta")}, zm::alongside(first, second),
                                   zm::also_into(gap));
                    r["grad_policy_a"] = x.for_chosen;
                    r["grad_policy_b"] = x.for_rejected;
                    r["regularized_gap"] = gap;
                    return r;
                  }};
const method seppo{cluster, "seppo", [](const inputs& in, auto&& policy) {
                     pair_inputs x(in, false, "ll_win_policy", "ll_gen_policy");
                     x.chosen_before = in.vector("ll_win_ref");
                     x.rejected_before = in.vector("ll_gen_ref");
                     std::vector<double> sign(x.chosen.size());
                     auto r = x.run(policy, al::seppo{.beta = in.number("beta")}, zm::also_into(sign));
                     r["grad_ll_win_policy"] = x.for_chosen;
                     r["grad_ll_gen_policy"] = x.for_rejected;
                     r["sign"] = sign;
                     return r;
                   }};
const method wpo_dpo{cluster, "wpo_dpo", [](const inputs& in, auto&& policy) {
                       pair_inputs x(in);
                       const auto p = in.vector("mean_aligned_chosen"), q = in.vector("mean_aligned_rejected");
                       std::vector<double> weights(p.size());
                       auto r = x.run(policy, al::wpo{al::dpo{.beta = in.number("beta", 0.1)}}, zm::alongside(p, q),
                                      zm::also_into(weights));
                       r["weights"] = weights;
                       return r;
                     }};
const method rpo{cluster, "rpo", [](const inputs& in, auto&& policy) {
                   pair_inputs x(in);
                   return x.run(policy, al::rpo{.beta = in.number("beta", 0.01), .eta = in.number("eta", 0.005)},
                                zm::with_lengths(x.n, x.n));
                 }};
const method cpo{cluster, "cpo", [](const inputs& in, auto&& policy) {
                   pair_inputs x(in, false);
                   return x.run_without_reference(policy,
                                                  al::cpo{.beta = in.number("beta", 0.1),
                                                          .label_smoothing = in.number("label_smoothing", 0),
                                                          .nll_weight = in.number("nll_weight", 1)},
                                                  zm::with_lengths(x.n, x.n));
                 }};
const method simpo{
    cluster, "simpo", [](const inputs& in, auto&& policy) {
      pair_inputs x(in, false), y(in, false);
      const double beta = in.number("beta", 2);
      auto r = x.run_without_reference(
          policy,
          al::simpo{.beta = beta, .gamma = in.number("gamma", 0.5), .label_smoothing = in.number("label_smoothing", 0)},
          zm::normalised_by(x.n, x.m));
      y.run_without_reference(policy, al::implicit_reward{.beta = beta}, zm::normalised_by(y.n, y.m));
      r["chosen_rewards"] = y.for_chosen;
      r["rejected_rewards"] = y.for_rejected;
      return r;
    }};
const method alphapo{
    cluster, "alphapo", [](const inputs& in, auto&& policy) {
      pair_inputs x(in, false);
      return x.run_without_reference(
          policy, al::alphapo{.beta = in.number("beta"), .gamma = in.number("gamma"), .alpha = in.number("alpha")},
          zm::normalised_by(x.n, x.m));
    }};
const method orpo{cluster, "orpo", [](const inputs& in, auto&& policy) {
                    pair_inputs x(in, false);
                    std::vector<double> odds(x.chosen.size());
                    auto r =
                        x.run_without_reference(policy, al::orpo{.beta = in.number("beta", 0.1)}, zm::also_into(odds));
                    r["log_odds"] = odds;
                    r["log_odds_mean"] = zm::mean(odds);
                    return r;
                  }};
const method themis{cluster, "themis_composite", [](const inputs& in, auto&& policy) {
                      pair_inputs x(in, false, "reward_chosen", "reward_rejected");
                      const auto spans = [&](const char* name) {  // without spans of a kind there is nothing to add
                        return in.has(name) ? in.vector(name) : std::vector<double>(x.chosen.size());
                      };
                      const auto tool = spans("tool_nll"), observation = spans("observe_nll"),
                                 rationale = spans("rationale_nll");
                      auto r = x.run_without_reference(policy,
                                                       al::themis{.reward_weight = in.number("rm_weight", 0.5),
                                                                  .tool_weight = in.number("tool_weight", 1),
                                                                  .observation_weight = in.number("observe_weight", 1),
                                                                  .rationale_weight = in.number("rationale_weight", 1)},
                                                       zm::alongside(tool, observation, rationale));
                      r["grad_reward_chosen"] = x.for_chosen;
                      r["grad_reward_rejected"] = x.for_rejected;
                      return r;
                    }};

}  // namespace
