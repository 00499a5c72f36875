// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// zermelo_dueling_bandits ROUNDS REPETITIONS: reads n and a preference matrix from the standard input and prints, as JSON,
/// the CPU time a round and the mean strong regret of each algorithm. The peers' script compares them with duelpy's.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <vector>

#include "zermelo/bandit/beat_the_mean.hpp"
#include "zermelo/bandit/double_thompson.hpp"
#include "zermelo/bandit/interleaved_filter.hpp"
#include "zermelo/bandit/rmed.hpp"
#include "zermelo/bandit/rucb.hpp"
#include "zermelo/bandit/simulate_duels.hpp"

namespace {

using namespace zermelo::bandit;

template <class Make>
void compare(const char* name, const std::vector<double>& p, std::int64_t n, const simulation_parameters& s,
             Make make) {
  const auto table = zermelo::matrix_view(p.data(), n, n);
  const auto world = world_of(table);
  const auto costs = regrets_of(table);
  const std::clock_t start = std::clock();
  const auto curves = simulate_duels(zermelo::simd{}, world, costs, make, s);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("%s\"%s\": [%.9g, %.9g]", name[0] == 'r' && name[1] == 'u' ? "{" : ", ", name,
              seconds / static_cast<double>(s.horizon * s.repetitions), curves.mean(curves.count() - 1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 1;
  try {
    simulation_parameters s{.horizon = std::atol(argv[1]), .repetitions = std::atol(argv[2])};
    long n = 0;
    if (std::scanf("%ld", &n) != 1 || n < 1) return 1;
    std::vector<double> p(static_cast<std::size_t>(n * n));
    for (double& x : p)
      if (std::scanf("%lf", &x) != 1) return 1;
    compare("rucb", p, n, s, [n](auto) { return rucb(n); });
    compare("rcs", p, n, s, [n](auto) { return relative_confidence_sampling(n); });
    compare("double_thompson", p, n, s, [n](auto) { return double_thompson(n); });
    compare("rmed1", p, n, s, [n](auto) { return rmed(n); });
    compare("interleaved_filter", p, n, s, [&](auto) { return interleaved_filter(n, s.horizon); });
    compare("beat_the_mean", p, n, s, [&](auto) { return beat_the_mean(n, {.gamma = 1, .horizon = s.horizon}); });
    std::printf("}\n");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
