// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../execution/cuda.hpp"

/// Products of matrices and linear systems in device memory, by cuBLAS and cuSOLVER: matvec, matmul, device_cholesky. Programs
/// that include this header as CUDA link both libraries (zermelo::cuda_blas); matmul.hpp and solve.hpp are for the host.
#if defined(__CUDACC__)

#include <cublas_v2.h>
#include <cusolverDn.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "../detail/cuda/array.hpp"
#include "../detail/cuda/blocks.hpp"
#include "../detail/lengths.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../tensor.hpp"
#include "../value.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

ZERMELO_INLINE void require_cublas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw error(std::string("cuBLAS, ") + what + ": " + cublasGetStatusString(status));
}
ZERMELO_INLINE void require_cusolver(cusolverStatus_t status, const char* what) {
  if (status != CUSOLVER_STATUS_SUCCESS)
    throw error(std::string("cuSOLVER, ") + what + ": status " + std::to_string(static_cast<int>(status)));
}

/// Handles that a policy keeps.
struct blas_handle {
  cublasHandle_t handle = nullptr;
  blas_handle() { require_cublas(cublasCreate(&handle), "making a handle"); }
  blas_handle(const blas_handle&) = delete;
  blas_handle& operator=(const blas_handle&) = delete;
  ~blas_handle() { static_cast<void>(cublasDestroy(handle)); }
};
struct solver_handle {
  cusolverDnHandle_t handle = nullptr;
  solver_handle() { require_cusolver(cusolverDnCreate(&handle), "making a handle"); }
  solver_handle(const solver_handle&) = delete;
  solver_handle& operator=(const solver_handle&) = delete;
  ~solver_handle() { static_cast<void>(cusolverDnDestroy(handle)); }
};

ZERMELO_INLINE cublasHandle_t cublas_of(const cuda& policy) {
  const cublasHandle_t handle = policy.keep<blas_handle>().handle;
  require_cublas(cublasSetStream(handle, policy.stream()), "setting the stream");
  require_cublas(cublasSetPointerMode(handle, CUBLAS_POINTER_MODE_HOST), "setting the pointer mode");
  return handle;
}

/// One after another in row-major order, and back.
template <class C, class T>
__global__ void __launch_bounds__(block_threads) pack_elements(const C from, T* to) {
  const std::int64_t n = from.view.size();
  for (std::int64_t k = first_index(); k < n; k += index_step()) to[k] = from.at(k);
}
template <class C, class T>
__global__ void __launch_bounds__(block_threads) unpack_elements(const T* from, const C to) {
  const std::int64_t n = to.view.size();
  for (std::int64_t k = first_index(); k < n; k += index_step()) to.at(k) = from[k];
}
template <class C>
__global__ void __launch_bounds__(block_threads)
    find_nan_elements(const C x, fault_code code, int argument, fault_word* fault) {
  const std::int64_t n = x.view.size();
  for (std::int64_t k = first_index(); k < n; k += index_step())
    if (is_nan(x.at(k))) note_fault(fault, word_of(code, argument, k));
}
template <class View>
ZERMELO_INLINE void find_nan_on_device(const cuda& policy, const View& x, fault_code code, int argument,
                                       fault_word* fault) {
  if (x.size() == 0) return;
  find_nan_elements<<<blocks_for(x.size()), block_threads, 0, policy.stream()>>>(
      device_column_of<typename View::value_type>(x), code, argument, fault);
  require_launched("looking for a NaN");
}

/// A matrix whose rows, or whose columns, are numbers side by side that do not overlap.
template <class T>
struct device_block {
  T* data;
  std::int64_t apart;
  bool by_rows;
};

template <class View>
ZERMELO_INLINE bool rows_side_by_side(const View& x) {
  const std::int64_t n = x.shape[1];
  return (n <= 1 || x.strides[1] == 1) && (x.shape[0] <= 1 || x.strides[0] >= (n > 1 ? n : 1));
}
ZERMELO_INLINE std::int64_t at_least_one(std::int64_t n) { return n < 1 ? 1 : n; }
ZERMELO_INLINE std::int64_t larger(std::int64_t a, std::int64_t b) { return a < b ? b : a; }

