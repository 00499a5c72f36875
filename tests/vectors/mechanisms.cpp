// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <string>
#include <utility>
#include <vector>
#include <zermelo/game/debate.hpp>
#include <zermelo/game/hiring.hpp>
#include <zermelo/game/sequence_form.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
using namespace zermelo::game;

constexpr const char* cluster = "games";

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A list of numbers below an input; what is none cannot be passed to the library, which would refuse it.
std::vector<double> numbers(const json& list, const char* name) {
  if (!list.is_array()) throw zermelo::shape_error(name, "expected a list of numbers");
  std::vector<double> out;
  for (const json& x : list) {
    if (x.is_number())
      out.push_back(x.get<double>());
    else if (x.is_null() || x == "nan" || x == "inf" || x == "-inf")
      out.push_back(x == "inf" ? HUGE_VAL : x == "-inf" ? -HUGE_VAL : std::nan(""));
    else
      throw zermelo::domain_error(name, static_cast<std::int64_t>(out.size()), "is no number");
  }
  return out;
}

/// "1,0"
std::string key_of(const hiring_problem& p, std::int64_t b) {
  std::string key;
  for (std::int64_t i = 0; i < p.agents(); ++i) key += (i ? "," : "") + std::to_string(p.effort_of(b, i));
  return key;
}

hiring_problem problem_of(const inputs& in) {
  hiring_problem p{.efforts = in.integers("efforts"), .signals = in.integers("signals"), .prior = in.vector("prior")};
  if (p.efforts.empty() || p.signals.size() != p.efforts.size())
    throw zermelo::shape_error("signals", "as many as efforts");
  for (const auto* counts : {&p.efforts, &p.signals})
    for (const std::int64_t c : *counts)
      if (c < 1) throw zermelo::domain_error("efforts", zermelo::domain_error::whole, "at least one each");
  const std::int64_t n = p.agents(), joint = p.signal_profiles(), states = p.states();
  std::vector<std::int64_t> order(at(joint));
  for (std::int64_t s = 0; s < joint; ++s) order[at(s)] = s;
  if (in.has("signal_profile_order")) {
    const matrix given = in.matrix("signal_profile_order", joint, n);
    for (std::int64_t s = 0; s < joint; ++s) {
      order[at(s)] = 0;
      for (std::int64_t i = 0; i < n; ++i)
        order[at(s)] = order[at(s)] * p.signals[at(i)] + static_cast<std::int64_t>(given.values[at(s * n + i)]);
      if (order[at(s)] < 0 || order[at(s)] >= joint)
        throw zermelo::domain_error("signal_profile_order", s, "no profile");
    }
  }
  const json& law = in.raw("signal_law");
  for (std::int64_t b = 0; b < p.profiles(); ++b) {
    if (!law.contains(key_of(p, b))) throw zermelo::shape_error("signal_law", "has no law for efforts " + key_of(p, b));
    const json& rows = law[key_of(p, b)];
    if (static_cast<std::int64_t>(rows.size()) != states)
      throw zermelo::shape_error("signal_law", "must have a row a state");
    for (std::int64_t theta = 0; theta < states; ++theta) {
      const auto given = numbers(rows[at(theta)], "signal_law");
      if (static_cast<std::int64_t>(given.size()) != joint)
        throw zermelo::shape_error("signal_law", "must have a column a joint signal");
      std::vector<double> row(at(joint));
      for (std::int64_t s = 0; s < joint; ++s) row[at(order[at(s)])] = given[at(s)];
      p.law.insert(p.law.end(), row.begin(), row.end());
    }
  }
  for (const json& costs : in.raw("cost")) p.cost.push_back(numbers(costs, "cost"));
  p.utility = in.matrix("utility_action_state", {}, states).values;
  p.payment_limit = in.number("M");
  return p;
}

const method hiring_lp{cluster, "hiring_lp", [](const inputs& in) {
                         const hiring_problem p = problem_of(in);
                         const auto best = optimal_mechanism(p);
                         if (best.outcome != program_outcome::optimal) throw zermelo::error("no optimum was found");
                         if (deviation_gain(p, best) > 1e-9) throw zermelo::error("not incentive compatible");
                         json decisions = json::object(), alone = json::object();
                         for (std::int64_t b = 0; b < p.profiles(); ++b) {
                           decisions[key_of(p, b)] = decision_value(p, b);
                           if (!in.asks_for("value_if_only_this_profile")) continue;
                           const auto m = optimal_mechanism(p, {.only_profile = b});
                           alone[key_of(p, b)] =
                               m.outcome == program_outcome::infeasible ? json(nullptr) : json(m.value);
                         }
                         return results{{"optimal_value", best.value},
                                        {"decision_value_of_profile", decisions},
                                        {"value_if_only_this_profile", alone}};
                       }};

const method debate_game{
    cluster, "debate_game", [](const inputs& in, auto&& policy) {
      const auto judge = judge_of(in.matrix("scores"));
      const std::int64_t d = judge.features, length = in.integer("L");
      const auto solved = [&](debate_payoff payoff, bool second_starts) {
        const auto r =
            solve_debate(policy, judge, d, {.length = length, .payoff = payoff, .second_starts = second_starts});
        return json{{"value", r.value}, {"line", r.line}};
      };
      results out{{"sign", solved(debate_payoff::sign, false)},
                  {"margin", solved(debate_payoff::margin, false)},
                  {"margin_second_starts", solved(debate_payoff::margin, true)}};
      if (in.asks_for("upfront_margin_value") && length % 2 == 0)
        out["upfront_margin_value"] =
            solve_upfront_debate(judge, d, {.length = length, .payoff = debate_payoff::margin}).value;
      return out;
    }};

treeplex tree_of(const json& sets, std::int64_t sequences) {
  treeplex t{.sequences = sequences};
  for (const json& set : sets) {
    information_set to;
    if (!set.contains("parent") || !set["parent"].is_number_integer() || !set.contains("children"))
      throw zermelo::domain_error("tree", static_cast<std::int64_t>(t.sets.size()), "a set has a parent and children");
    to.parent = set["parent"].get<std::int64_t>();
    for (const double c : numbers(set["children"], "children")) {
      if (c != std::floor(c))
        throw zermelo::domain_error("children", zermelo::domain_error::whole, "are whole numbers");
      to.children.push_back(static_cast<std::int64_t>(c));
    }
    t.sets.push_back(std::move(to));
  }
  return t;
}

const method sequence_form{cluster, "sequence_form", [](const inputs& in) {
                             const matrix payoff = in.matrix("payoff");
                             if (in.raw("tree").size() != 2) throw zermelo::shape_error("tree", "of two players");
                             const sequence_game g{.first = tree_of(in.raw("tree").at(0), payoff.rows),
                                                   .second = tree_of(in.raw("tree").at(1), payoff.columns),
                                                   .payoff = payoff.values};
                             const auto s = in.has("alpha") ? solve_regularized_sequence_form(g, in.number("alpha"))
                                                            : solve_sequence_form(g);
                             return results{{"value", s.value}, {"x", s.x}, {"y", s.y}};
                           }};

}  // namespace
