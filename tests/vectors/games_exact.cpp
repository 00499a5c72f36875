// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <zermelo/bandit/regret.hpp>
#include <zermelo/game/gaps.hpp>
#include <zermelo/game/matrix_game.hpp>
#include <zermelo/game/max_entropy_nash.hpp>
#include <zermelo/game/regularized_equilibrium.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace game = zermelo::game;

constexpr const char* cluster = "games";

const method matrix_game_lp{cluster, "matrix_game_lp", [](const inputs& in) {
                              const matrix m = in.matrix("M");
                              const auto s = game::solve_matrix_game(m);
                              // Strategies in double miss the exact ones by a rounding error, times the payoffs.
                              double size = 1;
                              for (const double x : m.values) size = std::max(size, std::abs(x));
                              return results{{"value", s.value},
                                             {"gap_of_these", s.gap / size},
                                             {"a_row_strategy", one_of_several(s.gap / size)},
                                             {"a_col_strategy", one_of_several(s.gap / size)}};
                            }};

const method toy_games{cluster, "toy_games", [](const inputs& in) {
                         const matrix p = in.matrix("P");
                         const auto preferences = game::preference_matrix(p);
                         const auto s = game::nash_policy(preferences);
                         const auto table = zm::bandit::regrets_of(p, 1e-12);
                         std::vector<std::int64_t> support;
                         for (std::size_t i = 0; i < s.policy.size(); ++i)
                           if (s.policy[i] > 1e-9) support.push_back(static_cast<std::int64_t>(i));
                         const json certified = one_of_several(s.exploitability);
                         return results{{"nash", s.unique ? json(s.policy) : certified},
                                        {"value", 0.5 - s.exploitability},
                                        {"support", s.unique ? json(support) : certified},
                                        {"unique", s.unique},
                                        {"condorcet_winner", table.condorcet < 0 ? json() : json(table.condorcet)},
                                        {"copeland", table.copeland},
                                        {"borda", table.borda},
                                        {"max_entropy_nash", game::max_entropy_nash(preferences).policy}};
                       }};

const method regularized{
    cluster, "regularized_equilibrium", [](const inputs& in) {
      const matrix p = in.matrix("P");
      const auto preferences = game::preference_matrix(p);
      const auto r = game::regularized_equilibrium(preferences, in.vector("mu"), {.kl_weight = in.number("tau")});
      return results{{"pi", r.policy},
                     {"kl_to_mu", r.divergence},
                     {"unregularised_exploitability", game::exploitability(preferences, r.policy).exploitability}};
    }};

const method local_rate{cluster, "omd_local_rate", [](const inputs& in) {
                          const matrix p = in.matrix("P");
                          const auto preferences = game::preference_matrix(p);
                          const double tau = in.number("tau");
                          const auto r =
                              game::regularized_equilibrium(preferences, in.vector("mu"), {.kl_weight = tau});
                          const auto rates = game::local_rates_at(preferences, r.policy, {tau});
                          return results{{"lambda_max", rates.rotation},
                                         {"omd_max_stable_eta", rates.largest_stable_step()},
                                         {"omd_best_eta", rates.best_step()},
                                         {"omd_best_rate", rates.best_rate()}};
                        }};

const method bias{cluster, "nash_md_constant_step_bias", [](const inputs& in) {
                    const matrix p = in.matrix("P");
                    const auto preferences = game::preference_matrix(p);
                    const auto mu = in.vector("mu");
                    const game::equilibrium_parameters at{.kl_weight = in.number("tau")};
                    const auto r = game::nash_md_fixed_point(preferences, mu, in.number("eta"), at);
                    return results{
                        {"nash_md_fixed_point", r.policy},
                        {"its_mixture", r.mixture},
                        {"equivalent_tau_of_mixture", r.kl_weight_of_mixture},
                        {"true_regularised_nash", game::regularized_equilibrium(preferences, mu, at).policy}};
                  }};

}  // namespace
