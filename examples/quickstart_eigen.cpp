// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <iostream>
#include <zermelo/core/adapt/eigen.hpp>
#include <zermelo/preference/inference.hpp>

namespace zm = zermelo;

int main() {
  // The world chess championship of 1948: points that the row's player took from the column's, in five games.
  Eigen::MatrixXd points(5, 5);
  points << 0, 3, 4, 3.5, 3.5, 2, 0, 2, 3, 4, 1, 3, 0, 2, 4.5, 1.5, 2, 3, 0, 4, 1.5, 1, .5, 1, 0;

  const zm::preference::bradley_terry model;
  const auto games = zm::preference::graph_from_wins(points);
  const auto fit = zm::preference::fit(model, games);
  const auto sure = zm::preference::infer(model, games, fit);
  Eigen::MatrixXd table(5, 3);
  table << zm::as_eigen(fit.strength), zm::as_eigen(sure.lower), zm::as_eigen(sure.upper);
  const Eigen::IOFormat two_digits(2, 0, "  ");
  std::cout << table.format(two_digits) << "\n";
}
