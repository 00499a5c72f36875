// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/gaps.hpp>
#include <zermelo/game/inpo_population.hpp>
#include <zermelo/game/matrix_self_play.hpp>
#include <zermelo/game/simplex_projection.hpp>
#include <zermelo/game/solve.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace game = zermelo::game;

constexpr const char* cluster = "games";

std::vector<double> policy_or_uniform(const inputs& in, const char* name, std::int64_t n) {
  if (!in.has(name) || in.raw(name).is_string()) {
    if (in.has(name) && in.text(name) != "uniform") throw unsupported("policy " + in.text(name));
    return std::vector<double>(static_cast<std::size_t>(n), 1.0 / static_cast<double>(n));
  }
  return in.vector(name);
}

/// What is left of self-play after a number of rounds.
struct trace {
  game::solution<double> end;
  std::vector<std::vector<double>> memory;
};

template <class P, class D>
trace rounds(const inputs& in, P&& policy, const D& dynamics, std::int64_t steps, int memories = 0) {
  const matrix p = in.matrix("P");
  const auto preferences = game::preference_matrix(p);
  trace t;
  t.memory.resize(static_cast<std::size_t>(memories));
  const auto start = policy_or_uniform(in, "pi0", p.rows), mu = policy_or_uniform(in, "mu", p.rows);
  t.end = game::solve(policy, preferences, dynamics, start, mu,
                      {.limit = steps, .target = 0, .check_every = steps > 0 ? steps : 1}, [&](const auto& i) {
                        if (i.round == steps)
                          for (int k = 0; k < memories; ++k)
                            t.memory[static_cast<std::size_t>(k)].assign(i.memory(k).begin(), i.memory(k).end());
                      });
  return t;
}

/// A method of self-play: the dynamics of η and τ, and what of it is asked for.
template <class Make>
auto play(Make make) {
  return [make](const inputs& in, auto&& policy) {
    const auto t = rounds(in, policy, make(in.number("eta"), in.number("tau", 0)), in.integer("steps"));
    return results{{"pi", t.end.policy}};
  };
}
template <class Make>
auto play_half(Make make) {
  return [make](const inputs& in, auto&& policy) {
    const auto t = rounds(in, policy, make(in.number("eta"), in.number("tau", 0)), in.integer("steps"), 2);
    return results{{"pi", t.end.policy}, {"last_half_step", t.memory[1]}};
  };
}

const method hedge{cluster, "hedge_selfplay", play([](double eta, double) { return game::hedge{eta}; })};
const method omd{cluster, "omd_regularized", play([](double eta, double tau) {
                   return game::mirror_descent{eta, tau};
                 })};
const method mmd{cluster, "mmd", play([](double eta, double tau) { return game::magnetic_mirror_descent{eta, tau}; })};
const method optimistic{cluster, "optimistic_hedge",
                        play([](double eta, double) { return game::optimistic_hedge{eta}; })};
const method optimistic_regularized{cluster, "optimistic_hedge_regularized", play([](double eta, double tau) {
                                      return game::optimistic_hedge{eta, tau};
                                    })};
const method egpo{cluster, "egpo", play_half([](double eta, double tau) { return game::egpo{eta, tau}; })};
const method nash_mp{cluster, "nash_mp", play_half([](double eta, double tau) {
                       return game::nash_mirror_prox{eta, tau};
                     })};
const method mirror_prox{cluster, "mirror_prox", play_half([](double eta, double) { return game::mirror_prox{eta}; })};
const method extragradient{cluster, "extragradient_euclid",
                           play_half([](double eta, double) { return game::extragradient{eta}; })};

const method onpo{cluster, "onpo_two_step", [](const inputs& in, auto&& policy) {
                    const auto t = rounds(in, policy, game::onpo{in.number("eta")}, in.integer("steps"), 2);
                    return results{{"played", t.end.policy}, {"secondary", t.memory[1]}};
                  }};

const method nash_md{cluster, "nash_md", [](const inputs& in, auto&& policy) {
                       const double eta = in.number("eta"), tau = in.number("tau");
                       const game::nash_md dynamics{eta, tau};
                       const auto first = rounds(in, policy, dynamics, 1, 2);
                       const auto t = rounds(in, policy, dynamics, in.integer("steps"));
                       return results{{"pi", t.end.policy}, {"mixture_of_pi0", first.memory[1]}};
                     }};

