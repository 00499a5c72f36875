// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// zermelo_bradley_terry FILE [REPETITIONS]: fits a file of battles and prints, as JSON, the least CPU time of each step
/// and the strengths. The peers' script compares them with what other packages need and find.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 intrinsics, inlined into Eigen
#endif
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <limits>

#include "zermelo/io/battles.hpp"
#include "zermelo/preference/bootstrap.hpp"
#include "zermelo/preference/bradley_terry.hpp"
#include "zermelo/preference/inference.hpp"

namespace {

/// The least seconds of one core that several calls took.
template <class F>
double seconds(int repetitions, F f) {
  double least = std::numeric_limits<double>::infinity();
  for (int k = 0; k < repetitions; ++k) {
    const std::clock_t start = std::clock();
    f();
    least = std::min(least, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return least;
}

void compare(const char* path, int repetitions) {
  namespace zm = zermelo;
  namespace pr = zm::preference;
  zm::io::battle_table table;
  pr::comparison_graph graph;
  pr::bradley_terry_fit fitted;
  const pr::bradley_terry model;
  const double parse = seconds(repetitions, [&] { table = zm::io::read_battles_file(path); });
  const auto items = static_cast<std::int64_t>(table.items.size());
  const double count =
      seconds(repetitions, [&] { graph = pr::count_battles(table.first, table.second, table.outcome, items); });
  const double fit = seconds(repetitions, [&] { fitted = pr::fit(model, graph); });
  const double infer = seconds(repetitions, [&] { (void)pr::infer(model, graph, fitted); });
  const double bootstrap =
      seconds(repetitions, [&] { (void)pr::bootstrap(model, graph, fitted, {.replicates = 100}); });
  std::printf(R"({"battles": %lld, "parse": %.9g, "count": %.9g, "fit": %.9g, "infer": %.9g, "bootstrap": %.9g, )",
              static_cast<long long>(table.battles), parse, count, fit, infer, bootstrap);
  std::printf(R"("residual": %.9g, "strength": {)", fitted.convergence.residual);
  for (std::int64_t i = 0; i < items; ++i)  // the labels of these files need no escapes
    std::printf("%s\"%s\": %.17g", i ? ", " : "", table.items[static_cast<std::size_t>(i)].c_str(),
                fitted.strength[static_cast<std::size_t>(i)]);
  std::printf("}}\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE [REPETITIONS]\n", argv[0]);
    return 2;
  }
  try {
    compare(argv[1], argc > 2 ? std::max(1, std::atoi(argv[2])) : 5);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
