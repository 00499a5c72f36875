// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../primitives/scan.hpp"
#include "scan_walk.hpp"

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
#include "segment_reduce.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// What the threads before this one hold, merged in order. All threads of the block call it; before they do again, they wait
/// for each other.
template <class Part>
__device__ Part merged_before_thread(const Part& mine) {
  __shared__ alignas(16) unsigned char memory[2 * block_threads * sizeof(Part)];
  Part* from = reinterpret_cast<Part*>(memory);
  Part* to = from + block_threads;
  const int thread = static_cast<int>(threadIdx.x);
  from[thread] = mine;
  for (int distance = 1; distance < block_threads; distance *= 2) {
    __syncthreads();
    scan_round(thread, distance, from, to);
    Part* const other = from;
    from = to;
    to = other;
  }
  __syncthreads();
  return thread == 0 ? Part::identity() : from[thread - 1];
}

template <class Walk>
__global__ void __launch_bounds__(block_threads) merge_scan_tiles(const Walk walk, typename Walk::part* parts) {
  for (std::int64_t tile = blockIdx.x; tile < walk.tiles(); tile += gridDim.x) {
    const auto all = merged_over_block(walk.of_thread(tile, static_cast<int>(threadIdx.x)));
    if (threadIdx.x == 0) parts[tile] = all;
    __syncthreads();
  }
}

/// One block: what comes before every tile takes the tile's place.
template <class Part>
__global__ void __launch_bounds__(block_threads) scan_tiles(Part* parts, std::int64_t count) {
  const int thread = static_cast<int>(threadIdx.x);
  const Part before = merged_before_thread(merged_stretch(parts, count, thread));
  spread_stretch(parts, count, thread, before);
}

template <class Walk>
__global__ void __launch_bounds__(block_threads)
    write_scan_tiles(const Walk walk, const typename Walk::part* parts, fault_word* fault) {
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t tile = blockIdx.x; tile < walk.tiles(); tile += gridDim.x) {
    auto before = parts[tile];
    merge_parts(before, merged_before_thread(walk.of_thread(tile, thread)));
    __syncthreads();  // every thread has read its elements, and its part of the shared memory
    before.fault = no_fault;
    note_fault(fault, walk.write_thread(tile, thread, before));
  }
}

/// Throws what the host would throw.
template <class In, class Out, class Offsets>
struct scan_verdict {
  In in;
  Out out;
  Offsets offsets;
  std::int64_t n;
  bool reverse;

  void operator()(const cuda& policy, const fault& bad, const no_statistics&) const {
    if (bad.code == fault_code::none) return;
    if constexpr (requires { offsets.view; })
      if (bad.code == fault_code::not_ascending) refuse_offsets(policy, offsets, n, bad.index);
    const std::int64_t k = reverse ? n - 1 - bad.index : bad.index;
    const auto name_at = [&](const auto&... c) {
      const char* names[] = {name_of_column(c)...};
      return names[bad.argument];
    };
    if (bad.code == fault_code::not_a_number) throw domain_error(std::apply(name_at, in), k, "is not a number");
    throw domain_error(std::apply(name_at, out), k, "is undefined: terms of +inf and -inf meet");
  }
};

template <bool Reverse, class P, class Kernel, class In, class Out, class Offsets, std::size_t... R, std::size_t... W>
auto run_scan_on_device(const P& policy, const Kernel& kernel, const In& in, const Out& out, const Offsets& offsets,
                        std::int64_t n, bool exclusive, std::index_sequence<R...>, std::index_sequence<W...>) {
  using T = typename compute_in<std::tuple_element_t<R, In>..., std::tuple_element_t<W, Out>...>::type;
  using from = bundle<decltype(lanes_of_column<T>(std::get<R>(in)))...>;
  using to = bundle<decltype(lanes_of_column<T>(std::get<W>(out)))...>;
  using walk_type = scan_walk<T, Reverse, Kernel, Offsets, from, to>;
  static_assert(std::is_trivially_copyable_v<walk_type>, "zermelo: kernels on a device are trivially copyable");
  const walk_type walk{
      kernel, offsets,  from(lanes_of_column<T>(std::get<R>(in))...), to(lanes_of_column<T>(std::get<W>(out))...),
      n,      exclusive};
  const std::int64_t tiles = walk.tiles();
  scratch_layout layout;
  const std::size_t parts_at = layout.add<typename walk_type::part>(tiles);
  const device_scratch<P> scratch(policy, layout);
  auto* const parts = scratch.template at<typename walk_type::part>(parts_at);
  const cuda& on = cuda_of(policy);
  clear_fault(on, scratch.fault());
  if constexpr (walk_type::segmented) {
    check_ascending<<<blocks_for(offsets.segments() + 1), block_threads, 0, on.stream()>>>(offsets, n, scratch.fault());
    require_launched("checking offsets");
  }
  if (tiles > 0 && (!walk_type::segmented || offsets.segments() > 0)) {
    const auto blocks = static_cast<unsigned>(tiles < (1 << 20) ? tiles : (1 << 20));
    merge_scan_tiles<<<blocks, block_threads, 0, on.stream()>>>(walk, parts);
    require_launched("merging the tiles of a scan");
    scan_tiles<<<1, block_threads, 0, on.stream()>>>(parts, tiles);
    require_launched("scanning the tiles of a scan");
    write_scan_tiles<<<blocks, block_threads, 0, on.stream()>>>(walk, parts, scratch.fault());
    require_launched("writing the tiles of a scan");
  }
  return answer<no_statistics>(policy, scratch, scan_verdict<In, Out, Offsets>{in, out, offsets, n, Reverse});
}

template <class P, class Kernel, class... X, class... Y, class Offsets>
auto scan_on_device(const P& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out,
                    scan_parameters p, const Offsets& offsets) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) >= 1,
                "zermelo: 1 to 8 inputs, 1 or more outputs");
  return [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const std::tuple from(column_of<memory::device>(std::get<R>(in.tensors), input_names[R])...);
    const std::tuple to(column_of<memory::device>(std::get<W>(out.tensors), output_names[W])...);
    const std::int64_t n = std::get<0>(from).view.size();
    (check_length(std::get<R>(from), std::get<0>(from).name, n), ...);
    (check_length(std::get<W>(to), std::get<0>(from).name, n), ...);
    return p.reverse ? run_scan_on_device<true>(policy, kernel, from, to, offsets, n, p.exclusive, read, write)
                     : run_scan_on_device<false>(policy, kernel, from, to, offsets, n, p.exclusive, read, write);
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host, in double from the first merge on.
template <device_policy P, class Kernel, class... X, class... Y>
auto scan(P&& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out, scan_parameters p = {}) {
  detail::require_device_memory<X..., Y...>();
  return detail::scan_on_device(detail::as_cuda(policy), kernel, in, out, p, detail::device_whole{});
}

/// As on the host.
template <device_policy P, class Kernel, class... X, tensor N, class... Y>
auto segment_scan(P&& policy, const Kernel& kernel, const inputs<X...>& in, const N& offsets, const outputs<Y...>& out,
                  scan_parameters p = {}) {
  detail::require_device_memory<X..., N, Y...>();
  const auto v = view(offsets);
  using view_type = std::remove_const_t<decltype(v)>;
  static_assert(view_type::rank == 1 && std::is_integral_v<typename view_type::value_type>,
                "zermelo: offsets are a tensor of rank 1 of integers");
  if (v.size() == 0) throw shape_error("offsets", "is empty, expected one more offset than there are segments");
  return detail::scan_on_device(detail::as_cuda(policy), kernel, in, out, p, detail::given_offsets<view_type>{v});
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