const auto regret_matching = [](game::regret_rule rule) {
  return [rule](const inputs& in, auto&& policy) {
    const auto t = rounds(in, policy, game::regret_matching{.rule = rule}, in.integer("steps"), 1);
    return results{{"pi", t.end.policy}, {"average", t.end.average}, {"regret", t.memory[0]}};
  };
};
const method regret_plain{cluster, "regret_matching", regret_matching(game::regret_rule::plain)};
const method regret_plus{cluster, "regret_matching_plus", regret_matching(game::regret_rule::plus)};

const method regret_matrix{cluster, "regret_matching_matrix", [](const inputs& in, auto&& policy) {
                             const matrix m = in.matrix("M");
                             const auto r = game::play_matrix(
                                 policy, m,
                                 {.rule = in.flag("plus") ? game::regret_rule::plus : game::regret_rule::plain,
                                  .rounds = in.integer("T"),
                                  .alternating = in.flag("alternating"),
                                  .averaging_power = in.number("average_weight_power")});
                             return results{{"x", r.row_strategy},
                                            {"y", r.column_strategy},
                                            {"avg_x", r.row_average},
                                            {"avg_y", r.column_average},
                                            {"gap_avg", r.average_gap}};
                           }};

const method fictitious{cluster, "fictitious_play", [](const inputs& in, auto&& policy) {
                          const auto t = rounds(in, policy, game::fictitious_play{}, in.integer("steps"), 1);
                          return results{{"counts", t.memory[0]}, {"average", t.end.average}};
                        }};

const method projection{cluster, "simplex_projection", [](const inputs& in) {
                          const auto v = in.vector("v");
                          std::vector<double> p(v.size());
                          game::simplex_projection(v, p);
                          return results{{"projection", p}};
                        }};

const method exploitability{
    cluster, "exploitability", [](const inputs& in, auto&& policy) {
      const matrix p = in.matrix("P");
      const auto preferences = game::preference_matrix(p);
      const auto pi = in.vector("pi");
      const auto plain = game::exploitability(policy, preferences, pi);
      results out{{"exploitability", plain.exploitability},
                  {"duality_gap", plain.duality_gap()},
                  {"best_response_index", plain.best_response}};
      if (in.has("opponent"))
        out["win_rate_pi_vs_opponent"] = game::win_rate_between(policy, preferences, pi, in.vector("opponent"));
      if (in.has("tau")) {
        std::vector<double> best(pi.size());
        const auto soft = game::regularized_exploitability(policy, preferences, pi, policy_or_uniform(in, "mu", p.rows),
                                                           {in.number("tau")}, best);
        out["reg_exploitability"] = soft.exploitability;
        out["reg_duality_gap"] = soft.duality_gap();
        out["reg_best_response"] = best;
      }
      return out;
    }};

/// Rounds until the gap is 1e-3, 1e-6, 1e-9.
template <class D>
json counts_of(const inputs& in, const D& dynamics, std::int64_t cap) {
  const matrix p = in.matrix("P");
  const auto preferences = game::preference_matrix(p);
  json counts = {nullptr, nullptr, nullptr};
  constexpr double levels[] = {1e-3, 1e-6, 1e-9};
  game::solve(preferences, dynamics, policy_or_uniform(in, "pi0", p.rows), policy_or_uniform(in, "mu", p.rows),
              {.limit = cap, .target = levels[2], .check_growth = 0.01, .judged = game::judged::last},
              [&](const auto& i) {
                for (std::size_t k = 0; i.measured && k < 3; ++k)
                  if (counts[k].is_null() && i.gap <= levels[k]) counts[k] = i.round;
              });
  return counts;
}

const method demo_table{cluster, "demo_table", [](const inputs& in) {
                          results out;
                          const std::int64_t cap = in.has("cap") ? in.integer("cap") : 100000;
                          for (const std::string& key : in.keys()) {
                            const auto bar = key.find('|');
                            const std::string name = key.substr(0, bar);
                            const auto numbers = numbers_in(key, name + "|step=#|tau=#");
                            if (!numbers) continue;
                            const double step = (*numbers)[0], tau = (*numbers)[1];
                            const auto count = [&](const auto& dynamics) { out[key] = counts_of(in, dynamics, cap); };
                            if (name == "hedge") count(game::hedge{step});
                            if (name == "omwu") count(game::optimistic_hedge{step, tau});
                            if (name == "mirrorprox") count(game::mirror_prox{step});
                            if (name == "ogda") count(game::optimistic_gradient{step});
                            if (name == "eg_euclid") count(game::extragradient{step});
                            if (name == "prm+") count(game::regret_matching{game::regret_rule::predictive});
                            if (name == "omd") count(game::mirror_descent{step, tau});
                            if (name == "mmd") count(game::magnetic_mirror_descent{step, tau});
                            if (name == "egpo") count(game::egpo{step, tau});
                            if (name == "nash_mp") count(game::nash_mirror_prox{step, tau});
                            if (name == "nash_md") count(game::nash_md{step, tau});
                          }
                          return out;
                        }};

