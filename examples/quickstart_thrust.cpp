// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <thrust/execution_policy.h>
#include <thrust/host_vector.h>

#include <cstdio>
#include <vector>
#include <zermelo/core/execution/thrust.hpp>
#include <zermelo/preference/inference.hpp>

namespace zm = zermelo;

int main() {
  // The world chess championship of 1948: points that the row's player took from the column's, in five games.
  const thrust::host_vector<double> points =
      std::vector{0.0, 3.0, 4.0, 3.5, 3.5, 2.0, 0.0, 2.0, 3.0, 4.0, 1.0, 3.0, 0.0,
                  2.0, 4.5, 1.5, 2.0, 3.0, 0.0, 4.0, 1.5, 1.0, 0.5, 1.0, 0.0};

  const zm::preference::bradley_terry model;
  const auto games = zm::preference::graph_from_wins(zm::matrix_view(points.data(), 5, 5));
  const auto fit = zm::preference::fit(thrust::host, model, games);
  const auto sure = zm::preference::infer(thrust::host, model, games, fit);
  for (std::size_t i = 0; i < 5; ++i)
    std::printf("%+.2f, 95 %% interval %+.2f to %+.2f\n", fit.strength[i], sure.lower[i], sure.upper[i]);
}
