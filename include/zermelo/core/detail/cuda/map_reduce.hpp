// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../primitives/map_reduce.hpp"
#include "map_walk.hpp"

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../../execution/cuda.hpp"
#include "../../execution/default_policy.hpp"
#include "blocks.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

template <class Walk>
__global__ void __launch_bounds__(block_threads) map_blocks_of(const Walk walk, typename Walk::part* parts) {
  const std::int64_t thread = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const auto all = merged_over_block(walk.of_thread(thread, static_cast<std::int64_t>(gridDim.x) * block_threads));
  if (threadIdx.x == 0) parts[blockIdx.x] = all;
}

/// One block: the parts of all blocks in order, as the record.
template <class Part, class Totals>
__global__ void __launch_bounds__(block_threads)
    merge_blocks(const Part* parts, int count, fault_word* fault, Totals* totals) {
  const auto all = merged_over_block(merged_stretch(parts, count, static_cast<int>(threadIdx.x)));
  if (threadIdx.x == 0) {
    *fault = all.fault;
    *totals = all.totals;
  }
}

/// Throws what the host would throw.
template <class Kernel, class In, std::size_t... R>
void refuse_mapped(const cuda& policy, const Kernel& kernel, const In& in, const fault& bad,
                   std::index_sequence<R...>) {
  const char* names[] = {std::get<R>(in).name...};
  if (bad.code == fault_code::not_a_number) throw domain_error(names[bad.argument], bad.index, "is not a number");
  if constexpr (requires { kernel.explain(bad.index, (static_cast<void>(R), 0.0)...); })
    throw kernel.explain(bad.index, element_on_host(policy, std::get<R>(in), bad.index)...);
  throw domain_error("inputs", bad.index, "is refused by the kernel");
}

template <class P, class Kernel, class In, class Out, class Mask, std::size_t... R, std::size_t... W>
auto run_map_on_device(const P& policy, const Kernel& kernel, const In& in, const Out& out, const Mask& mask,
                       std::index_sequence<R...> read, std::index_sequence<W...>) {
  using T = typename compute_in<std::tuple_element_t<R, In>..., std::tuple_element_t<W, Out>...>::type;
  const std::int64_t n = std::get<0>(in).view.size();
  (check_length(std::get<R>(in), std::get<0>(in).name, n), ...);
  (check_length(std::get<W>(out), std::get<0>(in).name, n), ...);
  check_length(mask, std::get<0>(in).name, n);

  using from = bundle<decltype(lanes_of_column<T>(std::get<R>(in)))...>;
  using to = bundle<decltype(lanes_of_column<T>(std::get<W>(out)))...>;
  const auto kept = lanes_of_column<T>(mask);
  using walk_type = map_walk<T, Kernel, std::remove_const_t<decltype(kept)>, from, to>;
  using part = typename walk_type::part;
  using totals = typename walk_type::totals;
  const walk_type walk{kernel, kept, from(lanes_of_column<T>(std::get<R>(in))...),
                       to(lanes_of_column<T>(std::get<W>(out))...), n};
  static_assert(std::is_trivially_copyable_v<walk_type>, "zermelo: kernels on a device are trivially copyable");

  const auto blocks = static_cast<unsigned>(map_blocks<T>(n));
  scratch_layout layout;
  const std::size_t parts_at = layout.add<part>(blocks);
  const device_scratch<P> scratch(policy, layout);
  part* const parts = scratch.template at<part>(parts_at);
  const cudaStream_t stream = cuda_of(policy).stream();
  map_blocks_of<<<blocks, block_threads, 0, stream>>>(walk, parts);
  require_launched("launching map_reduce");
  auto* const sums = reinterpret_cast<totals*>(static_cast<std::byte*>(scratch.record) + device_record::header);
  merge_blocks<<<1, block_threads, 0, stream>>>(parts, static_cast<int>(blocks), scratch.fault(), sums);
  require_launched("merging the blocks of map_reduce");
  return answer<totals>(policy, scratch, [kernel, in, read](const cuda& on, const fault& bad, const totals& all) {
    if (bad.code != fault_code::none) refuse_mapped(on, kernel, in, bad, read);
    return all;
  });
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host. The policy `cuda` waits and returns the statistics; gpu.into(record) returns a device_result of them.
template <device_policy P, class Kernel, class... X, class... Y, class... Mask>
  requires(sizeof...(Mask) <= 1)
auto map_reduce(P&& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out,
                const counted_where<Mask>&... where) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) <= 8, "zermelo: 1 to 8 inputs, 0 to 8 outputs");
  detail::require_device_memory<X..., Y..., Mask...>();
  return [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const auto run = [&](const auto& mask) {
      return detail::run_map_on_device(
          detail::as_cuda(policy), kernel,
          std::tuple(detail::column_of<memory::device>(std::get<R>(in.tensors), detail::input_names[R])...),
          std::tuple(detail::column_of<memory::device>(std::get<W>(out.tensors), detail::output_names[W])...), mask,
          read, write);
    };
    if constexpr (sizeof...(Mask) == 0)
      return run(detail::no_column{});
    else
      return run(detail::column_of<memory::device>(where.tensor, "mask")...);
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