/// The block of a matrix, of which `copy` is a packed copy if it has to be one.
template <class View, class T>
ZERMELO_INLINE device_block<T> block_on_device(const View& x, T* copy) {
  T* const data = const_cast<T*>(x.data);
  if (rows_side_by_side(x)) return {data, larger(x.shape[0] > 1 ? x.strides[0] : 1, at_least_one(x.shape[1])), true};
  if (rows_side_by_side(transposed(x)))
    return {data, larger(x.shape[1] > 1 ? x.strides[1] : 1, at_least_one(x.shape[0])), false};
  return {copy, at_least_one(x.shape[1]), true};
}
template <class View>
ZERMELO_INLINE bool needs_copy(const View& x) {
  return !rows_side_by_side(x) && !rows_side_by_side(transposed(x));
}
template <class View, class T>
ZERMELO_INLINE void pack_on_device(const cuda& policy, const View& x, T* to) {
  if (x.size() == 0) return;
  pack_elements<<<blocks_for(x.size()), block_threads, 0, policy.stream()>>>(device_column_of<T>(x), to);
  require_launched("packing a strided tensor");
}

ZERMELO_INLINE cublasStatus_t gemm(cublasHandle_t h, cublasOperation_t a, cublasOperation_t b, std::int64_t m,
                                   std::int64_t n, std::int64_t k, const float* alpha, const float* x, std::int64_t lx,
                                   const float* y, std::int64_t ly, const float* beta, float* z, std::int64_t lz) {
  return cublasSgemm_64(h, a, b, m, n, k, alpha, x, lx, y, ly, beta, z, lz);
}
ZERMELO_INLINE cublasStatus_t gemm(cublasHandle_t h, cublasOperation_t a, cublasOperation_t b, std::int64_t m,
                                   std::int64_t n, std::int64_t k, const double* alpha, const double* x,
                                   std::int64_t lx, const double* y, std::int64_t ly, const double* beta, double* z,
                                   std::int64_t lz) {
  return cublasDgemm_64(h, a, b, m, n, k, alpha, x, lx, y, ly, beta, z, lz);
}
ZERMELO_INLINE cublasStatus_t gemv(cublasHandle_t h, cublasOperation_t a, std::int64_t m, std::int64_t n,
                                   const float* alpha, const float* x, std::int64_t lx, const float* v,
                                   const float* beta, float* y) {
  return cublasSgemv_64(h, a, m, n, alpha, x, lx, v, 1, beta, y, 1);
}
ZERMELO_INLINE cublasStatus_t gemv(cublasHandle_t h, cublasOperation_t a, std::int64_t m, std::int64_t n,
                                   const double* alpha, const double* x, std::int64_t lx, const double* v,
                                   const double* beta, double* y) {
  return cublasDgemv_64(h, a, m, n, alpha, x, lx, v, 1, beta, y, 1);
}

/// Throws what the host would throw. A NaN of the factors is one of the product.
template <class A, class B>
struct product_verdict {
  A a;
  B b;
  const char *b_name, *name;
  void operator()(const cuda& policy, const fault& bad, const no_statistics&) const {
    if (bad.code == fault_code::none) return;
    const device_scratch<cuda> scratch(policy, scratch_layout{});
    clear_fault(policy, scratch.fault());
    find_nan_on_device(policy, a, fault_code::not_a_number, 0, scratch.fault());
    fault_word word = no_fault;
    copy_to_host(policy, &word, scratch.fault());
    if (word != no_fault) throw domain_error("a", fault_of(word).index, "is not a number");
    find_nan_on_device(policy, b, fault_code::not_a_number, 0, scratch.fault());
    copy_to_host(policy, &word, scratch.fault());
    if (word != no_fault) throw domain_error(b_name, fault_of(word).index, "is not a number");
    throw domain_error(name, bad.index, "is undefined: an infinity meets zero or its opposite");
  }
};

