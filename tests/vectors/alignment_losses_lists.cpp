// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <string>
#include <vector>
#include <zermelo/alignment/bco.hpp>
#include <zermelo/alignment/kto.hpp>
#include <zermelo/alignment/list_losses.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace al = zermelo::alignment;

constexpr const char* cluster = "alignment-losses";

// Single responses ---------------------------------------------------------------------------------------------------

struct responses {
  std::vector<double> policy, reference, label, losses, gradient;

  explicit responses(const inputs& in)
      : policy(in.vector("policy")),
        reference(in.vector("ref")),
        label(in.vector("label")),
        losses(policy.size()),
        gradient(policy.size()) {}

  template <class P, class Kernel, class... Options>
  results run(P&& how, const Kernel& kernel, const Options&... options) {
    const auto sums =
        zm::response_loss(how, kernel, policy, reference, losses, gradient, zm::alongside(label), options...);
    return {{"losses", losses}, {"loss", sums.mean_over_responses()}, {"grad_policy", gradient}};
  }
  std::vector<double> rewards(double beta) const {
    std::vector<double> r(policy.size());
    zm::response_loss(al::shifted_reward{beta, 0}, policy, reference, r, zm::discard);
    return r;
  }
};

const method kto{cluster, "kto", [](const inputs& in, auto&& policy) {
                   responses x(in);
                   const double beta = in.number("beta", 0.1);
                   const auto baseline = al::kto_baseline(policy, in.vector("kl_policy"), in.vector("kl_ref"));
                   auto r = x.run(policy, al::kto{.beta = beta,
                                                  .desirable_weight = in.number("desirable_weight", 1),
                                                  .undesirable_weight = in.number("undesirable_weight", 1),
                                                  .baseline = baseline});
                   r["z0"] = baseline.value();
                   r["rewards"] = x.rewards(beta);
                   return r;
                 }};
const method apo_zero_unpaired{cluster, "apo_zero_unpaired", [](const inputs& in, auto&& policy) {
                                 return responses(in).run(policy, al::kto{.beta = in.number("beta", 0.1)});
                               }};
const method implicit_prm_ce{cluster, "implicit_prm_ce", [](const inputs& in, auto&& policy) {
                               responses x(in);
                               const double beta = in.number("beta", 0.05);
                               auto r = x.run(policy, al::implicit_prm{.beta = beta});
                               r["rewards"] = x.rewards(beta);
                               return r;
                             }};
const method bco{cluster, "bco", [](const inputs& in, auto&& policy) {
                   const double beta = in.number("beta", 0.1);
                   const json state = in.has("state") ? in.raw("state") : json::object();
                   al::reward_moments moments{state.value("count", std::int64_t{0}), state.value("mean", 0.0),
                                              state.value("var", 0.0)};
                   json all = json::array();
                   for (const json& batch : in.raw("batches")) {
                     const json nothing;
                     const inputs one(batch, nothing, {});
                     responses x(one);
                     moments = merge(moments, al::bco_moments(policy, x.policy, x.reference, beta));
                     const al::bco kernel{.beta = beta, .moments = moments};
                     results r;
                     if (one.has("weight")) {
                       const auto weight = one.vector("weight");
                       r = x.run(policy, kernel, zm::weighted_by(weight));
                     } else {
                       r = x.run(policy, kernel);
                     }
                     r["delta"] = moments.mean;
                     r["rewards"] = x.rewards(beta);
                     r["state"] = {{"count", moments.count}, {"mean", moments.mean}, {"var", moments.variance}};
                     all.push_back(r);
                   }
                   return results{{"batches", all}};
                 }};
const method bco_udm_weight{
    cluster, "bco_udm_weight", [](const inputs& in, auto&& policy) {
      const auto p = in.vector("prob_desirable");
      std::vector<double> weight(p.size());
      al::bco_udm_weight(policy, p, weight, {.least = in.number("min_ratio", 0.5), .most = in.number("max_ratio", 10)});
      return results{{"weight", weight}};
    }};
const method gpm_gpo{
    cluster, "gpm_gpo", [](const inputs& in, auto&& policy) {
      const auto x = in.vector("policy"), before = in.vector("prev"), score = in.vector("score_vs_prev");
      const auto log_z = in.has("log_z") ? in.vector("log_z") : std::vector<double>(x.size());
      std::vector<double> losses(x.size()), gradient(x.size()), residual(x.size());
      const auto sums = zm::response_loss(policy, al::gpm_regression{.beta = in.number("beta")}, x, before, losses,
                                          gradient, zm::alongside(score, log_z), zm::also_into(residual));
      return results{
          {"losses", losses}, {"loss", sums.mean_over_responses()}, {"grad_policy", gradient}, {"residual", residual}};
    }};

