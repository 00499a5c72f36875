// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdio>
#include <zermelo/preference/inference.hpp>

namespace zm = zermelo;

int main() {
  // The world chess championship of 1948: points that the row's player took from the column's, in five games.
  const char* players[] = {"Botvinnik", "Smyslov", "Keres", "Reshevsky", "Euwe"};
  const double points[5][5] = {
      {0, 3, 4, 3.5, 3.5}, {2, 0, 2, 3, 4}, {1, 3, 0, 2, 4.5}, {1.5, 2, 3, 0, 4}, {1.5, 1, .5, 1, 0}};

  const zm::preference::bradley_terry model;
  const auto games = zm::preference::graph_from_wins(points);
  const auto fit = zm::preference::fit(model, games);
  const auto sure = zm::preference::infer(model, games, fit);
  for (std::size_t i = 0; i < 5; ++i)
    std::printf("%-10s %+.2f, 95 %% interval %+.2f to %+.2f\n", players[i], fit.strength[i], sure.lower[i],
                sure.upper[i]);
  std::printf("Botvinnik beats Euwe with probability %.2f\n", fit.win_probability(0, 4));
}