template <class A, class B>
void require_device_numbers() {
  using T = typename A::value_type;
  static_assert(std::is_same_v<T, typename B::value_type> && std::is_floating_point_v<T>,
                "zermelo: the tensors of a product are all of float or all of double");
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// C = α A B, as on the host, by cuBLAS: sums are in the tensors' own precision, without tensor-float.
///
/// a [m, k], b [k, n], c [m, n]: all of float or all of double, in device memory, any strides; c overlaps neither.
/// gpu.into(record) returns a device_result that holds nothing but the fault; make one call before a capture, which makes
/// cuBLAS's handle.
template <device_policy P, tensor A, tensor B, tensor C>
auto matmul(P&& policy, const A& a, const B& b, C&& c, double alpha = 1) {
  detail::require_device_memory<A, B, C>();
  const auto left = view(a);
  const auto right = view(b);
  const auto to = view(c);
  using view_a = std::remove_const_t<decltype(left)>;
  using view_b = std::remove_const_t<decltype(right)>;
  using view_c = std::remove_const_t<decltype(to)>;
  using T = typename view_a::value_type;
  static_assert(view_a::rank == 2 && view_b::rank == 2 && view_c::rank == 2, "zermelo: a matrix has rank 2");
  detail::require_device_numbers<view_a, view_b>();
  detail::require_device_numbers<view_a, view_c>();
  const std::int64_t m = left.shape[0], k = left.shape[1], n = right.shape[1];
  detail::require_extent("b", right.shape[0], k, "rows");
  detail::require_extent("c", to.shape[0], m, "rows");
  detail::require_extent("c", to.shape[1], n, "columns");
  if (!is_finite(alpha)) throw domain_error("alpha", domain_error::whole, "is not finite");

  const bool copy_left = detail::needs_copy(left), copy_right = detail::needs_copy(right),
             copy_out = detail::needs_copy(to);
  detail::scratch_layout layout;
  const std::size_t left_at = layout.add<T>(copy_left ? m * k : 0), right_at = layout.add<T>(copy_right ? k * n : 0);
  const std::size_t out_at = layout.add<T>(copy_out ? m * n : 0);
  const auto& with = detail::as_cuda(policy);
  const detail::device_scratch<std::remove_cvref_t<decltype(with)>> scratch(with, layout);
  const cuda& on = detail::cuda_of(with);
  detail::clear_fault(on, scratch.fault());
  T* const left_copy = scratch.template at<T>(left_at);
  T* const right_copy = scratch.template at<T>(right_at);
  T* const out_copy = scratch.template at<T>(out_at);
  if (copy_left) detail::pack_on_device(on, left, left_copy);
  if (copy_right) detail::pack_on_device(on, right, right_copy);
  const auto x = detail::block_on_device(left, left_copy), y = detail::block_on_device(right, right_copy);
  const auto z = detail::block_on_device(to, out_copy);
  if (m > 0 && n > 0) {
    const T scale = static_cast<T>(alpha), zero = 0;
    const cublasHandle_t handle = detail::cublas_of(on);
    // cuBLAS stores by columns: what lies there by rows is, for it, the transposed matrix.
    if (z.by_rows)  // Cᵀ = α Bᵀ Aᵀ
      detail::require_cublas(
          detail::gemm(handle, y.by_rows ? CUBLAS_OP_N : CUBLAS_OP_T, x.by_rows ? CUBLAS_OP_N : CUBLAS_OP_T, n, m, k,
                       &scale, y.data, y.apart, x.data, x.apart, &zero, z.data, z.apart),
          "a product of matrices");
    else
      detail::require_cublas(
          detail::gemm(handle, x.by_rows ? CUBLAS_OP_T : CUBLAS_OP_N, y.by_rows ? CUBLAS_OP_T : CUBLAS_OP_N, m, n, k,
                       &scale, x.data, x.apart, y.data, y.apart, &zero, z.data, z.apart),
          "a product of matrices");
    if (copy_out) {
      detail::unpack_elements<<<detail::blocks_for(m * n), detail::block_threads, 0, on.stream()>>>(
          static_cast<const T*>(out_copy), detail::device_column_of<T>(to));
      detail::require_launched("unpacking a product");
    }
    detail::find_nan_on_device(on, to, fault_code::undefined, 0, scratch.fault());
    if (alpha == 0) {  // then cuBLAS looks at neither
      detail::find_nan_on_device(on, left, fault_code::not_a_number, 0, scratch.fault());
      detail::find_nan_on_device(on, right, fault_code::not_a_number, 1, scratch.fault());
    }
  }
  return detail::answer<no_statistics>(with, scratch, detail::product_verdict<view_a, view_b>{left, right, "b", "c"});
}
template <tensor A, tensor B, tensor C>
  requires(view_t<A>::where == memory::device)
void matmul(const A& a, const B& b, C&& c, double alpha = 1) {
  matmul(detail::default_policy<A, B, C>(), a, b, c, alpha);
}

/// y = α A x, as on the host, by cuBLAS.
///
/// a [m, n], x [n], y [m]: all of float or all of double, in device memory, any strides; y overlaps neither.
template <device_policy P, tensor A, tensor X, tensor Y>
auto matvec(P&& policy, const A& a, const X& x, Y&& y, double alpha = 1) {
  detail::require_device_memory<A, X, Y>();
  const auto matrix = view(a);
  const auto vector = view(x);
  const auto to = view(y);
  using view_a = std::remove_const_t<decltype(matrix)>;
  using view_x = std::remove_const_t<decltype(vector)>;
  using T = typename view_a::value_type;
  static_assert(view_a::rank == 2, "zermelo: a matrix has rank 2");
  detail::require_device_numbers<view_a, view_x>();
  detail::require_device_numbers<view_a, std::remove_const_t<decltype(to)>>();
  const std::int64_t m = matrix.shape[0], n = matrix.shape[1];
  detail::require_extent("x", vector.size(), n, "elements");
  detail::require_extent("y", to.size(), m, "elements");
  if (!is_finite(alpha)) throw domain_error("alpha", domain_error::whole, "is not finite");

  const bool copy_matrix = detail::needs_copy(matrix), copy_vector = !vector.contiguous(), copy_out = !to.contiguous();
  detail::scratch_layout layout;
  const std::size_t matrix_at = layout.add<T>(copy_matrix ? m * n : 0);
  const std::size_t vector_at = layout.add<T>(copy_vector ? n : 0), out_at = layout.add<T>(copy_out ? m : 0);
  const auto& with = detail::as_cuda(policy);
  const detail::device_scratch<std::remove_cvref_t<decltype(with)>> scratch(with, layout);
  const cuda& on = detail::cuda_of(with);
  detail::clear_fault(on, scratch.fault());
  T* const matrix_copy = scratch.template at<T>(matrix_at);
  if (copy_matrix) detail::pack_on_device(on, matrix, matrix_copy);
  if (copy_vector) detail::pack_on_device(on, vector, scratch.template at<T>(vector_at));
  const T* const numbers = copy_vector ? scratch.template at<T>(vector_at) : vector.data;
  T* const out = copy_out ? scratch.template at<T>(out_at) : to.data;
  if (m > 0 && n > 0) {
    const auto block = detail::block_on_device(matrix, matrix_copy);
    const T scale = static_cast<T>(alpha), zero = 0;
    detail::require_cublas(block.by_rows ? detail::gemv(detail::cublas_of(on), CUBLAS_OP_T, n, m, &scale, block.data,
                                                        block.apart, numbers, &zero, out)
                                         : detail::gemv(detail::cublas_of(on), CUBLAS_OP_N, m, n, &scale, block.data,
                                                        block.apart, numbers, &zero, out),
                           "a product with a vector");
  } else if (m > 0) {
    detail::require_cuda(cudaMemsetAsync(out, 0, static_cast<std::size_t>(m) * sizeof(T), on.stream()),
                         "clearing a product");
  }
  if (m > 0 && copy_out) {
    detail::unpack_elements<<<detail::blocks_for(m), detail::block_threads, 0, on.stream()>>>(
        static_cast<const T*>(out), detail::device_column_of<T>(to));
    detail::require_launched("unpacking a product");
  }
  detail::find_nan_on_device(on, to, fault_code::undefined, 0, scratch.fault());
  if (alpha == 0) {
    detail::find_nan_on_device(on, matrix, fault_code::not_a_number, 0, scratch.fault());
    detail::find_nan_on_device(on, vector, fault_code::not_a_number, 1, scratch.fault());
  }
  return detail::answer<no_statistics>(with, scratch,
                                       detail::product_verdict<view_a, view_x>{matrix, vector, "x", "y"});
}
template <tensor A, tensor X, tensor Y>
  requires(view_t<A>::where == memory::device)
void matvec(const A& a, const X& x, Y&& y, double alpha = 1) {
  matvec(detail::default_policy<A, X, Y>(), a, x, y, alpha);
}

}  // namespace ZERMELO_ISA

