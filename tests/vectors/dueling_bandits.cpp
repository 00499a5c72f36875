// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <string>
#include <zermelo/bandit/apohf.hpp>
#include <zermelo/bandit/beat_the_mean.hpp>
#include <zermelo/bandit/confidence_bounds.hpp>
#include <zermelo/bandit/contextual_dueling.hpp>
#include <zermelo/bandit/double_thompson.hpp>
#include <zermelo/bandit/interleaved_filter.hpp>
#include <zermelo/bandit/regret.hpp>
#include <zermelo/bandit/rmed.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
using namespace zermelo::bandit;

constexpr const char* cluster = "games";

json arms(duel d) { return json::array({d.first, d.second}); }

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Draws of an adaptor whose method has none.
struct no_draws {
  double uniform() { throw std::logic_error("nothing is drawn here"); }
};

/// Duels of `history`, and who won: by `y`, or, where it is not there, the first.
duel_tally tally_of_history(const inputs& in, std::int64_t n) {
  const json& history = in.raw("history");
  const bool labelled = in.has("y");
  const std::vector<double> won = labelled ? in.vector("y") : std::vector<double>{};
  if (labelled && won.size() != history.size())
    throw zermelo::shape_error("y", "must have one element a duel of the history");
  duel_tally tally = empty_tally(n);
  if (history.empty()) return tally;
  const matrix pairs = in.matrix("history", {}, 2);
  const auto first = id_column(pairs, 0), second = id_column(pairs, 1);
  for (std::size_t k = 0; k < first.size(); ++k) {
    if (labelled && won[k] != 0 && won[k] != 1)
      throw zermelo::domain_error("y", static_cast<std::int64_t>(k), "must be 0 or 1");
    tally.record(first[k], second[k], !labelled || won[k] == 1);
  }
  return tally;
}

const method dueling_regrets{
    cluster, "dueling_regrets", [](const inputs& in) {
      const matrix p = in.matrix("P");
      const auto table = in.has("von_neumann_winner") ? regrets_of(p, in.vector("von_neumann_winner")) : regrets_of(p);
      const auto r = table(in.integer("i"), in.integer("j"));
      results out{{"copeland", r.copeland}, {"borda", r.borda}};
      if (r.strong_condorcet) {
        out["strong_condorcet_avg"] = *r.strong_condorcet;
        out["strong_condorcet_max"] = *r.strong_condorcet_max;
        out["weak_condorcet"] = *r.weak_condorcet;
      } else {
        out["strong_condorcet_avg"] = out["strong_condorcet_max"] = out["weak_condorcet"] = nullptr;
      }
      if (r.von_neumann) out["von_neumann"] = *r.von_neumann;
      return out;
    }};

const method rucb_bounds{
    cluster, "rucb_bounds", [](const inputs& in) {
      const auto tally = tally_of(in.matrix("wins"));
      const confidence_bounds b{.alpha = in.number("alpha", confidence_bounds{}.alpha)};
      const std::int64_t t = in.integer("t"), n = tally.items;
      std::vector<double> upper(at(n * n)), lower(at(n * n));
      bounds(b, tally, t, upper, lower);
      return results{{"U", rows(upper, n)}, {"L", rows(lower, n)}, {"candidates", may_beat_all(b, tally, t)}};
    }};

const method double_ts{cluster, "double_ts", [](const inputs& in) {
                         const auto tally = tally_of(in.matrix("wins"));
                         const std::int64_t n = tally.items, t = in.integer("t");
                         const confidence_bounds b{.alpha = in.number("alpha", confidence_bounds{}.alpha)};
                         const matrix theta = in.matrix("theta1", n, n);
                         const auto second = in.vector("theta2_column");
                         if (static_cast<std::int64_t>(second.size()) != n)
                           throw zermelo::shape_error("theta2_column", "must have one element an arm");
                         const auto candidates = may_beat_most(b, tally, t);
                         std::vector<std::int64_t> counts(at(n)), ties;
                         sampled_copeland(theta.values, counts);
                         most_sampled(candidates, counts, ties);
                         const std::int64_t choice = least_regret_per_information(theta.values, counts, ties);
                         return results{
                             {"candidates", candidates},
                             {"sampled_copeland_counts", counts},
                             {"first_arm_ties", ties},
                             {"second_arm", double_thompson_second_arm(b, tally, t, in.integer("a1_used"), second)},
                             {"plus_choice", choice},
                             {"plus_regret", regret_per_information(theta.values, counts, choice)}};
                       }};

const method rmed_{cluster, "rmed", [](const inputs& in) {
                     const auto tally = tally_of(in.matrix("wins"));
                     const std::int64_t n = tally.items;
                     const auto evidence = empirical_divergence(tally);
                     const std::int64_t winner = zermelo::bandit::detail::index_of_least(evidence, n);
                     json one = json::array(), two = json::array();
                     for (std::int64_t l = 0; l < n; ++l) {
                       one.push_back(rmed1_opponent(tally, winner, l));
                       const std::int64_t b = rmed2_opponent(tally, winner, l);
                       two.push_back(b < 0 ? json(nullptr) : json(b));
                     }
                     const double f = in.number("f", rmed_parameters{}.f(n));
                     return results{{"I", evidence},
                                    {"istar", winner},
                                    {"plausible", plausible_arms(evidence, in.integer("t"), f)},
                                    {"opponent_rmed1", one},
                                    {"bstar_rmed2", two}};
                   }};