const method inpo_population{
    cluster, "inpo_population", [](const inputs& in, auto&& policy) {
      const matrix p = in.matrix("P");
      const auto preferences = game::preference_matrix(p);
      const auto theta = in.vector("theta"), before = in.vector("pi_t"), mu = in.vector("mu");
      const game::inpo_population_parameters at{in.number("eta"), in.number("tau", 0)};
      std::vector<double> gradient(theta.size()), best(theta.size()), logits;
      const double loss = game::inpo_population(policy, preferences, theta, before, mu, at, gradient, best);
      for (const double x : best) logits.push_back(std::log(x));
      return results{{"loss", loss},
                     {"gradient", gradient},
                     {"minimizer", best},
                     {"loss_at_minimizer", game::inpo_population(policy, preferences, logits, before, mu, at)}};
    }};

// The same dynamics under the names of the alignment losses.
const method inpo_tabular{
    "alignment-losses", "inpo_tabular", [](const inputs& in, auto&& policy) {
      const matrix p = in.matrix("preference");
      const double tau = in.number("tau");
      const std::string schedule = in.has("schedule") ? in.text("schedule") : "constant";
      if (schedule != "constant" && schedule != "tau_t") throw unsupported("schedule " + schedule);
      const std::int64_t steps = in.integer("steps");
      const auto record = in.integers("record");
      const auto init = in.vector("init"), whole_ref = in.vector("ref");
      // Arms that the reference never plays are never played: the game is that of the others.
      std::vector<std::size_t> arms;
      for (std::size_t k = 0; k < whole_ref.size(); ++k)
        if (whole_ref[k] != 0 || static_cast<std::int64_t>(whole_ref.size()) != p.rows) arms.push_back(k);
      matrix table = p;
      std::vector<double> ref = whole_ref, start = init;
      if (arms.size() < whole_ref.size()) {
        game::preference_matrix(p);
        table = {static_cast<std::int64_t>(arms.size()), static_cast<std::int64_t>(arms.size()), {}};
        ref.clear(), start.clear();
        for (const std::size_t k : arms) {
          ref.push_back(whole_ref[k]), start.push_back(init.at(k));
          for (const std::size_t j : arms) table.values.push_back(p.values[k * whole_ref.size() + j]);
        }
      }
      const auto preferences = game::preference_matrix(table);
      const auto spread = [&](const std::vector<double>& pi) {
        std::vector<double> all(whole_ref.size());
        for (std::size_t k = 0; k < arms.size(); ++k) all[arms[k]] = pi[k];
        return all;
      };
      std::vector<double> gaps(record.size()), recorded(record.size() * init.size()), sum = start;
      const auto note = [&](std::int64_t round, const std::vector<double>& pi) {
        for (std::size_t r = 0; r < record.size(); ++r)
          if (record[r] == round) {
            const auto all = spread(pi);
            std::copy(all.begin(), all.end(), recorded.begin() + static_cast<std::ptrdiff_t>(r * init.size()));
            gaps[r] = game::regularized_exploitability(policy, preferences, pi, ref, {tau}).duality_gap();
          }
      };
      game::solve(policy, preferences,
                  game::inpo{.inverse_step = schedule == "constant" ? in.number("eta") : 0, .kl_weight = tau}, start,
                  ref, {.limit = steps, .target = 0, .check_every = steps + 1}, [&](const auto& i) {
                    if (i.round == 1) note(0, start);
                    note(i.round, {i.policy.begin(), i.policy.end()});
                    for (std::size_t k = 0; k < sum.size() && i.round < steps; ++k) sum[k] += i.policy[k];
                  });
      for (double& x : sum) x /= static_cast<double>(steps);
      const auto average = game::regularized_exploitability(policy, preferences, sum, ref, {tau});
      return results{{"recorded", rows(recorded, static_cast<std::int64_t>(init.size()))},
                     {"duality_gap", gaps},
                     {"average_policy", spread(sum)},
                     {"average_gap", average.duality_gap()}};
    }};

}  // namespace
