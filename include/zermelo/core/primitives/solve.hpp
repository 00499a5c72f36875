// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// GCC 12's own AVX-512 intrinsics, inlined into Eigen, pass what they call undefined to themselves.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Cholesky>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../config.hpp"
#include "../error.hpp"

/// Dense symmetric positive definite systems, on the host, by Eigen.
namespace zermelo::inline v1 {

/// A = L Lᵀ, kept so that many systems can be solved with it. A is n×n, row after row; its lower triangle is read.
class cholesky {
 public:
  /// Factors A. False if A is not positive definite in this precision; then nothing can be solved.
  /// Errors: shape_error.   Cost: n³/3 multiplications; reuses its memory.
  ZERMELO_INLINE bool factor(std::span<const double> a, std::int64_t n);

  /// x ← A⁻¹ x.   Cost: n².
  ZERMELO_INLINE void solve(std::span<double> x) const;

  /// A⁻¹, n×n.   Cost: n³.
  ZERMELO_INLINE void inverse(std::span<double> out) const;

  ZERMELO_INLINE std::int64_t size() const { return n_; }

 private:
  std::int64_t n_ = 0;
  std::vector<double> l_;  // column-major
};

namespace detail::inline ZERMELO_ISA {

using column_major = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;

inline void require_square(const char* argument, std::size_t length, std::int64_t n) {
  if (static_cast<std::int64_t>(length) != n * n)
    throw shape_error(argument, std::to_string(length) + " numbers, expected " + std::to_string(n) + "²");
}

inline bool factor_in_place(std::vector<double>& a, std::int64_t n) {
  Eigen::Map<column_major> m(a.data(), n, n);
  const Eigen::LLT<Eigen::Ref<column_major>> llt(m);
  return llt.info() == Eigen::Success;
}

inline void solve_with_factor(const std::vector<double>& l, std::int64_t n, double* x, std::int64_t columns) {
  const Eigen::Map<const column_major> m(l.data(), n, n);
  Eigen::Map<column_major> b(x, n, columns);
  const auto lower = m.template triangularView<Eigen::Lower>();
  lower.solveInPlace(b);
  lower.transpose().solveInPlace(b);
}

/// C B C for symmetric n×n matrices.
inline std::vector<double> sandwich(const std::vector<double>& c, const std::vector<double>& b, std::int64_t n) {
  std::vector<double> out(c.size());
  const Eigen::Map<const column_major> bread(c.data(), n, n), filling(b.data(), n, n);
  Eigen::Map<column_major> whole(out.data(), n, n);
  whole.noalias() = bread * (filling * bread).eval();
  return out;
}

}  // namespace detail::inline ZERMELO_ISA

ZERMELO_INLINE bool cholesky::factor(std::span<const double> a, std::int64_t n) {
  detail::require_square("a", a.size(), n);
  n_ = n;
  l_.resize(a.size());
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j)
      l_[static_cast<std::size_t>(j * n + i)] = a[static_cast<std::size_t>(i * n + j)];
  return detail::factor_in_place(l_, n);
}

ZERMELO_INLINE void cholesky::solve(std::span<double> x) const {
  if (static_cast<std::int64_t>(x.size()) != n_)
    throw shape_error("x", std::to_string(x.size()) + " numbers for " + std::to_string(n_) + " unknowns");
  detail::solve_with_factor(l_, n_, x.data(), 1);
}

ZERMELO_INLINE void cholesky::inverse(std::span<double> out) const {
  detail::require_square("out", out.size(), n_);
  for (double& x : out) x = 0;
  for (std::int64_t i = 0; i < n_; ++i) out[static_cast<std::size_t>(i * n_ + i)] = 1;
  detail::solve_with_factor(l_, n_, out.data(), n_);
}

}  // namespace zermelo::inline v1