/// A = L Lᵀ in device memory, kept so that many systems can be solved with it, by cuSOLVER. The policy must outlive it.
class device_cholesky {
 public:
  ZERMELO_INLINE explicit device_cholesky(const cuda& policy) : policy_(&policy) {}

  /// Factors a [n, n] of double, any strides, of which the lower triangle is read. False if A is not positive definite in
  /// this precision; then nothing can be solved. Waits.   Errors: shape_error.   Cost: n³/3 multiplications.
  template <tensor A>
  ZERMELO_INLINE bool factor(const A& a) {
    detail::require_device_memory<A>();
    const auto matrix = view(a);
    using view_a = std::remove_const_t<decltype(matrix)>;
    static_assert(view_a::rank == 2 && std::is_same_v<typename view_a::value_type, double>,
                  "zermelo: a system is a matrix of double");
    const std::int64_t n = matrix.shape[0];
    detail::require_extent("a", matrix.shape[1], n, "columns");
    if (n > (std::numeric_limits<int>::max)()) throw shape_error("a", std::to_string(n) + " rows are too many");
    n_ = n;
    if (n == 0) return true;
    if (n * n > factor_.size()) factor_ = detail::device_array<double>(*policy_, n * n);
    detail::pack_on_device(*policy_, matrix, factor_.data());
    const cusolverDnHandle_t handle = solver();
    int work = 0;
    // Row after row, the lower triangle is for cuSOLVER the upper one of columns.
    detail::require_cusolver(cusolverDnDpotrf_bufferSize(handle, CUBLAS_FILL_MODE_UPPER, static_cast<int>(n),
                                                         factor_.data(), static_cast<int>(n), &work),
                             "asking for the memory of a factorisation");
    detail::scratch_layout layout;
    const std::size_t work_at = layout.add<double>(work), info_at = layout.add<int>(1);
    const detail::device_scratch<cuda> scratch(*policy_, layout);
    int* const info = scratch.at<int>(info_at);
    detail::require_cusolver(cusolverDnDpotrf(handle, CUBLAS_FILL_MODE_UPPER, static_cast<int>(n), factor_.data(),
                                              static_cast<int>(n), scratch.at<double>(work_at), work, info),
                             "a factorisation");
    int failed = 0;
    detail::copy_to_host(*policy_, &failed, info);
    return failed == 0;
  }