const method interleaved{cluster, "interleaved_filter", [](const inputs& in) {
                           interleaved_filter filter(in.integer("K"), in.integer("T"),
                                                     in.has("start") ? in.integer("start") : 0);
                           no_draws none;
                           std::int64_t used = 0;
                           for (const double won : in.vector("outcomes_champion_wins")) {
                             if (won != 0 && won != 1)
                               throw zermelo::domain_error("outcomes_champion_wins", used, "must be 0 or 1");
                             if (filter.remaining.empty()) break;
                             const duel d = filter.next_pair(none);
                             filter.observe(d.first, d.second, won == 1);
                             ++used;
                           }
                           return results{{"champion", filter.champion},
                                          {"remaining", filter.remaining},
                                          {"duels_used", used},
                                          {"delta", filter.confidence()}};
                         }};

const method btm{cluster, "btm", [](const inputs& in) {
                   const std::int64_t n = in.integer("K");
                   const matrix wins = in.matrix("focal_wins", n, n), duels = in.matrix("focal_duels", n, n);
                   std::vector<std::int64_t> active;
                   if (in.has("active")) active = in.integers("active");
                   for (std::int64_t i = 0; !in.has("active") && i < n; ++i) active.push_back(i);
                   const beat_the_mean_parameters p{
                       .gamma = in.number("gamma", beat_the_mean_parameters{}.gamma),
                       .horizon = in.has("T") ? in.integer("T") : beat_the_mean_parameters{}.horizon};
                   beat_the_mean state(n, p);
                   state.focal_wins = wins.values;
                   state.focal_duels = duels.values;
                   state.active = active;
                   std::vector<double> share;
                   const auto test = state.test(share);
                   return results{{"drop", test.drop < 0 ? json(nullptr) : json(active[at(test.drop)])},
                                  {"phat", share},
                                  {"radius", test.radius}};
                 }};

const method contextual{
    cluster, "contextual_dueling", [](const inputs& in) {
      const auto x = features_of(in.matrix("X"));
      const auto tally = tally_of_history(in, x.arms);
      const double ridge = in.number("lambda", contextual_parameters{}.ridge);
      const double beta = in.has("beta") ? in.number("beta") : contextual_parameters{}.bonus(x.dimensions);
      if (!(beta >= 0)) throw zermelo::domain_error("beta", zermelo::domain_error::whole, "must not be negative");
      const auto fit = fit_utilities(x, tally, ridge);
      const auto v = design_matrix(x, tally, ridge);
      const auto norms = norms_of(x, v);
      const auto utility = [&](std::int64_t i) { return zermelo::bandit::detail::dot(fit.weights, x.row(i)); };
      const auto pair_norm = [&](std::int64_t i, std::int64_t j) { return norms.pair[at(i * x.arms + j)]; };
      std::vector<std::int64_t> candidates;
      arms_that_may_be_best(x.arms, beta, utility, pair_norm, candidates);
      results out{{"theta_mle", fit.weights},
                  {"V", rows(v, x.dimensions)},
                  {"pair_norm", rows(norms.pair, x.arms)},
                  {"max_first_ucb_next", arms(max_first_ucb_next(x.arms, beta, utility, pair_norm))},
                  {"max_pair_ucb", arms(max_pair_ucb(x.arms, beta, utility, pair_norm))},
                  {"max_inp", arms(max_inp(candidates, pair_norm))},
                  {"max_inp_candidates", candidates}};
      if (in.has("colstim_perturbation")) {
        const auto noise = in.vector("colstim_perturbation");
        if (static_cast<std::int64_t>(noise.size()) != x.arms)
          throw zermelo::shape_error("colstim_perturbation", "must have one element an arm");
        out["colstim"] = arms(colstim(
            x.arms, beta, utility, pair_norm, [&](std::int64_t i) { return norms.arm[at(i)]; },
            [&](std::int64_t i) { return noise[at(i)]; }));
      }
      return out;
    }};

const method apohf_{
    cluster, "apohf", [](const inputs& in) {
      const auto x = features_of(in.matrix("X"));
      const perceptron net{.widths = in.integers("mlp_dims"), .weights = in.vector("mlp_theta")};
      const auto theta = in.vector("linear_theta");
      if (static_cast<std::int64_t>(theta.size()) != x.dimensions)
        throw zermelo::shape_error("linear_theta", "must have one element a dimension");
      const auto tally = tally_of_history(in, x.arms);
      const apohf_parameters p{
          .norm = !in.has("diagonal") || in.flag("diagonal") ? uncertainty_norm::diagonal : uncertainty_norm::full,
          .ridge = in.number("lambda", apohf_parameters{}.ridge),
          .exploration = in.number("nu", apohf_parameters{}.exploration)};
      p.require_valid();
      const auto learnt = rewards_and_gradients(net, x);
      const auto neural =
          apohf_choose(learnt.first, learnt.second, feature_differences(learnt.second, x.arms, tally), p);
      std::vector<double> reward;
      for (std::int64_t i = 0; i < x.arms; ++i) reward.push_back(zermelo::bandit::detail::dot(theta, x.row(i)));
      const auto linear = apohf_choose(reward, x.values, feature_differences(x.values, x.arms, tally), p);
      const std::int64_t reported = best_of_met(learnt.first, tally);
      return results{{"mlp_out", learnt.first},
                     {"mlp_grad_first_row",
                      std::vector<double>(learnt.second.begin(),
                                          learnt.second.begin() + static_cast<std::ptrdiff_t>(net.weights.size()))},
                     {"neural_arms", arms(neural.arms)},
                     {"neural_sigma", neural.uncertainty},
                     {"linear_arms", arms(linear.arms)},
                     {"linear_sigma", linear.uncertainty},
                     {"reported_arm_neural", reported < 0 ? json(nullptr) : json(reported)}};
    }};

}  // namespace
