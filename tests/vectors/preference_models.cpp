// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <unordered_map>
#include <zermelo/core/statistics.hpp>
#include <zermelo/io/battles.hpp>
#include <zermelo/preference/bootstrap.hpp>
#include <zermelo/preference/bradley_terry.hpp>
#include <zermelo/preference/connectivity.hpp>
#include <zermelo/preference/inference.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
using namespace zermelo::preference;
namespace io = zermelo::io;

constexpr const char* cluster = "preference-models";

/// wins[n, n] and, where given, ties[n, n].
comparison_graph graph_of(const inputs& in) {
  const std::int64_t n = in.integer("n_items");
  const matrix wins = in.matrix("wins", n, n);
  return in.has("ties") ? graph_from_wins(wins, in.matrix("ties", n, n)) : graph_from_wins(wins);
}

std::vector<double> each(const std::vector<double>& x, auto f) {
  std::vector<double> out;
  for (const double value : x) out.push_back(f(value));
  return out;
}

struct item_totals {
  std::vector<double> wins, ties, games;
};

item_totals totals_of(const comparison_graph& g) {
  item_totals t;
  for (std::int64_t i = 0; i < g.items; ++i) {
    pair_record sum;
    for (std::int64_t j = 0; j < g.items; ++j) {
      const pair_record r = g.between(i, j);
      sum.wins += r.wins, sum.losses += r.losses, sum.ties += r.ties;
    }
    t.wins.push_back(sum.wins), t.ties.push_back(sum.ties), t.games.push_back(sum.wins + sum.losses + sum.ties);
  }
  return t;
}

const method bt_mle{cluster, "bt_mle", [](const inputs& in, auto&& policy) {
                      if (in.has("ties_as") && in.text("ties_as") != "half win each")
                        throw unsupported("ties as " + in.text("ties_as"));
                      const auto graph = graph_of(in);
                      const bradley_terry model;
                      const auto fitted = fit(policy, model, graph);
                      const auto sure = infer(policy, model, graph, fitted, {.level = 0.95});
                      return results{{"theta", fitted.strength},
                                     {"strength_geomean1", each(fitted.strength, [](double x) { return std::exp(x); })},
                                     {"log_likelihood", fitted.log_likelihood},
                                     {"information", rows(information(policy, model, graph, fitted), graph.items)},
                                     {"covariance", rows(sure.covariance, graph.items)},
                                     {"std_err", sure.standard_error},
                                     {"wald95_lower", sure.lower},
                                     {"wald95_upper", sure.upper},
                                     {"elo_scale", each(fitted.strength, elo_scale{})}};
                    }};

const method bt_existence{cluster, "bt_existence", [](const inputs& in) {
                            const auto parts = connectivity_of(graph_of(in));
                            return results{{"mle_exists", parts.has_maximum()},
                                           {"identifiable", parts.identifiable()},
                                           {"strong_components_winners_first", parts.strong_components},
                                           {"connected_components", parts.islands}};
                          }};

const method bt_iterations{cluster, "bt_iterations", [](const inputs& in, auto&& policy) {
                             if (in.has("start") && in.text("start") != "all ones")
                               throw unsupported("start: " + in.text("start"));
                             const auto graph = graph_of(in);
                             const std::pair<const char*, fit_method> sweeps[] = {
                                 {"mm_simultaneous", fit_method::mm},
                                 {"mm_cyclic", fit_method::mm_cyclic},
                                 {"newman_cyclic", fit_method::newman},
                                 {"newman_simultaneous", fit_method::newman_simultaneous},
                                 {"newman_simultaneous_log_averaged", fit_method::newman_parallel}};
                             results out;
                             for (const auto& sweep : sweeps) {
                               if (!in.asks_for(sweep.first)) continue;
                               const auto after = [&](std::int64_t count) {
                                 return fit(policy, bradley_terry{}, graph,
                                            {.method = sweep.second, .tolerance = 0, .max_iterations = count})
                                     .strength;
                               };
                               json by_count = json::object();
                               for (const std::string& count : in.keys(sweep.first))
                                 by_count[count] = after(std::stoll(count));
                               if (by_count.empty()) by_count["1"] = after(1);
                               out[sweep.first] = by_count;
                             }
                             return out;
                           }};

const method bt_inference{cluster, "bt_inference", [](const inputs& in, auto&& policy) {
                            const std::int64_t n = in.integer("n_items");
                            const matrix table = in.matrix("rows_i_j_y_count_weight", {}, 5);
                            const auto graph = count_battles(policy, id_column(table, 0), id_column(table, 1),
                                                             column(table, 2), column(table, 4), column(table, 3), n);
                            const bradley_terry model;
                            const auto fitted = fit(policy, model, graph);
                            const auto by_model = infer(policy, model, graph, fitted);
                            const auto robust =
                                infer(policy, model, graph, fitted, {.kind = covariance_kind::sandwich});
                            std::vector<double> anchored;
                            for (std::int64_t k = 0; k < n; ++k)
                              anchored.push_back(robust.variance_of_difference(k, 0));
                            results out{{"theta", fitted.strength},
                                        {"information", rows(information(policy, model, graph, fitted), n)},
                                        {"score_outer", rows(score_covariance(graph, fitted), n)},
                                        {"model_covariance", rows(by_model.covariance, n)},
                                        {"sandwich_covariance", rows(robust.covariance, n)},
                                        {"anchored_item_0_sandwich_var", anchored}};
                            if (n > 1) out["difference_0_1_model_var"] = by_model.variance_of_difference(0, 1);
                            return out;
                          }};