  /// x ← A⁻¹ x, for x [n] of double, contiguous. Does not wait.   Errors: shape_error.   Cost: n².
  template <tensor X>
  ZERMELO_INLINE void solve(X&& x) const {
    detail::require_device_memory<X>();
    const auto v = view(x);
    using view_x = std::remove_const_t<decltype(v)>;
    static_assert(std::is_same_v<typename view_x::element_type, double>, "zermelo: a solution is a vector of double");
    detail::require_extent("x", v.size(), n_, "elements");
    if (!v.contiguous()) throw shape_error("x", "is strided, expected numbers side by side");
    if (n_ == 0) return;
    detail::scratch_layout layout;
    const std::size_t info_at = layout.add<int>(1);
    const detail::device_scratch<cuda> scratch(*policy_, layout);
    detail::require_cusolver(
        cusolverDnDpotrs(solver(), CUBLAS_FILL_MODE_UPPER, static_cast<int>(n_), 1, factor_.data(),
                         static_cast<int>(n_), v.data, static_cast<int>(n_), scratch.at<int>(info_at)),
        "solving a system");
  }

  ZERMELO_INLINE std::int64_t size() const { return n_; }

 private:
  ZERMELO_INLINE cusolverDnHandle_t solver() const {
    const cusolverDnHandle_t handle = policy_->keep<detail::solver_handle>().handle;
    detail::require_cusolver(cusolverDnSetStream(handle, policy_->stream()), "setting the stream");
    return handle;
  }

  const cuda* policy_;
  detail::device_array<double> factor_;
  std::int64_t n_ = 0;
};

}  // namespace zermelo::inline v1

#endif
