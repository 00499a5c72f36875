// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// zermelo_games N MATRIX-FILE: solves the game of an N×N matrix of preferences and prints, as JSON, the least CPU time of each
/// way, what it found and its exploitability. The peers' script compares them with what other packages need and find.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 intrinsics, inlined into Eigen
#endif
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "zermelo/game/dynamics.hpp"
#include "zermelo/game/matrix_game.hpp"
#include "zermelo/game/max_entropy_nash.hpp"
#include "zermelo/game/solve.hpp"

namespace {

namespace game = zermelo::game;

/// The least seconds of one core that a call took, of calls that together take a tenth of a second.
template <class F>
double seconds(F f) {
  double least = std::numeric_limits<double>::infinity(), all = 0;
  for (int k = 0; k < 3 || (all < 0.1 && k < 10000); ++k) {
    const std::clock_t start = std::clock();
    f();
    const double one = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    least = std::min(least, one), all += one;
  }
  return std::max(least, all / 10000);
}

/// The mean over many calls, for what is too short for the clock.
template <class F>
double mean_seconds(int calls, F f) {
  return seconds([&] {
           for (int k = 0; k < calls; ++k) f();
         }) /
         calls;
}

void print(const char* name, double time, double exploitability, const std::vector<double>& policy, bool last = false) {
  std::printf("\"%s\": {\"seconds\": %.9f, \"exploitability\": %.3g, \"policy\": [", name, time, exploitability);
  for (std::size_t i = 0; i < policy.size(); ++i) std::printf("%s%.17g", i ? ", " : "", policy[i]);
  std::printf("]}%s\n", last ? "" : ",");
}

void compare(std::int64_t n, const char* path) {
  std::vector<double> p(static_cast<std::size_t>(n * n));
  std::ifstream in(path);
  for (double& x : p) in >> x;
  if (!in) throw std::runtime_error(std::string("cannot read ") + path);
  const auto preferences = game::preference_matrix(zermelo::matrix_view(p.data(), n, n));
  const int calls = n <= 20 ? 100 : 1;
  std::printf("{");
  game::nash_solution<double> exact;
  const double lp = mean_seconds(calls, [&] { exact = game::nash_policy(preferences); });
  print("nash_policy", lp, exact.exploitability, exact.policy);
  game::max_entropy_nash_result most;
  const double entropy = mean_seconds(1, [&] { most = game::max_entropy_nash(preferences); });
  print("max_entropy_nash", entropy, most.exploitability, most.policy);
  game::solution<double> played;
  const double norm = game::payoff_norm(preferences);
  const double play = mean_seconds(1, [&] {
    played = game::solve(preferences, game::extragradient{0.7 / norm}, {.target = 2e-6, .check_growth = 0.01});
  });
  print("extragradient", play, played.gap / 2, played.policy);
  const double fictitious = mean_seconds(1, [&] {
    played = game::solve(preferences, game::fictitious_play{}, {.limit = 1000, .target = 0, .check_every = 1000});
  });
  print("fictitious_play", fictitious, played.average_gap / 2, played.average, true);
  std::printf("}\n");
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: zermelo_games N FILE");
  compare(std::atoll(argv[1]), argv[2]);
} catch (const std::exception& e) {
  std::fprintf(stderr, "zermelo_games: %s\n", e.what());
  return 1;
}