const method bt_bootstrap{cluster, "bt_bootstrap", [](const inputs& in, auto&& policy) {
                            const std::int64_t n = in.integer("n_items");
                            const matrix cells = in.matrix("outcome_cells_winner_loser", {}, 2);
                            const matrix counts = in.matrix("replicate_counts", {}, cells.rows);
                            const std::vector<outcome> won(static_cast<std::size_t>(cells.rows), outcome::first);
                            const auto drawn = bootstrap(policy, bradley_terry{}, n, id_column(cells, 0),
                                                         id_column(cells, 1), won, counts, 0.95);

                            // Replicates that have no finite estimate are null.
                            const auto kept = static_cast<std::int64_t>(drawn.kept.size());
                            json replicates(static_cast<std::size_t>(drawn.replicates), nullptr);
                            const json fitted = rows(drawn.strength, n);
                            for (std::size_t k = 0; k < drawn.kept.size(); ++k)
                              replicates[static_cast<std::size_t>(drawn.kept[k])] = fitted[k];
                            results out{{"replicate_theta", replicates},
                                        {"quantile_0.025", drawn.lower},
                                        {"median", drawn.median},
                                        {"quantile_0.975", drawn.upper}};
                            for (const std::string& key : in.keys())
                              if (const auto q = numbers_in(key, "quantile_#"); q && !out.contains(key)) {
                                const matrix strengths{.rows = kept, .columns = n, .values = drawn.strength};
                                for (std::int64_t i = 0; i < n; ++i) {
                                  auto sample = column(strengths, i);
                                  out[key].push_back(zermelo::quantile(sample, q->front()));
                                }
                              }
                            return out;
                          }};

const method bt_map{cluster, "bt_map", [](const inputs& in, auto&& policy) {
                      const auto graph = graph_of(in);
                      results out;
                      for (const std::string& key : in.keys()) {
                        bradley_terry model;
                        if (const auto p = numbers_in(key, "gaussian_precision_#"))
                          model.prior = gaussian_prior{.precision = p->at(0)};
                        else if (const auto q = numbers_in(key, "gamma_shape_#_rate_#"))
                          model.prior = gamma_prior{.shape = q->at(0), .rate = q->at(1)};
                        else if (const auto c = numbers_in(key, "phantom_item_#_wins_and_losses"))
                          model.prior = phantom_prior{.games = c->at(0)};
                        else
                          continue;
                        out[key] = fit(policy, model, graph).strength;
                      }
                      return out;
                    }};

const method ingestion{
    cluster, "ingestion", [](const inputs& in, auto&& policy) {
      if (in.text("format") != "arena_jsonl") throw unsupported("format " + in.text("format"));
      const auto table = io::read_battles(policy, in.text("text"),
                                          {.format = io::battle_format::jsonl, .on_error = io::error_policy::collect});
      json battles = json::array(), rejected = json::array();
      for (std::size_t k = 0; k < table.first.size(); ++k)
        battles.push_back({table.first[k], table.second[k], score(table.outcome[k])});
      for (const auto& line : table.rejected) rejected.push_back({line.line, line.reason});
      return results{
          {"items_in_order_of_appearance", table.items}, {"battles", battles}, {"rejected_line_reason", rejected}};
    }};

/// Half-win Bradley–Terry of a file of battles.
results fits_of_battles(const inputs& in, auto&& policy, io::battle_table table) {
  std::unordered_map<std::string, std::int32_t> index;
  for (const std::string& item : in.texts("items_sorted")) index.emplace(item, static_cast<std::int32_t>(index.size()));
  std::vector<std::int32_t> renamed;
  for (const std::string& item : table.items) renamed.push_back(index.at(item));
  for (auto* ids : {&table.first, &table.second})
    for (std::int32_t& id : *ids) id = renamed[static_cast<std::size_t>(id)];

  const auto n = static_cast<std::int64_t>(index.size());
  const auto graph = count_battles(policy, table.first, table.second, table.outcome, n);
  std::vector<std::int32_t> first, second;
  std::vector<outcome> won;
  for (std::size_t k = 0; k < table.outcome.size(); ++k)
    if (table.outcome[k] != outcome::tie)
      first.push_back(table.first[k]), second.push_back(table.second[k]), won.push_back(table.outcome[k]);
  const auto decisive = count_battles(policy, first, second, won, n);
  const auto decisive_parts = connectivity_of(decisive);

  const bradley_terry model;
  const auto fitted = fit(policy, model, graph);
  const auto by_model = infer(policy, model, graph, fitted);
  const auto robust = infer(policy, model, graph, fitted, {.kind = covariance_kind::sandwich});
  const auto totals = totals_of(graph);
  results out{{"strong_components_of_half_tie_graph", connectivity_of(graph).strong_components.size()},
              {"strong_components_of_decisive_graph", decisive_parts.strong_components.size()},
              {"bt_half_ties", results{{"theta", fitted.strength},
                                       {"log_likelihood", fitted.log_likelihood},
                                       {"model_std_err", by_model.standard_error},
                                       {"sandwich_std_err", robust.standard_error}}},
              {"win_counts", totals.wins},
              {"tie_counts", totals.ties},
              {"games", totals.games}};
  if (decisive_parts.has_maximum())
    out["bt_decisive_only"] = results{{"theta", fit(policy, model, decisive).strength}};
  else
    out["bt_decisive_only"] = nullptr;
  return out;
}

