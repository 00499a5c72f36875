// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "../config.hpp"
#include "../detail/lengths.hpp"
#include "../detail/unrolled.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../execution/scratch.hpp"
#include "../lanes.hpp"
#include "../tensor.hpp"
#include "../value.hpp"
#include "map_reduce.hpp"

/// Products of matrices with vectors, on the host.
namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// Rows that are worked on together, so that an element of the vector is read once for all of them.
inline constexpr int product_rows = 8;
/// Elements of a tile of a matrix.
inline constexpr std::int64_t product_tile = std::int64_t{1} << 16;
/// Terms that lanes of floats add before they are flushed into doubles.
inline constexpr std::int64_t product_run = 512;

/// Σⱼ a[r, j] x[j] for Rows rows that lie `apart` from each other.
template <class V, int Rows, class T>
ZERMELO_INLINE void dot_rows(const T* a, std::int64_t apart, const T* x, std::int64_t n, double (&sum)[Rows]) {
  constexpr std::int64_t width = lanes<V>;
  for (double& s : sum) s = 0;
  std::int64_t j = 0;
  while (j + width <= n) {
    const std::int64_t flush = sizeof(T) == 8 ? n : (std::min)(n, j + product_run * width);
    V terms[Rows];
    unrolled<Rows>([&](auto r) ZERMELO_LAMBDA_INLINE { terms[r] = V(0); });
    for (; j + width <= flush; j += width) {
      const V u = load<V>(x + j);
      unrolled<Rows>([&](auto r)
                         ZERMELO_LAMBDA_INLINE { terms[r] = multiply_add(load<V>(a + r * apart + j), u, terms[r]); });
    }
    unrolled<Rows>([&](auto r) ZERMELO_LAMBDA_INLINE { sum[r] += static_cast<double>(reduce_add(terms[r])); });
  }
  for (; j < n; ++j)
    for (int r = 0; r < Rows; ++r) sum[r] += static_cast<double>(a[r * apart + j]) * static_cast<double>(x[j]);
}

/// Rows of a tile of a matrix that is stored by columns: their sums stay in the nearest cache.
inline constexpr std::int64_t product_height = 2048;

/// sum[i] += Σⱼ a[i, j] x[j] over Columns columns that lie `apart` from each other.
template <class V, int Columns, class T>
ZERMELO_INLINE void add_columns(const T* a, std::int64_t apart, const T* x, std::int64_t rows, T* sum) {
  constexpr std::int64_t width = lanes<V>;
  V weight[Columns];
  unrolled<Columns>([&](auto c) ZERMELO_LAMBDA_INLINE { weight[c] = V(x[c]); });
  std::int64_t i = 0;
  for (; i + width <= rows; i += width) {
    V s = load<V>(sum + i);
    unrolled<Columns>([&](auto c)
                          ZERMELO_LAMBDA_INLINE { s = multiply_add(load<V>(a + c * apart + i), weight[c], s); });
    store(sum + i, s);
  }
  for (; i < rows; ++i)
    for (int c = 0; c < Columns; ++c) sum[i] += a[c * apart + i] * x[c];
}

/// y[i] = Σⱼ a[i, j] x[j] for at most product_height rows.
template <class V, class T>
ZERMELO_INLINE void dot_columns(const T* a, std::int64_t apart, const T* x, std::int64_t rows, std::int64_t n,
                                double* y) {
  constexpr int together = 8;
  std::fill(y, y + rows, 0.0);
  for (std::int64_t j = 0; j < n;) {
    const std::int64_t flush = sizeof(T) == 8 ? n : (std::min)(n, j + product_run);
    T sum[product_height] = {};
    for (; j + together <= flush; j += together) add_columns<V, together>(a + j * apart, apart, x + j, rows, sum);
    for (; j < flush; ++j) add_columns<V, 1>(a + j * apart, apart, x + j, rows, sum);
    for (std::int64_t i = 0; i < rows; ++i) y[i] += static_cast<double>(sum[i]);
  }
}

template <class A>
void find_nan_in(const A& a, const char* name) {
  const std::int64_t n = a.size();
  for (std::int64_t k = 0; k < n; ++k)
    if (is_nan(a.element(k))) throw domain_error(name, k, "is not a number");
}

template <class A, class B>
[[noreturn]] __attribute__((cold, noinline)) void refuse_product(const A& a, const char* a_name, const B& b,
                                                                 const char* b_name, const char* name,
                                                                 std::int64_t at) {
  find_nan_in(a, a_name);
  find_nan_in(b, b_name);
  throw domain_error(name, at, "is undefined: an infinity meets zero or its opposite");
}

template <class A, class B>
void require_host_numbers() {
  using T = typename A::value_type;
  static_assert(std::is_same_v<T, typename B::value_type> && std::is_floating_point_v<T>,
                "zermelo: the tensors of a product are all of float or all of double");
  static_assert(A::where == memory::host && B::where == memory::host,
                "zermelo: a host policy needs tensors in host memory");
}

/// Room for a copy of a tensor that is not stored as a product wants it.
template <class T>
using copy_if_needed = std::optional<scratch_array<T>>;

/// A copy of the numbers of x, one after another.
template <class P, class View, class T>
T* packed_copy(P&& policy, const View& x, copy_if_needed<T>& copy) {
  const std::int64_t n = x.size();
  T* const to = copy.emplace(policy, n).data();
  for (std::int64_t k = 0; k < n; ++k) to[k] = x.element(k);
  return to;
}

