// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <vector>
#include <zermelo/preference/general_preference.hpp>
#include <zermelo/preference/skew_embedding.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace zp = zermelo::preference;

constexpr const char* preference_models = "preference-models";

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

}  // namespace