// Lists --------------------------------------------------------------------------------------------------------------

template <class P, class Kernel>
results lists(const inputs& in, P&& how, const Kernel& kernel) {
  const matrix policy = in.matrix("policy"), reference = in.matrix("ref"), labels = in.matrix("labels");
  matrix gradient{policy.rows, policy.columns, std::vector<double>(policy.values.size())};
  std::vector<double> losses(static_cast<std::size_t>(policy.rows));
  const auto sums = zm::list_loss(how, kernel, policy, reference, labels, losses, gradient);
  return {{"losses", losses}, {"loss", sums.mean_over_lists()}, {"grad_policy", rows(gradient.values, policy.columns)}};
}

template <class P, class Kernel, class... Options>
results rewarded_lists(const inputs& in, P&& how, const Kernel& kernel, const Options&... options) {
  const matrix sums_of_tokens = in.matrix("sum_logp"), lengths = in.matrix("length"), rewards = in.matrix("reward");
  matrix gradient{lengths.rows, lengths.columns, std::vector<double>(sums_of_tokens.values.size())};
  std::vector<double> losses(static_cast<std::size_t>(sums_of_tokens.rows));
  const auto sums = zm::list_loss(how, kernel, sums_of_tokens, zm::no_reference, rewards, losses, gradient,
                                  zm::item_lengths(lengths), options...);
  return {{"losses", losses},
          {"loss", sums.mean_over_lists()},
          {"grad_sum_logp", rows(gradient.values, sums_of_tokens.columns)}};
}

const method exo{cluster, "exo", [](const inputs& in, auto&& policy) {
                   return lists(in, policy, al::exo{.beta = in.number("beta"), .beta_r = in.number("beta_r")});
                 }};
const method infonca{cluster, "infonca", [](const inputs& in, auto&& policy) {
                       return lists(in, policy,
                                    al::infonca{.beta = in.number("beta", 0.01), .alpha = in.number("alpha", 1)});
                     }};
const method nca{cluster, "nca", [](const inputs& in, auto&& policy) {
                   return lists(in, policy, al::nca{.beta = in.number("beta", 0.01), .alpha = in.number("alpha", 1)});
                 }};
const method plackett_luce{cluster, "dpo_plackett_luce", [](const inputs& in, auto&& policy) {
                             return lists(in, policy, al::dpo_plackett_luce{.beta = in.number("beta")});
                           }};
const method lipo{cluster, "lipo", [](const inputs& in, auto&& policy) {
                    const double beta = in.number("beta");
                    const std::string kind = in.text("kind");
                    using enum al::ranking_loss;
                    if (kind == "point_mse") return lists(in, policy, al::lipo<point_mse>{.beta = beta});
                    if (kind == "point_sigmoid") return lists(in, policy, al::lipo<point_sigmoid>{.beta = beta});
                    if (kind == "pair_logistic") return lists(in, policy, al::lipo<pair_logistic>{.beta = beta});
                    if (kind == "pair_hinge") return lists(in, policy, al::lipo<pair_hinge>{.beta = beta});
                    if (kind == "list_mle") return lists(in, policy, al::lipo<list_mle>{.beta = beta});
                    if (kind == "softmax") return lists(in, policy, al::lipo<softmax>{.beta = beta});
                    if (kind == "lambda") return lists(in, policy, al::lipo_lambda{.beta = beta});
                    throw zm::domain_error("kind", zm::domain_error::whole, kind + ", expected the name of a loss");
                  }};
const method pro{cluster, "pro", [](const inputs& in, auto&& policy) {
                   const al::pro kernel{.sft_weight = in.number("sft_weight", 0.05)};
                   if (!in.has("sft_index")) return rewarded_lists(in, policy, kernel);
                   const auto best = in.integers("sft_index");
                   return rewarded_lists(in, policy, kernel, zm::picking(best));
                 }};
const method rrhf{cluster, "rrhf", [](const inputs& in, auto&& policy) {
                    return rewarded_lists(in, policy,
                                          al::rrhf{.rank_weight = in.number("rank_weight", 1),
                                                   .length_penalty = in.number("length_penalty", 1)});
                  }};

}  // namespace
