// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>
#include <string>
#include <vector>

#include "zermelo/core/distributions.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/laplacian.hpp"
#include "zermelo/core/optimize.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/core/statistics.hpp"
#include "zermelo/io/battles.hpp"
#include "zermelo/preference/bootstrap.hpp"
#include "zermelo/preference/bradley_terry.hpp"
#include "zermelo/preference/comparison_graph.hpp"
#include "zermelo/preference/inference.hpp"

double use();

/// A little of everything, compiled twice under two names. The text of four hundred battles goes all the way.
double use() {
  using namespace zermelo::preference;
  const zermelo::threads pool(2);
  std::string text = "model_a,model_b,winner\n";
  for (std::uint64_t k = 0; k < 400; ++k) {
    const auto a = zermelo::random_bits(1, 0, k) % 5, b = (a + 1 + zermelo::random_bits(1, 1, k) % 4) % 5;
    text += std::string(1, static_cast<char>('a' + a)) + "," + std::string(1, static_cast<char>('a' + b));
    text += zermelo::uniform(1, 2, k) < 0.6 ? ",model_a\n" : ",model_b\n";
  }
  const auto battles = zermelo::io::read_battles(pool, text);
  const auto items = static_cast<std::int64_t>(battles.items.size());

  double sum = 0;
  for (const std::int64_t dense_limit : {100, 1}) {
    const comparison_graph graph =
        count_battles(pool, battles.first, battles.second, battles.outcome, items, {.dense_limit = dense_limit});
    for (const auto method : {fit_method::newton, fit_method::mm, fit_method::newman_parallel, fit_method::lbfgs}) {
      const auto fitted = fit(pool, bradley_terry{}, graph, {.method = method});
      sum += fitted.log_likelihood + fitted.win_probability(0, 1);
    }
    const bradley_terry model{.prior = gaussian_prior{}};
    const auto fitted = fit(model, graph);
    const auto intervals = infer(pool, model, graph, fitted);
    const auto replicates = bootstrap(pool, model, graph, fitted, {.replicates = 20});
    sum += intervals.standard_error[0] + replicates.median[0];
  }

  std::vector<double> u(1000);
  zermelo::fill_uniform(pool, 1, 2, u);
  return sum + zermelo::mean(pool, u) + zermelo::quantile(u, 0.9);
}
