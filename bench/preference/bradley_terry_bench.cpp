// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// From battles to strengths with intervals. Every group of rows has its baseline beside it; labels say what is aimed at.
///
/// Rows of a million items run once and need 2 GB; those that end in /slow (conjugate gradients with the diagonal, where
/// they crawl) take minutes: --benchmark_filter=-slow leaves them out. `peak_GB` is the largest the process was during
/// the row, with its input.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 intrinsics, inlined into Eigen
#endif
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tournament.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/laplacian.hpp"
#include "zermelo/io/battles.hpp"
#include "zermelo/preference/bootstrap.hpp"
#include "zermelo/preference/bradley_terry.hpp"
#include "zermelo/preference/inference.hpp"

namespace {

namespace pr = zermelo::preference;
using std::int64_t;
using tournament::z;
using preconditioner = zermelo::laplacian_preconditioner;

constexpr int64_t items = 100, ten_million = 10'000'000;
constexpr double ties = 0.2;
const pr::bradley_terry model{};

// Ten million battles between a hundred items.

template <class Id>
const tournament::battle_list<Id>& battles() {
  static const auto list = tournament::battles<Id>(items, ten_million, ties);
  return list;
}

const std::string& text() {
  static const std::string csv = tournament::csv(battles<std::int32_t>(), items);
  return csv;
}

const pr::comparison_graph& graph() {
  static const auto counted = [] {
    const auto& b = battles<std::int32_t>();
    return pr::count_battles(b.first, b.second, b.outcomes, items);
  }();
  return counted;
}

const pr::bradley_terry_fit& fitted() {
  static const auto result = pr::fit(model, graph());
  return result;
}

template <class Id>
[[gnu::noinline]] void tally(const Id* first, const Id* second, const pr::outcome* who, int64_t count,
                             std::uint32_t* table) {
  for (int64_t k = 0; k < count; ++k)
    ++table[(static_cast<int64_t>(first[k]) * items + static_cast<int64_t>(second[k])) * 4 +
            static_cast<int64_t>(who[k])];
}

template <class Id>
void bare_tally(benchmark::State& state) {
  const auto& b = battles<Id>();
  std::vector<std::uint32_t> table(z(items * items * 4));
  for (auto _ : state) {
    std::fill(table.begin(), table.end(), 0);
    tally(b.first.data(), b.second.data(), b.outcomes.data(), ten_million, table.data());
    benchmark::DoNotOptimize(table.data());
  }
  state.SetItemsProcessed(state.iterations() * ten_million);
  state.SetLabel("no checks");
}

template <class Id>
void count(benchmark::State& state) {
  const auto& b = battles<Id>();
  for (auto _ : state) benchmark::DoNotOptimize(pr::count_battles(b.first, b.second, b.outcomes, items).battles);
  state.SetItemsProcessed(state.iterations() * ten_million);
}

void fit_counts(benchmark::State& state) {
  pr::bradley_terry_fit result;
  for (auto _ : state) {
    result = pr::fit(model, graph());
    benchmark::DoNotOptimize(result.strength.data());
  }
  state.counters["steps"] = static_cast<double>(result.convergence.iterations);
  state.counters["residual"] = result.convergence.residual;
}

void infer_wald(benchmark::State& state) {
  const auto& f = fitted();
  for (auto _ : state) benchmark::DoNotOptimize(pr::infer(model, graph(), f).standard_error.data());
}

template <class Id>
void ids_to_intervals(benchmark::State& state) {
  const auto& b = battles<Id>();
  for (auto _ : state) {
    const auto counted = pr::count_battles(b.first, b.second, b.outcomes, items);
    const auto result = pr::fit(model, counted);
    benchmark::DoNotOptimize(pr::infer(model, counted, result).standard_error.data());
  }
  state.SetItemsProcessed(state.iterations() * ten_million);
  state.SetLabel("aim 15 ms");
}

void read_the_bytes(benchmark::State& state) {
  const std::string& csv = text();
  const char* end = csv.data() + csv.size();
  for (auto _ : state) {
    int64_t lines = 0;
    for (const char* p = csv.data(); p != end; ++p, ++lines)
      p = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
    std::uint64_t sum = 0;
    for (std::size_t k = 0; k + 8 <= csv.size(); k += 8) {
      std::uint64_t word;
      std::memcpy(&word, csv.data() + k, sizeof word);
      sum += word;
    }
    benchmark::DoNotOptimize(lines + static_cast<int64_t>(sum >> 1));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(csv.size()));
  state.SetLabel("lines by memchr, sum of the words");
}

template <class... Policy>
void csv_to_intervals(benchmark::State& state, Policy&... policy) {
  const std::string& csv = text();
  for (auto _ : state) {
    tournament::dense_counter counter(items);
    const auto summary = zermelo::io::stream_battles(policy..., csv, counter);
    const auto counted = counter.graph(static_cast<int64_t>(summary.items.size()));
    const auto result = pr::fit(model, counted);
    benchmark::DoNotOptimize(pr::infer(model, counted, result).standard_error.data());
    if (summary.battles != ten_million) state.SkipWithError("lines were lost");
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(csv.size()));
  state.SetLabel("aim 600 ms, then 400");
}

void csv_to_table_to_intervals(benchmark::State& state) {
  const std::string& csv = text();
  for (auto _ : state) {
    const auto table = zermelo::io::read_battles(csv);
    const auto counted =
        pr::count_battles(table.first, table.second, table.outcome, static_cast<int64_t>(table.items.size()));
    const auto result = pr::fit(model, counted);
    benchmark::DoNotOptimize(pr::infer(model, counted, result).standard_error.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(csv.size()));
}

void csv_to_intervals_on_one_core(benchmark::State& state) { csv_to_intervals(state); }
void csv_to_intervals_on_threads(benchmark::State& state) {
  const zermelo::threads policy(2);
  csv_to_intervals(state, policy);
}

template <class Policy>
void bootstrap_on(benchmark::State& state, const Policy& policy, const pr::comparison_graph& g, int64_t replicates) {
  const auto start = pr::fit(model, g);
  pr::bootstrap_result result;
  std::uint64_t seed = 0;
  for (auto _ : state)
    result = pr::bootstrap(policy, model, g, start, {.replicates = replicates, .seed = seed++, .level = 0.95});
  state.counters["kept"] = static_cast<double>(result.kept.size());
  state.counters["not_converged"] = static_cast<double>(result.not_converged);
}

void bootstrap_1000_on_one_core(benchmark::State& state) { bootstrap_on(state, zermelo::simd{}, graph(), 1000); }
void bootstrap_1000_on_two_threads(benchmark::State& state) {
  bootstrap_on(state, zermelo::threads(2), graph(), 1000);
  state.SetLabel("aim 250 ms");
}
void twenty_cold_fits(benchmark::State& state) {
  for (auto _ : state)
    for (int k = 0; k < 20; ++k) benchmark::DoNotOptimize(pr::fit(model, graph()).strength.data());
  state.SetLabel("one core; 50 times this is the baseline of a bootstrap of 1000, without the draws");
}

constexpr auto ms = benchmark::kMillisecond;

BENCHMARK(bare_tally<std::int16_t>)->Unit(ms);
BENCHMARK(bare_tally<std::int32_t>)->Unit(ms);
BENCHMARK(bare_tally<int64_t>)->Unit(ms);
BENCHMARK(count<std::int16_t>)->Unit(ms);
BENCHMARK(count<std::int32_t>)->Unit(ms);
BENCHMARK(count<int64_t>)->Unit(ms);
BENCHMARK(fit_counts)->Unit(ms);
BENCHMARK(infer_wald)->Unit(ms);
BENCHMARK(ids_to_intervals<std::int16_t>)->Unit(ms);
BENCHMARK(ids_to_intervals<std::int32_t>)->Unit(ms);
BENCHMARK(ids_to_intervals<int64_t>)->Unit(ms);
BENCHMARK(read_the_bytes)->Unit(ms)->MinTime(1);
BENCHMARK(csv_to_intervals_on_one_core)->Unit(ms)->MinTime(2);
BENCHMARK(csv_to_intervals_on_threads)->Unit(ms)->MinTime(2)->UseRealTime()->MeasureProcessCPUTime();
BENCHMARK(csv_to_table_to_intervals)->Unit(ms)->MinTime(2);
BENCHMARK(twenty_cold_fits)->Unit(ms);
BENCHMARK(bootstrap_1000_on_one_core)->Unit(ms)->MinTime(1);
BENCHMARK(bootstrap_1000_on_two_threads)->Unit(ms)->MinTime(1)->UseRealTime()->MeasureProcessCPUTime();

// Methods.

pr::comparison_graph counted_battles(int64_t n, int64_t battles_, double tied, double width) {
  const auto list = tournament::battles<std::int32_t>(n, battles_, tied, width);
  return pr::count_battles(list.first, list.second, list.outcomes, n);
}

/// Every pair of 84 players meets 51 times; the best win nearly always.
pr::comparison_graph round_robin() {
  const auto r = tournament::records(84, 41, 41, true, 51, 8);
  return pr::graph_from_records(r.first, r.second, r.wins, r.losses, r.items);
}

/// Items meet 6 neighbours, 20 games each: what sweeps learn of the ends travels slowly.
pr::comparison_graph chain() {
  const auto r = tournament::records(300, 3, 3, false, 20, 1);
  return pr::graph_from_records(r.first, r.second, r.wins, r.losses, r.items);
}

void fit_by(benchmark::State& state, const std::function<const pr::comparison_graph&()>& make, pr::fit_method method) {
  const auto& g = make();
  pr::bradley_terry_fit result;
  for (auto _ : state) {
    result = pr::fit(model, g, {.method = method, .tolerance = 1e-8});
    benchmark::DoNotOptimize(result.strength.data());
  }
  state.counters["steps"] = static_cast<double>(result.convergence.iterations);
  state.counters["residual"] = result.convergence.residual;
  if (result.convergence.status != zermelo::status::converged) state.SetLabel("not converged");
}

const bool methods = [] {
  static const auto arena = [] { return counted_battles(59, 8931, 0.39, 2); };
  using maker = std::function<const pr::comparison_graph&()>;
  const std::pair<const char*, maker> tournaments[] = {
      {"100 items, 10^7 battles", []() -> const pr::comparison_graph& { return graph(); }},
      {"59 items, 8931 battles",
       []() -> const pr::comparison_graph& {
         static const auto g = arena();
         return g;
       }},
      {"84 players, every pair 51 games",
       []() -> const pr::comparison_graph& {
         static const auto g = round_robin();
         return g;
       }},
      {"chain of 300, 6 neighbours", []() -> const pr::comparison_graph& {
         static const auto g = chain();
         return g;
       }}};
  const std::pair<const char*, pr::fit_method> ways[] = {
      {"newton", pr::fit_method::newton}, {"lbfgs", pr::fit_method::lbfgs},
      {"newman", pr::fit_method::newman}, {"newman_parallel", pr::fit_method::newman_parallel},
      {"mm", pr::fit_method::mm},         {"mm_cyclic", pr::fit_method::mm_cyclic}};
  for (const auto& [where, make] : tournaments)
    for (const auto& [name, method] : ways)
      benchmark::RegisterBenchmark(
          (std::string("fit/") + where + "/" + name).c_str(),
          [make = make, method = method](benchmark::State& state) { fit_by(state, make, method); })
          ->Unit(ms)
          ->MinTime(0.2);
  return true;
}();

void bootstrap_200_of_84_players(benchmark::State& state) {
  static const auto g = round_robin();
  bootstrap_on(state, zermelo::simd{}, g, 200);
}
BENCHMARK(bootstrap_200_of_84_players)->Unit(ms);

// A million items.

constexpr int64_t many = 1'000'000;
constexpr double large_tolerance = 1e-8;

tournament::record_list large_records(bool banded) {
  return tournament::records(many, 10, banded ? 250 : (many - 1) / 2, !banded, 10, 2);
}

pr::comparison_graph build(const tournament::record_list& r, const zermelo::threads& policy) {
  return pr::graph_from_records(policy, r.first, r.second, r.wins, r.losses, r.items);
}

struct kept_graph {
  std::optional<bool> banded = {};
  pr::comparison_graph graph = {};
};

/// One of the two is kept at a time.
kept_graph& kept() {
  static kept_graph one;
  return one;
}

const pr::comparison_graph& large(bool banded) {
  auto& one = kept();
  if (one.banded != banded) {
    one = {};
    one.graph = build(large_records(banded), zermelo::threads(2));
    one.banded = banded;
  }
  return one.graph;
}

void large_build(benchmark::State& state, bool banded) {
  kept() = {};
  const zermelo::threads policy(2);
  const auto list = large_records(banded);
  tournament::peak_memory::reset();
  for (auto _ : state) kept().graph = build(list, policy);
  kept().banded = banded;
  state.counters["pairs"] = static_cast<double>(kept().graph.entries() / 2);
  state.counters["peak_GB"] = tournament::peak_memory::gigabytes();
}

void large_fit(benchmark::State& state, bool banded, int workers) {
  const auto& g = large(banded);
  const zermelo::threads policy(workers);
  tournament::peak_memory::reset();
  pr::bradley_terry_fit result;
  for (auto _ : state) result = pr::fit(policy, model, g, {.tolerance = large_tolerance});
  state.counters["steps"] = static_cast<double>(result.convergence.iterations);
  state.counters["residual"] = result.convergence.residual;
  state.counters["peak_GB"] = tournament::peak_memory::gigabytes();
  state.SetLabel(banded ? "aim 25 s, 3 GB" : "aim 2 s, 1 GB");
}

/// Newton's method as in `fit`, without its damping and its look at existence, on conjugate gradients that know only the
/// diagonal.
void large_fit_jacobi(benchmark::State& state, bool banded) {
  namespace d = pr::detail;
  const auto& g = large(banded);
  const zermelo::threads policy(2);
  tournament::peak_memory::reset();
  int64_t newton_steps = 0, inner_steps = 0;
  double residual = 0;
  for (auto _ : state) {
    const d::comparison_rows rows = d::rows_of(g);
    const d::likelihood<zermelo::logistic> objective{.rows = rows, .link = {}, .prior = pr::no_prior{}};
    const double scale = d::gradient_scale(rows);
    d::balance at;
    std::vector<double> theta(z(many), 0.0), curvature, right(z(many)), step(z(many));
    double first_norm = 0;
    newton_steps = inner_steps = 0;
    for (;; ++newton_steps) {
      d::evaluate<d::wanted{.value = true, .curvature = true}>(policy, objective, theta, at, &curvature);
      residual = at.gradient_norm / scale;
      if (residual <= large_tolerance || newton_steps == 100) break;
      if (newton_steps == 0) first_norm = at.gradient_norm;
      for (std::size_t i = 0; i < right.size(); ++i) right[i] = -at.gradient[i];
      std::fill(step.begin(), step.end(), 0.0);
      const double accuracy = std::min(0.1, std::max(std::min(0.1, std::sqrt(at.gradient_norm / first_norm)) * 0.1,
                                                     0.3 * large_tolerance / residual));
      const auto solution = zermelo::solve_laplacian(
          policy,
          zermelo::laplacian_view{.offsets = g.offsets, .columns = g.opponents, .weights = curvature, .shift = {}},
          right, step, {.tolerance = accuracy, .preconditioner = preconditioner::jacobi, .verify = false});
      inner_steps += solution.convergence.iterations;
      for (std::size_t i = 0; i < theta.size(); ++i) theta[i] += step[i];
    }
  }
  state.counters["steps"] = static_cast<double>(newton_steps);
  state.counters["inner"] = static_cast<double>(inner_steps);
  state.counters["residual"] = residual;
  state.counters["peak_GB"] = tournament::peak_memory::gigabytes();
}

/// The last Newton system, H at the optimum, with a right-hand side of noise, to a relative residual of 1e-8.
void large_system(benchmark::State& state, bool banded, preconditioner how) {
  const auto& g = large(banded);
  const zermelo::threads policy(2);
  const auto theta = tournament::strengths(many, 2);
  std::vector<double> weights(g.wins.size()), right(z(many)), x(z(many));
  for (int64_t i = 0; i < many; ++i)
    pr::for_each_opponent(g, i, [&](int64_t j, int64_t e) {
      const double p = tournament::win_probability(theta[z(i)] - theta[z(j)]);
      weights[z(e)] = (g.wins[z(e)] + g.losses[z(e)]) * p * (1 - p);
    });
  tournament::random draw{1};
  double mean = 0;
  for (double& r : right) mean += r = draw.uniform();
  for (double& r : right) r -= mean / static_cast<double>(many);
  const zermelo::laplacian_view h{.offsets = g.offsets, .columns = g.opponents, .weights = weights, .shift = {}};
  tournament::peak_memory::reset();
  zermelo::laplacian_solution solution;
  for (auto _ : state) {
    std::fill(x.begin(), x.end(), 0.0);
    solution = zermelo::solve_laplacian(policy, h, right, x, {.tolerance = 1e-8, .preconditioner = how});
  }
  state.counters["inner"] = static_cast<double>(solution.convergence.iterations);
  state.counters["residual"] = solution.convergence.residual;
  state.counters["peak_GB"] = tournament::peak_memory::gigabytes();
}

void once(const char* name, const std::function<void(benchmark::State&)>& f) {
  benchmark::RegisterBenchmark(name, f)->Unit(ms)->Iterations(1)->UseRealTime()->MeasureProcessCPUTime();
}

const bool large_rows = [] {
  using benchmark::State;
  once("million random/build", [](State& s) { large_build(s, false); });
  once("million random/fit", [](State& s) { large_fit(s, false, 2); });
  once("million random/fit, one thread", [](State& s) { large_fit(s, false, 1); });
  once("million random/fit by Jacobi-CG", [](State& s) { large_fit_jacobi(s, false); });
  once("million random/system, jacobi", [](State& s) { large_system(s, false, preconditioner::jacobi); });
  once("million random/system, multigrid", [](State& s) { large_system(s, false, preconditioner::multigrid); });
  once("million banded/build", [](State& s) { large_build(s, true); });
  once("million banded/fit", [](State& s) { large_fit(s, true, 2); });
  once("million banded/system, multigrid", [](State& s) { large_system(s, true, preconditioner::multigrid); });
  once("million banded/system, jacobi/slow", [](State& s) { large_system(s, true, preconditioner::jacobi); });
  once("million banded/fit by Jacobi-CG/slow", [](State& s) { large_fit_jacobi(s, true); });
  return true;
}();

}  // namespace
