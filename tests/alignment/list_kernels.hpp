// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>
#include <zermelo/alignment/list_losses.hpp>
#include <zermelo/core/random.hpp>

/// Every kernel of list_loss, and random lists, for tests that hold of all of them.
namespace list_kernels {

namespace zm = zermelo;
namespace al = zermelo::alignment;
using al::ranking_loss;

/// f(name, kernel) for every loss of lists; labels between 0 and 1 suit them all.
template <class F>
void for_each(F&& f) {
  f("EXO", al::exo{.beta = 0.5, .beta_r = 0.3});
  f("InfoNCA", al::infonca{.beta = 0.5, .alpha = 0.3});
  f("NCA", al::nca{.beta = 0.5, .alpha = 0.3});
  f("Plackett-Luce", al::dpo_plackett_luce{.beta = 0.5});
  f("mean squares", al::lipo<ranking_loss::point_mse>{.beta = 0.5});
  f("point logistic", al::lipo<ranking_loss::point_sigmoid>{.beta = 0.5});
  f("pair logistic", al::lipo<ranking_loss::pair_logistic>{.beta = 0.5});
  f("pair hinge", al::lipo<ranking_loss::pair_hinge>{.beta = 0.5});
  f("softmax", al::lipo<ranking_loss::softmax>{.beta = 0.5});
  f("lambda", al::lipo_lambda{.beta = 0.5});
  f("lambda by distance", al::lipo_lambda{.beta = 0.5, .by_distance = true, .scaled_by_size = true});
  f("lambda of the top", al::lipo_lambda{.beta = 0.5, .top = 2, .normalised = true, .mean_over_pairs = true});
  f("PRO", al::pro{.sft_weight = 0.1});
  f("RRHF", al::rrhf{.rank_weight = 2, .length_penalty = 0.7});
}

/// Random lists of K items, rows of one matrix.
struct batch {
  std::int64_t rows, columns;
  std::vector<double> policy, reference, labels, lengths, losses, gradient;

  batch(std::int64_t b, std::int64_t k, std::uint64_t seed = 3) : rows(b), columns(k) {
    for (std::uint64_t j = 0; j < static_cast<std::uint64_t>(b * k); ++j) {
      policy.push_back(-20 * zm::uniform(seed, 0, j));
      reference.push_back(-20 * zm::uniform(seed, 1, j));
      labels.push_back(zm::uniform(seed, 2, j));
      lengths.push_back(1 + std::floor(9 * zm::uniform(seed, 3, j)));
    }
    for (std::int64_t i = 0; i < b; ++i)  // descending, as PRO wants them
      std::sort(labels.begin() + i * k, labels.begin() + (i + 1) * k, [](double x, double y) { return x > y; });
    losses.resize(static_cast<std::size_t>(b));
    gradient.resize(policy.size());
  }
  auto as_matrix(std::vector<double>& x) const { return zm::matrix_view(x.data(), rows, columns); }

  template <class P, class Kernel>
  zm::list_sums run(P&& how, const Kernel& kernel) {
    return zm::list_loss(how, kernel, as_matrix(policy), as_matrix(reference), as_matrix(labels), losses,
                         as_matrix(gradient), zm::item_lengths(lengths));
  }
};

}  // namespace list_kernels
