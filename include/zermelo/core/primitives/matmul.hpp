// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// GCC 12's own AVX-512 intrinsics, inlined into Eigen, pass what they call undefined to themselves.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../config.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../tensor.hpp"
#include "../value.hpp"
#include "matvec.hpp"

/// Products of matrices, on the host, by Eigen's.
namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

template <class T, bool RowMajor>
using matrix_map =
    Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, RowMajor ? Eigen::RowMajor : Eigen::ColMajor>, 0,
               Eigen::OuterStride<>>;

/// c ← α a b, c stored by columns.
template <class T, bool ARows, bool BRows>
void multiply_block(const T* a, std::int64_t a_apart, const T* b, std::int64_t b_apart, T* c, std::int64_t c_apart,
                    std::int64_t m, std::int64_t k, std::int64_t n, T alpha) {
  const matrix_map<T, ARows> left(a, m, k, Eigen::OuterStride<>(a_apart));
  const matrix_map<T, BRows> right(b, k, n, Eigen::OuterStride<>(b_apart));
  Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>, 0, Eigen::OuterStride<>> to(
      c, m, n, Eigen::OuterStride<>(c_apart));
  to.noalias() = alpha * (left * right);
}

template <class T>
void multiply_block(const dense_block<T>& a, const dense_block<T>& b, T* c, std::int64_t c_apart, std::int64_t i,
                    std::int64_t j, std::int64_t m, std::int64_t k, std::int64_t n, T alpha) {
  const T* left = a.at(i, 0);
  const T* right = b.at(0, j);
  T* to = c + i + j * c_apart;
  if (a.by_rows && b.by_rows)
    multiply_block<T, true, true>(left, a.apart, right, b.apart, to, c_apart, m, k, n, alpha);
  else if (a.by_rows)
    multiply_block<T, true, false>(left, a.apart, right, b.apart, to, c_apart, m, k, n, alpha);
  else if (b.by_rows)
    multiply_block<T, false, true>(left, a.apart, right, b.apart, to, c_apart, m, k, n, alpha);
  else
    multiply_block<T, false, false>(left, a.apart, right, b.apart, to, c_apart, m, k, n, alpha);
}

/// Rows and columns of a block of a product.
inline constexpr std::int64_t product_block = 512;

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// C = α A B
///
/// a [m, k], b [k, n], c [m, n]: all of float or all of double, any strides (a transposed matrix is a view with its
/// strides exchanged); c overlaps neither. α is finite.
/// Errors: shape_error; domain_error naming a or b and the row-major position of a NaN, or c where an infinity meets
///         zero or its opposite.
/// Cost: Eigen's product, in blocks of 512 × 512 of C side by side; what has neither rows nor columns of numbers side by
///       side is copied. Sums are in the tensors' own precision. Blocks depend on the shapes alone.
template <host_policy P, tensor A, tensor B, tensor C>
void matmul(P&& policy, const A& a, const B& b, C&& c, double alpha = 1) {
  const auto left = view(a);
  const auto right = view(b);
  const auto to = view(c);
  using view_a = std::remove_const_t<decltype(left)>;
  using view_b = std::remove_const_t<decltype(right)>;
  using view_c = std::remove_const_t<decltype(to)>;
  using T = typename view_a::value_type;
  static_assert(view_a::rank == 2 && view_b::rank == 2 && view_c::rank == 2, "zermelo: a matrix has rank 2");
  detail::require_host_numbers<view_a, view_b>();
  detail::require_host_numbers<view_a, view_c>();
  const std::int64_t m = left.shape[0], k = left.shape[1], n = right.shape[1];
  detail::require_extent("b", right.shape[0], k, "rows");
  detail::require_extent("c", to.shape[0], m, "rows");
  detail::require_extent("c", to.shape[1], n, "columns");
  if (!is_finite(alpha)) throw domain_error("alpha", domain_error::whole, "is not finite");
  if (m == 0 || n == 0) return;

  detail::copy_if_needed<T> left_copy, right_copy, out_copy;
  detail::dense_block<T> x = detail::block_of(policy, left, left_copy);
  detail::dense_block<T> y = detail::block_of(policy, right, right_copy);
  // What is written by rows is the transposed product written by columns: Cᵀ = α Bᵀ Aᵀ.
  const bool by_columns = detail::side_by_side(m, to.strides[0], n, to.strides[1]);
  const bool by_rows = !by_columns && detail::side_by_side(n, to.strides[1], m, to.strides[0]);
  std::int64_t rows = m, columns = n, apart = (std::max)(to.strides[1], m);
  T* out = to.data;
  if (by_rows) {
    std::swap(x, y);
    x.by_rows = !x.by_rows;
    y.by_rows = !y.by_rows;
    std::swap(rows, columns);
    apart = (std::max)(to.strides[0], n);
  } else if (!by_columns) {
    out = out_copy.emplace(policy, m * n).data();
    apart = m;
  }
  constexpr std::int64_t block = detail::product_block;
  const std::int64_t down = (rows + block - 1) / block, across = (columns + block - 1) / block;
  const auto height = static_cast<T>(alpha);
  for_each_tile(policy, down * across, [&](std::int64_t t) {
    const std::int64_t i = t % down * block, j = t / down * block;
    detail::multiply_block(x, y, out, apart, i, j, (std::min)(block, rows - i), k, (std::min)(block, columns - j),
                           height);
  });
  if (out_copy)
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t i = 0; i < m; ++i) to(i, j) = out[i + j * apart];
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      if (is_nan(to(i, j))) detail::refuse_product(left, "a", right, "b", "c", i * n + j);
}
template <tensor A, tensor B, tensor C>
void matmul(const A& a, const B& b, C&& c, double alpha = 1) {
  matmul(detail::default_policy<A, B, C>(), a, b, c, alpha);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
