// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <xtensor/xio.hpp>
#include <xtensor/xtensor.hpp>
#include <zermelo/core/adapt/xtensor.hpp>
#include <zermelo/preference/inference.hpp>

namespace zm = zermelo;

int main() {
  // The world chess championship of 1948: points that the row's player took from the column's, in five games.
  const xt::xtensor<double, 2> points = {
      {0, 3, 4, 3.5, 3.5}, {2, 0, 2, 3, 4}, {1, 3, 0, 2, 4.5}, {1.5, 2, 3, 0, 4}, {1.5, 1, .5, 1, 0}};

  const zm::preference::bradley_terry model;
  const auto games = zm::preference::graph_from_wins(points);
  const auto fit = zm::preference::fit(model, games);
  const auto sure = zm::preference::infer(model, games, fit);
  std::cout << xt::print_options::precision(2) << zm::as_xtensor(fit.strength) << "\n"
            << zm::as_xtensor(sure.upper) - zm::as_xtensor(sure.lower) << "\n";
}
