// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// GCC 12's own AVX-512 intrinsics, inlined into Eigen, pass what they call undefined to themselves.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Eigenvalues>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// Embeddings of score matrices that are given: every skew matrix is one of general preferences.
namespace zermelo::inline v1::preference {

struct embedding_parameters {
  double skew_tolerance = 1e-9;   ///< of Sᵢⱼ + Sⱼᵢ = 0, relative to the largest |S|
  double rank_tolerance = 1e-12;  ///< singular values below this share of the largest count as zero
  std::int64_t blocks = 0;        ///< keep this many blocks at most, those of the largest singular values; 0: all
};

/// S = Σ_q ω_q (x_q y_qᵀ − y_q x_qᵀ), and the embedding whose scores these are: block q of item i is √ω_q (x_q[i], y_q[i]).
struct skew_embedding {
  std::int64_t items = 0, blocks = 0;
  std::vector<double> embedding = {};        ///< [items, 2·blocks], row by row
  std::vector<double> singular_values = {};  ///< [items] of S, descending: each ω twice, and a zero if items are odd
  std::int64_t rank = 0;                     ///< of S, even
  double error = 0;                          ///< ‖S − scores‖ in Frobenius's norm: that of the blocks left out

  ZERMELO_INLINE tensor_view<const double, 2> matrix() const {
    return matrix_view(embedding.data(), items, 2 * blocks);
  }
};

inline namespace ZERMELO_ISA {

/// The exact embedding of a skew matrix of scores, of the least dimension there is, its rank; or the best one of fewer
/// blocks in Frobenius's norm.
///
/// From a unit eigenvector z of the Hermitian matrix iS with eigenvalue ω > 0:  x = √2 Im z,  y = √2 Re z.
/// scores [n, n]
/// Errors: shape_error unless square; domain_error naming the row-major position of an entry that is not finite, or not
///         the negative of its mirror image.   Cost: n³.
template <tensor M>
skew_embedding embed_scores(const M& scores, const embedding_parameters& parameters = {}) {
  const auto s = view(scores);
  static_assert(decltype(s)::rank == 2, "zermelo: scores of all pairs are a tensor of rank 2");
  const std::int64_t n = s.shape[0];
  if (s.shape[1] != n)
    throw shape_error("scores", std::to_string(n) + " × " + std::to_string(s.shape[1]) + ", expected a square matrix");
  if (n == 0) throw shape_error("scores", "no items");
  if (parameters.blocks < 0) throw domain_error("blocks", domain_error::whole, "expected zero or more");
  double largest = 0;
  for (std::int64_t k = 0; k < n * n; ++k) {
    const double x = static_cast<double>(s.element(k));
    if (!is_finite(x)) throw domain_error("scores", k, "is not a finite number");
    largest = (std::max)(largest, std::abs(x));
  }
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      const double sum = static_cast<double>(s(i, j)) + static_cast<double>(s(j, i));
      if (std::abs(sum) > parameters.skew_tolerance * largest)
        throw domain_error(
            "scores", i * n + j,
            "and its mirror image add up to " + zermelo::detail::text(sum) + ", expected 0: s(i, j) = −s(j, i)");
    }
  Eigen::MatrixXcd hermitian(n, n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      hermitian(i, j) = {0, 0.5 * (static_cast<double>(s(i, j)) - static_cast<double>(s(j, i)))};
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> solver(hermitian);
  const auto& omega = solver.eigenvalues();  // ascending, in pairs ±ω

  skew_embedding result{.items = n};
  for (std::int64_t q = 0; q < n / 2; ++q)
    result.singular_values.insert(result.singular_values.end(), 2, (std::max)(omega(n - 1 - q), 0.0));
  if (n % 2 != 0) result.singular_values.push_back(0);
  std::int64_t blocks = 0;
  while (blocks < n / 2 && omega(n - 1 - blocks) > parameters.rank_tolerance * omega(n - 1)) ++blocks;
  result.rank = 2 * blocks;
  result.blocks = parameters.blocks > 0 ? (std::min)(blocks, parameters.blocks) : blocks;
  double left_out = 0;
  for (std::int64_t q = result.blocks; q < n / 2; ++q) left_out += 2 * omega(n - 1 - q) * omega(n - 1 - q);
  result.error = std::sqrt(left_out);
  result.embedding.resize(static_cast<std::size_t>(n * 2 * result.blocks));
  for (std::int64_t q = 0; q < result.blocks; ++q) {
    const double size = std::sqrt(2 * omega(n - 1 - q));
    for (std::int64_t i = 0; i < n; ++i) {
      const std::complex<double> z = solver.eigenvectors()(i, n - 1 - q);
      auto* block = &result.embedding[static_cast<std::size_t>(i * 2 * result.blocks + 2 * q)];
      block[0] = size * z.imag();
      block[1] = size * z.real();
    }
  }
  return result;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference
