// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <vector>
#include <zermelo/core/primitives/row_reduce.hpp>
#include <zermelo/game/anchor_step.hpp>
#include <zermelo/game/pair_regression.hpp>
#include <zermelo/game/sample_rewards.hpp>
#include <zermelo/game/sampled_gradient.hpp>
#include <zermelo/preference/general_preference.hpp>
#include <zermelo/preference/skew_embedding.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace zp = zermelo::preference;
namespace zg = zermelo::game;

constexpr const char *preference_models = "preference-models", *games = "games";

auto square(std::vector<double>& values, std::int64_t n) { return zm::matrix_view(values.data(), n, n); }

std::vector<double> divided(std::vector<double> x, double by) {
  for (double& v : x) v /= by;
  return x;
}

const method gpm{
    preference_models, "gpm", [](const inputs& in, auto&& policy) {
      const double tau = in.number("tau");
      results out;
      if (in.has("embeddings")) {
        const matrix v = in.matrix("embeddings");
        std::vector<double> scores(static_cast<std::size_t>(v.rows * v.rows)), probabilities(scores.size());
        zp::score_matrix(policy, v, zp::unit_scales, square(scores, v.rows));
        zp::probability_matrix(policy, v, zp::unit_scales, square(probabilities, v.rows), {.temperature = tau});
        out["score_matrix"] = rows(scores, v.rows);
        out["prob_matrix"] = rows(probabilities, v.rows);
        return out;
      }
      const matrix chosen = in.matrix("chosen"), rejected = in.matrix("rejected");
      const zp::score_logistic loss{.temperature = tau};
      matrix grad_chosen = chosen, grad_rejected = chosen;
      std::vector<double> scores(static_cast<std::size_t>(chosen.rows));
      const auto pairs = static_cast<double>(chosen.rows);
      const auto finish = [&](const zm::pair_sums& sums) {
        std::vector<double> probabilities;
        for (const double s : scores) probabilities.push_back(zm::sigmoid(s / tau));
        out["score"] = scores;
        out["prob"] = probabilities;
        out["loss"] = sums.mean_over_pairs();
        out["grad_chosen"] = rows(divided(grad_chosen.values, pairs), chosen.columns);
        out["grad_rejected"] = rows(divided(grad_rejected.values, pairs), chosen.columns);
      };
      if (!in.has("gate_logits")) {
        finish(zp::general_preference_loss(policy, loss, chosen, rejected, zp::unit_scales, scores, zm::discard,
                                           grad_chosen, grad_rejected, zm::discard));
        return out;
      }
      const matrix logits = in.matrix("gate_logits", chosen.rows);
      const std::int64_t width = in.has("gate_hidden_dim") ? in.integer("gate_hidden_dim") : 1;
      matrix scales = logits, grad_scales = logits, grad_logits = logits;
      zp::gate_scales(policy, logits, width, scales);
      finish(zp::general_preference_loss(policy, loss, chosen, rejected, scales, scores, zm::discard, grad_chosen,
                                         grad_rejected, grad_scales));
      zp::gate_gradient(scales, grad_scales, width, grad_logits);
      out["eigen_scales"] = rows(scales.values, logits.columns);
      out["grad_gate_logits"] = rows(divided(grad_logits.values, pairs), logits.columns);
      return out;
    }};

const method gpm_exact_embedding{
    preference_models, "gpm_exact_embedding", [](const inputs& in) {
      const matrix given = in.matrix("score_matrix");
      const auto found = zp::embed_scores(given);
      results out{{"rank", found.rank}, {"singular_values_descending", found.singular_values}};
      std::vector<double> back(given.values.size(), 0.0);
      if (found.blocks > 0) zp::score_matrix(found.matrix(), zp::unit_scales, square(back, given.rows));
      for (std::size_t k = 0; k < back.size(); ++k)
        if (std::abs(back[k] - given.values[k]) > 1e-12 * (1 + found.singular_values[0])) return out;
      out["check"] = "any embedding of dimension = rank whose pairwise scores reproduce score_matrix";
      return out;
    }};

const method gpm_policy_score{preference_models, "gpm_policy_score", [](const inputs& in, auto&& policy) {
                                const matrix v = in.matrix("embeddings");
                                const auto opponent = in.vector("opponent");
                                std::vector<double> scores(static_cast<std::size_t>(v.rows));
                                zp::scores_against(policy, v, zp::unit_scales, opponent, scores);
                                double value = 0;
                                for (std::size_t y = 0; y < scores.size(); ++y) value += opponent[y] * scores[y];
                                return results{{"score_vs_opponent", scores}, {"opponent_value", value}};
                              }};

/// log softmax.
std::vector<double> log_policy_of(const std::vector<double>& logits) {
  std::vector<double> out(logits.size());
  const auto n = static_cast<std::int64_t>(logits.size());
  zm::log_softmax_rows(zm::matrix_view(logits.data(), 1, n), zm::matrix_view(out.data(), 1, n));
  return out;
}

/// log of probabilities; of what is none, itself, for the library to refuse.
std::vector<double> log_of(std::vector<double> p) {
  for (double& x : p) x = std::log(x);
  return p;
}

std::vector<double> exp_of(std::vector<double> l) {
  for (double& x : l) x = std::exp(x);
  return l;
}

