// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../primitives/row_reduce.hpp"
#include "segment_reduce.hpp"
#include "softmax_walk.hpp"

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../execution/cuda.hpp"
#include "../../execution/default_policy.hpp"
#include "blocks.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// A block a row, row after row.
template <class Walk>
__global__ void __launch_bounds__(block_threads) softmax_of_rows(const Walk walk, fault_word* fault) {
  __shared__ double row_largest, row_sum;
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t r = blockIdx.x; r < walk.x.shape[0]; r += gridDim.x) {
    const auto most = merged_over_block(walk.largest_of_lane(r, thread, block_threads));
    if (thread == 0) {
      row_largest = get<0>(most.totals).value;
      note_fault(fault, most.fault);
      note_fault(fault, walk.fault_of_row(r, row_largest));
    }
    __syncthreads();
    const auto sum = merged_over_block(walk.sum_of_lane(r, row_largest, thread, block_threads));
    if (thread == 0) row_sum = get<0>(sum.totals).value;
    __syncthreads();
    walk.write_lane(r, row_largest, row_sum, thread, block_threads);
    __syncthreads();  // nobody writes the next row's largest before this one's was read
  }
}

/// Says what is wrong with row r, as refuse_softmax does on the host.
template <class T, class C>
void refuse_softmax_on_device(const cuda& policy, const C& x, std::int64_t r) {
  const std::int64_t width = x.view.shape[1];
  std::vector<T> row(static_cast<std::size_t>(width));
  for (std::int64_t j = 0; j < width; ++j) copy_to_host(policy, &row[static_cast<std::size_t>(j)], &x.view(r, j));
  for (std::int64_t j = 0; j < width; ++j)
    if (is_nan(static_cast<double>(row[static_cast<std::size_t>(j)])))
      throw domain_error(x.name, r * width + j, "is not a number");
  for (std::int64_t j = 0; j < width; ++j)
    if (static_cast<double>(row[static_cast<std::size_t>(j)]) == infinity<double>())
      throw domain_error(x.name, r * width + j, "is +inf: the softmax of row " + std::to_string(r) + " is undefined");
  throw domain_error(x.name, r * width, "all of row " + std::to_string(r) + " is -inf: its softmax is undefined");
}

template <softmax_output Form, class P, class X, class O>
auto run_softmax_on_device(const P& policy, const X& x, O&& out) {
  require_device_memory<X, O>();
  const auto from = column_of<memory::device>(x, "x");
  const auto to = column_of<memory::device>(out, "out");
  using view_type = std::remove_const_t<decltype(from.view)>;
  using T = typename compute_in<std::remove_const_t<decltype(from)>, std::remove_const_t<decltype(to)>>::type;
  static_assert(view_type::rank == 2, "zermelo: rows are those of tensors of rank 2");
  const std::int64_t rows = from.view.shape[0];
  if constexpr (Form == softmax_output::normaliser)
    require_segments(to, rows, "rows");
  else
    require_same_shape(to, from);
  const device_scratch<P> scratch(policy, scratch_layout{});
  const cuda& on = cuda_of(policy);
  clear_fault(on, scratch.fault());
  if (rows > 0) {
    const softmax_walk<T, Form, view_type, std::remove_const_t<decltype(to.view)>> walk{from.view, to.view};
    const auto blocks = static_cast<unsigned>(rows < 65535 ? rows : 65535);
    softmax_of_rows<<<blocks, block_threads, 0, on.stream()>>>(walk, scratch.fault());
    require_launched("the softmax of rows");
  }
  return answer<no_statistics>(policy, scratch, [from](const cuda& waited, const fault& bad, const no_statistics&) {
    if (bad.code != fault_code::none) refuse_softmax_on_device<typename view_type::value_type>(waited, from, bad.index);
  });
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host. gpu.into(record) returns a device_result that holds nothing but the fault.
template <device_policy P, class Kernel, class... X, class... Y>
auto row_reduce(P&& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) >= 1 && sizeof...(Y) <= 8,
                "zermelo: 1 to 8 inputs, 1 to 8 outputs");
  detail::require_device_memory<X..., Y...>();
  return [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const std::tuple from(detail::column_of<memory::device>(std::get<R>(in.tensors), detail::input_names[R])...);
    const std::tuple to(detail::column_of<memory::device>(std::get<W>(out.tensors), detail::output_names[W])...);
    (detail::require_same_shape(std::get<R>(from), std::get<0>(from)), ...);
    const std::int64_t rows = std::get<0>(from).view.shape[0], width = std::get<0>(from).view.shape[1];
    (detail::require_segments(std::get<W>(to), rows, "rows"), ...);
    return detail::run_segments_on_device(detail::as_cuda(policy), kernel, from, to, detail::equal_offsets{rows, width},
                                          rows * width, read, write);
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

/// As on the host.
template <device_policy P, tensor X, tensor O>
auto softmax_rows(P&& policy, const X& x, O&& out) {
  return detail::run_softmax_on_device<detail::softmax_output::probabilities>(detail::as_cuda(policy), x, out);
}
template <device_policy P, tensor X, tensor O>
auto log_softmax_rows(P&& policy, const X& x, O&& out) {
  return detail::run_softmax_on_device<detail::softmax_output::logarithms>(detail::as_cuda(policy), x, out);
}
template <device_policy P, tensor X, tensor O>
auto log_sum_exp_rows(P&& policy, const X& x, O&& out) {
  return detail::run_softmax_on_device<detail::softmax_output::normaliser>(detail::as_cuda(policy), x, out);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