/// A season of home and away wins.
results fits_of_season(const inputs& in, auto&& policy, const io::battle_table& table) {
  const auto n = static_cast<std::int64_t>(table.items.size());
  const auto graph = table.weight.empty()
                         ? count_battles(policy, table.first, table.second, table.outcome, n)
                         : count_battles(policy, table.first, table.second, table.outcome, table.weight, n);
  const bradley_terry model;
  const auto fitted = fit(policy, model, graph);
  const auto sure = infer(policy, model, graph, fitted);
  const auto id_of = [&](const std::string& team) {
    const auto found = std::find(table.items.begin(), table.items.end(), team);
    if (found == table.items.end()) throw std::runtime_error("the file has no team '" + team + "'");
    return found - table.items.begin();
  };
  const std::int64_t anchor = id_of(in.text("anchor"));
  std::vector<double> theta, error;
  for (const std::string& team : in.texts("teams_sorted")) {
    const std::int64_t k = id_of(team);
    theta.push_back(fitted.strength[static_cast<std::size_t>(k)] - fitted.strength[static_cast<std::size_t>(anchor)]);
    error.push_back(std::sqrt(sure.variance_of_difference(k, anchor)));
  }
  return {{"theta_relative_to_anchor", theta}, {"std_err_relative_to_anchor", error}};
}

const method data_fits{
    cluster, "data_fits", [](const inputs& in, auto&& policy) {
      const std::string path = in.file("file").string();
      if (in.has("anchor"))
        return fits_of_season(
            in, policy,
            io::read_battles_file(
                policy, path,
                {.columns = {
                     .first = "home", .second = "away", .first_wins = "home_wins", .second_wins = "away_wins"}}));
      const auto outcomes = in.texts("outcomes");
      return fits_of_battles(
          in, policy,
          io::read_battles_file(
              policy, path,
              {.columns = {.first = in.text("item_column_1"),
                           .second = in.text("item_column_2"),
                           .outcome = in.text("outcome_column")},
               .labels = {.first = {outcomes.at(0)}, .second = {outcomes.at(1)}, .tie = {outcomes.at(2)}}}));
    }};

/// The generator of the vectors: SplitMix64, draw k.
double split_mix(std::uint64_t seed, std::uint64_t k) {
  std::uint64_t z = seed + (k + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

const method synthetic_arena{
    cluster, "synthetic_arena", [](const inputs& in, auto&& policy) {
      const std::int64_t n = in.integer("n_items"), m = in.integer("battles");
      const std::uint64_t seed = in.seed("seed");
      const double tie = in.number("tie"), spread = in.number("spread");
      std::vector<std::int32_t> first, second;
      std::vector<outcome> won;
      for (std::int64_t t = 0; t < m; ++t) {
        const auto draw = [&](std::uint64_t k) { return split_mix(seed, 4 * static_cast<std::uint64_t>(t) + k); };
        const auto a = static_cast<std::int32_t>(draw(0) * static_cast<double>(n));
        auto b = static_cast<std::int32_t>(draw(1) * static_cast<double>(n - 1));
        b += b >= a;
        const double p = zermelo::sigmoid((a - b) * 2 * spread / static_cast<double>(n - 1));
        first.push_back(a), second.push_back(b);
        won.push_back(draw(2) < tie ? outcome::tie : draw(3) < p ? outcome::first : outcome::second);
      }
      const auto graph = count_battles(policy, first, second, won, n);
      const auto totals = totals_of(graph);
      json beginning = json::array();
      for (std::size_t t = 0; t < first.size() && t < 10; ++t)
        beginning.push_back({first[t], second[t], static_cast<int>(2 * score(won[t]))});
      return results{{"first_ten_battles_a_b_outcome(2=a,1=tie,0=b)", beginning},
                     {"wins_per_item", totals.wins},
                     {"ties_per_item", totals.ties},
                     {"theta_half_ties", fit(policy, bradley_terry{}, graph).strength}};
    }};

}  // namespace