const method gpo{preference_models, "gpo", [](const inputs& in, auto&& policy) {
                   const auto now = in.vector("log_policy"), before = in.vector("log_previous"),
                              score = in.vector("score_vs_previous");
                   const double beta = in.number("beta");
                   if (!(beta > 0))
                     throw zm::domain_error("beta", zm::domain_error::whole, "expected a positive number");
                   std::vector<double> gradient(now.size()), next(now.size()), logs(now.size());
                   const double loss =
                       zg::response_regression(policy, now, before, score, zm::discard, gradient, {.step = 1 / beta});
                   zg::anchor_step(policy, before, before, score, logs, next, {.step = 1 / beta});
                   const auto count = static_cast<double>(now.size());
                   return results{{"loss", loss / count},
                                  {"grad_log_policy", divided(gradient, count)},
                                  {"exact_next_policy", next}};
                 }};

const method nash_md_pg{
    games, "nash_md_pg", [](const inputs& in, auto&& policy) {
      const matrix p = in.matrix("P");
      const auto game = zg::preference_matrix(p);
      const auto pi = log_policy_of(in.vector("theta")), mu = log_of(in.vector("mu"));
      const double tau = in.number("tau");
      std::vector<double> gradient(pi.size());
      const auto at = zg::policy_gradient(policy, game, pi, in.vector("opponent"), mu, gradient, {.kl_weight = tau});
      results out{{"value", at.value}, {"gradient", gradient}};
      if (!in.has("sample_y")) return out;
      const std::int64_t y = in.integer("sample_y");
      if (y < 0 || y >= p.rows) throw zm::domain_error("sample_y", 0, "is no item");
      std::vector<double> advantage(1);
      const auto of_sample = [&](const std::vector<double>& l) {
        return std::vector<double>{l[static_cast<std::size_t>(y)]};
      };
      zg::preference_advantages(policy, std::vector<double>{in.number("sample_preference")}, of_sample(pi),
                                of_sample(mu), advantage, {.kl_weight = tau, .baseline = in.number("baseline", 0.5)});
      zg::sampled_policy_gradient(policy, std::vector<std::int64_t>{y}, advantage, exp_of(pi), gradient);
      out["sampled_gradient"] = gradient;
      return out;
    }};

const method online_ipo{
    games, "online_ipo", [](const inputs& in, auto&& policy) {
      const matrix p = in.matrix("P");
      const auto game = zg::preference_matrix(p);
      const auto pi = log_policy_of(in.vector("theta")), mu = log_of(in.vector("mu"));
      const double tau = in.number("tau");
      std::vector<double> gradient(pi.size()), mixture(pi.size()), self_play(pi.size());
      results out;
      out["online_loss"] = zg::online_ipo(policy, game, pi, mu, exp_of(pi), gradient, {.kl_weight = tau});
      out["online_gradient"] = gradient;
      zg::policy_gradient(policy, game, pi, exp_of(pi), mu, self_play, {.kl_weight = tau});
      for (double& x : self_play) x *= -4 / tau;
      out["minus_4_over_tau_selfplay_pg"] = self_play;
      if (!in.has("mixture_beta")) return out;
      zg::anchor_step(policy, pi, mu, std::vector<double>(pi.size(), 0.0), mixture, zm::discard,
                      {.reference_weight = in.number("mixture_beta"), .step = 0});
      out["ipo_md_loss"] = zg::online_ipo(policy, game, pi, mu, exp_of(mixture), gradient, {.kl_weight = tau});
      out["ipo_md_gradient"] = gradient;
      return out;
    }};

const method egpo_loss{games, "egpo_loss", [](const inputs& in, auto&& policy) {
                         const matrix p = in.matrix("P");
                         const auto game = zg::preference_matrix(p);
                         const auto theta = in.vector("theta"), pi = log_policy_of(theta), mu = in.vector("mu"),
                                    log_mu = log_of(mu);
                         const double tau = in.number("tau"), n = static_cast<double>(p.rows);
                         zg::detail::require_log_policy("mu", zm::view(log_mu), p.rows, true);
                         if (!(tau > 0))
                           throw zm::domain_error("tau", zm::domain_error::whole, "expected a positive number");
                         std::vector<double> gradient(pi.size()), payoff(pi.size());
                         const auto against = [&](const std::vector<double>& opponent) {
                           zg::detail::require_policy("opponent", zm::view(opponent), p.rows);
                           game.win_rate(policy, opponent, payoff);
                           return zg::payoff_regression(policy, std::vector<double>(pi.size(), 1 / n), pi, log_mu,
                                                        payoff, gradient, {.step = 1 / tau});
                         };
                         results out;
                         if (in.has("opponent")) {
                           out["loss"] = against(in.vector("opponent"));
                           out["gradient"] = gradient;
                         }
                         if (!in.has("lr")) return out;
                         const double rate = in.number("lr");
                         out["equivalent_eta"] = 4 * rate / (n * tau);
                         const auto descended = [&](const std::vector<double>& opponent) {
                           against(opponent);
                           std::vector<double> next = theta;
                           for (std::size_t k = 0; k < next.size(); ++k) next[k] -= rate * gradient[k];
                           return exp_of(log_policy_of(next));
                         };
                         out["egpo_sgd_pi"] = descended(descended(exp_of(pi)));
                         return out;
                       }};

const method sample_rewards{games, "sample_rewards", [](const inputs& in) {
                              const matrix table = in.matrix("preference_table");
                              std::vector<double> spo(static_cast<std::size_t>(table.rows)), sppo(spo.size());
                              results out;
                              zg::sample_rewards(table, sppo, {.include_self = true});
                              out["sppo_win_rates"] = sppo;
                              if (!in.asks_for("spo_rewards")) return out;
                              zg::sample_rewards(table, spo);
                              out["spo_rewards"] = spo;
                              return out;
                            }};

}  // namespace
