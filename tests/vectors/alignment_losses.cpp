// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "alignment_losses.hpp"

#include <zermelo/alignment/cream.hpp>
#include <zermelo/alignment/discopop.hpp>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/exo.hpp>
#include <zermelo/alignment/gpo.hpp>
#include <zermelo/alignment/ipo.hpp>
#include <zermelo/alignment/mm_dpo.hpp>
#include <zermelo/alignment/rdpo.hpp>
#include <zermelo/alignment/slic.hpp>

namespace {

using namespace alignment_losses;

const auto by_dpo = [](const inputs& in, auto&& policy) {
  const double beta = in.number("beta", 0.1);
  return pairs(in, policy, al::dpo{.beta = beta, .label_smoothing = in.number("label_smoothing", 0)}, beta);
};
const auto by_ipo = [](const inputs& in, auto&& policy) {
  const double tau = in.number("tau", 0.1);
  return pairs(in, policy, al::ipo{.tau = tau}, tau);
};
const method dpo{cluster, "dpo", by_dpo};
const method cdpo{cluster, "cdpo", by_dpo};
const method ipo{cluster, "ipo", by_ipo};

const method dpo_length_normalized{cluster, "dpo_length_normalized", [](const inputs& in, auto&& policy) {
                                     pair_inputs x(in);
                                     return x.run(policy, al::dpo{.beta = in.number("beta")},
                                                  zm::normalised_by(x.n, x.m));
                                   }};
const method ipo_length_normalized{cluster, "ipo_length_normalized", [](const inputs& in, auto&& policy) {
                                     pair_inputs x(in);
                                     return x.run(policy, al::ipo{.tau = in.number("tau", 0.1)},
                                                  zm::normalised_by(x.n, x.m));
                                   }};
const method rdpo{cluster, "rdpo", [](const inputs& in, auto&& policy) {
                    const double beta = in.number("beta", 0.1);
                    return pairs(in, policy,
                                 al::rdpo{.beta = beta, .label_smoothing = in.number("label_smoothing", 0.1)}, beta);
                  }};
const method dpo_hinge{cluster, "dpo_hinge", [](const inputs& in, auto&& policy) {
                         const double beta = in.number("beta", 0.1);
                         return pairs(in, policy, al::dpo_hinge{.beta = beta}, beta);
                       }};
const method slic_hf{cluster, "slic_hf", [](const inputs& in, auto&& policy) {
                       pair_inputs x(in, false);
                       const auto sft = in.vector("policy_sft");
                       std::vector<double> for_sft(sft.size());
                       auto r = x.run_without_reference(
                           policy, al::slic_hf{.delta = in.number("delta", 1), .lambda = in.number("lam", 0.1)},
                           zm::alongside(sft), zm::also_into(for_sft));
                       r["grad_policy_sft"] = for_sft;
                       return r;
                     }};
const method gpo_family{cluster, "gpo_family", [](const inputs& in, auto&& policy) {
                          const double beta = in.number("beta", 0.1);
                          const std::string f = in.text("f");
                          using enum al::gpo_link;
                          if (f == "logistic") return pairs(in, policy, al::gpo<logistic>{.beta = beta}, beta);
                          if (f == "exponential") return pairs(in, policy, al::gpo<exponential>{.beta = beta}, beta);
                          if (f == "hinge") return pairs(in, policy, al::gpo<hinge>{.beta = beta}, beta);
                          if (f == "truncated_quadratic")
                            return pairs(in, policy, al::gpo<truncated_quadratic>{.beta = beta}, beta);
                          if (f == "squared") return pairs(in, policy, al::gpo<squared>{.beta = beta}, beta);
                          if (f == "savage") return pairs(in, policy, al::gpo<savage>{.beta = beta}, beta);
                          throw zm::domain_error("f", zm::domain_error::whole, f + ", expected the name of a link");
                        }};
const method exo_pair{cluster, "exo_pair", [](const inputs& in, auto&& policy) {
                        const double beta = in.number("beta", 0.1);
                        return pairs(in, policy,
                                     al::exo_pair{.beta = beta, .label_smoothing = in.number("label_smoothing", 0.001)},
                                     beta);
                      }};
const method discopop{cluster, "discopop", [](const inputs& in, auto&& policy) {
                        const double beta = in.number("beta", 0.1);
                        return pairs(in, policy,
                                     al::discopop{.beta = beta, .discopop_tau = in.number("discopop_tau", 0.05)}, beta);
                      }};
const method cream_loss{cluster, "cream_loss", [](const inputs& in, auto&& policy) {
                          const double beta = in.number("beta", 0.1);
                          pair_inputs x(in);
                          const auto consistency = in.vector("consistency");
                          return with_rewards(in, policy, beta,
                                              x.run(policy, al::cream{.beta = beta}, zm::alongside(consistency)));
                        }};
const method mm_dpo{
    cluster, "mm_dpo", [](const inputs& in, auto&& policy) {
      pair_inputs x(in);
      const auto margin = in.vector("reward_margin");
      std::vector<double> used(margin.size());
      auto r = x.run(
          policy,
          al::mm_dpo{.beta = in.number("beta_ori", 0.1), .weight = in.number("w", 0.1), .rate = in.number("k", 0.5)},
          zm::alongside(margin), zm::also_into(used));
      r["beta_used"] = used;
      return r;
    }};

}  // namespace