template <class V, class P, class T, class Y>
void run_matvec(P&& policy, const T* a, std::int64_t m, std::int64_t n, std::int64_t apart, bool by_rows, const T* x,
                double alpha, const Y& y) {
  const std::int64_t whole = (std::max)(std::int64_t{1}, product_tile / (std::max)(n, std::int64_t{1}));
  const std::int64_t rows = by_rows ? (whole + product_rows - 1) / product_rows * product_rows : product_height;
  for_each_tile(policy, (m + rows - 1) / rows, [&](std::int64_t t) {
    const std::int64_t begin = t * rows, end = (std::min)(m, begin + rows);
    const auto write = [&](std::int64_t i, double sum) { y.element(i) = static_cast<T>(alpha * sum); };
    if (by_rows) {
      std::int64_t i = begin;
      for (; i + product_rows <= end; i += product_rows) {
        double sum[product_rows];
        dot_rows<V>(a + i * apart, apart, x, n, sum);
        for (int r = 0; r < product_rows; ++r) write(i + r, sum[r]);
      }
      for (; i < end; ++i) {
        double sum[1];
        dot_rows<V>(a + i * apart, apart, x, n, sum);
        write(i, sum[0]);
      }
    } else {
      double sum[product_height];
      dot_columns<V>(a + begin, apart, x, end - begin, n, sum);
      for (std::int64_t i = begin; i < end; ++i) write(i, sum[i - begin]);
    }
  });
}

/// A matrix whose rows, or whose columns, are numbers side by side.
template <class T>
struct dense_block {
  const T* data;
  std::int64_t apart;
  bool by_rows;
  ZERMELO_INLINE const T* at(std::int64_t i, std::int64_t j) const {
    return data + (by_rows ? i * apart + j : i + j * apart);
  }
};

/// Whether rows (or columns) are numbers side by side that do not overlap.
ZERMELO_INLINE bool side_by_side(std::int64_t inner_extent, std::int64_t inner_stride, std::int64_t outer_extent,
                                 std::int64_t outer_stride) {
  return (inner_stride == 1 || inner_extent <= 1) && (outer_stride >= inner_extent || outer_extent <= 1);
}

template <class P, class View, class T>
dense_block<T> block_of(P&& policy, const View& x, copy_if_needed<T>& copy) {
  const std::int64_t rows = x.shape[0], columns = x.shape[1];
  if (side_by_side(columns, x.strides[1], rows, x.strides[0])) return {x.data, (std::max)(x.strides[0], columns), true};
  if (side_by_side(rows, x.strides[0], columns, x.strides[1])) return {x.data, (std::max)(x.strides[1], rows), false};
  return {packed_copy(policy, x, copy), columns, true};
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// y = α A x
///
/// a [m, n], x [n], y [m]: all of float or all of double, any strides (a transposed matrix is a view with its strides
/// exchanged); y overlaps neither. α is finite.
/// Errors: shape_error; domain_error naming a or x and the row-major position of a NaN, or y where an infinity meets
///         zero or its opposite.
/// Cost: one pass over A, at the speed of memory; x is copied to scratch memory if it is strided, A if neither its rows nor
///       its columns are numbers side by side. Lanes of floats are flushed into doubles every 512 terms. Rows are added in
///       an order that n alone fixes.
template <host_policy P, tensor A, tensor X, tensor Y>
void matvec(P&& policy, const A& a, const X& x, Y&& y, double alpha = 1) {
  const auto matrix = view(a);
  const auto vector = view(x);
  const auto to = view(y);
  using view_a = std::remove_const_t<decltype(matrix)>;
  using T = typename view_a::value_type;
  static_assert(view_a::rank == 2, "zermelo: a matrix has rank 2");
  detail::require_host_numbers<view_a, std::remove_const_t<decltype(vector)>>();
  detail::require_host_numbers<view_a, std::remove_const_t<decltype(to)>>();
  const std::int64_t m = matrix.shape[0], n = matrix.shape[1];
  detail::require_extent("x", vector.size(), n, "elements");
  detail::require_extent("y", to.size(), m, "elements");
  if (!is_finite(alpha)) throw domain_error("alpha", domain_error::whole, "is not finite");
  detail::copy_if_needed<T> vector_copy, matrix_copy;
  const T* const numbers = vector.contiguous() ? vector.data : detail::packed_copy(policy, vector, vector_copy);
  detail::dense_block<T> block;
  if (n <= 1 || matrix.strides[1] == 1)  // rows may repeat or overlap: they are only read
    block = {matrix.data, matrix.strides[0], true};
  else if (m <= 1 || matrix.strides[0] == 1)
    block = {matrix.data, matrix.strides[1], false};
  else
    block = detail::block_of(policy, matrix, matrix_copy);
  detail::run_matvec<value_of<P, T>>(policy, block.data, m, n, block.apart, block.by_rows, numbers, alpha, to);
  for (std::int64_t i = 0; i < m; ++i)  // a NaN of a row, or of x, is one of y
    if (is_nan(to.element(i))) detail::refuse_product(matrix, "a", vector, "x", "y", i);
}
template <tensor A, tensor X, tensor Y>
void matvec(const A& a, const X& x, Y&& y, double alpha = 1) {
  matvec(detail::default_policy<A, X, Y>(), a, x, y, alpha);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
