// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../primitives/segment_reduce.hpp"
#include "segment_walk.hpp"

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

template <class Offsets>
__global__ void __launch_bounds__(block_threads)
    check_ascending(const Offsets offsets, std::int64_t n, fault_word* fault) {
  for (std::int64_t s = first_index(); s <= offsets.segments(); s += index_step())
    note_fault(fault, fault_of_offset(offsets, n, s));
}

/// A block a tile. Warps take short segments; long ones are listed and then taken by the whole block.
template <class Walk>
__global__ void __launch_bounds__(block_threads)
    reduce_tiles(const Walk walk, typename Walk::tile_part* parts, fault_word* fault) {
  using part = typename Walk::part;
  __shared__ alignas(16) unsigned char memory[block_threads * sizeof(part)];
  __shared__ segment_tile tile;
  __shared__ std::int64_t long_segments[long_segments_limit];
  __shared__ int longs;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / warp_threads, lane = thread % warp_threads;
  typename Walk::tile_part& to = parts[blockIdx.x];
  if (thread == 0) {
    tile = walk.tile(blockIdx.x);
    longs = 0;
    to.tile = tile;
    to.head = to.tail = bundle_identity<typename Walk::totals>::make();
    to.continued = false;
  }
  __syncthreads();
  const std::int64_t behind = walk.behind_last(tile);
  part* const own = reinterpret_cast<part*>(memory) + warp * warp_threads;
  for (std::int64_t s = tile.first + warp; s < behind; s += block_threads / warp_threads) {
    if (walk.is_long(tile, s)) {  // the same in all lanes
      if (lane == 0) {
        const int slot = atomicAdd(&longs, 1);
        if (slot < long_segments_limit) long_segments[slot] = s;  // more only where offsets are wrong
      }
      continue;
    }
    part all = merged_over_warp(walk.of_lane(walk.begin_of(tile, s), walk.end_of(tile, s), lane, warp_threads), own);
    if (lane == 0) {
      walk.finish(tile, s, all.totals, to, all.fault);
      note_fault(fault, all.fault);
    }
  }
  __syncthreads();
  const int count = longs < long_segments_limit ? longs : long_segments_limit;
  for (int i = 0; i < count; ++i) {
    const std::int64_t s = long_segments[i];
    part all = merged_over_block(walk.of_lane(walk.begin_of(tile, s), walk.end_of(tile, s), thread, block_threads));
    if (thread == 0) {
      walk.finish(tile, s, all.totals, to, all.fault);
      note_fault(fault, all.fault);
    }
    __syncthreads();  // nobody writes the next part before this one was read
  }
}

/// A thread a tile: segments that lie in several.
template <class Walk>
__global__ void __launch_bounds__(block_threads)
    close_segments(const Walk walk, const typename Walk::tile_part* parts, fault_word* fault) {
  for (std::int64_t t = first_index(); t < walk.tiles(); t += index_step()) {
    fault_word first = no_fault;
    walk.close(parts, t, first);
    note_fault(fault, first);
  }
}

template <class Offsets>
void refuse_offsets(const cuda& policy, const Offsets& offsets, std::int64_t n, std::int64_t s) {
  using T = typename decltype(offsets.view)::value_type;
  T here{}, before{};
  copy_to_host(policy, &here, &offsets.view.element(s));
  if (s > 0) copy_to_host(policy, &before, &offsets.view.element(s - 1));
  if (s == 0) throw domain_error("offsets", 0, std::to_string(here) + ", expected 0, where the first segment begins");
  if (here < before)
    throw domain_error("offsets", s,
                       std::to_string(here) + " follows " + std::to_string(before) + ", expected ascending offsets");
  throw domain_error("offsets", s, std::to_string(here) + ", expected the number of elements, " + std::to_string(n));
}

template <class P, class Kernel, class In, class Out, class Offsets, std::size_t... R, std::size_t... W>
auto run_segments_on_device(const P& policy, const Kernel& kernel, const In& in, const Out& out, const Offsets& offsets,
                            std::int64_t n, std::index_sequence<R...>, std::index_sequence<W...>) {
  using T = typename compute_in<std::tuple_element_t<R, In>..., std::tuple_element_t<W, Out>...>::type;
  using from = bundle<decltype(lanes_of_column<T>(std::get<R>(in)))...>;
  using to = bundle<decltype(lanes_of_column<T>(std::get<W>(out)))...>;
  using walk_type = segment_walk<T, Kernel, Offsets, from, to>;
  static_assert(std::is_trivially_copyable_v<walk_type>, "zermelo: kernels on a device are trivially copyable");
  const walk_type walk{kernel, offsets, from(lanes_of_column<T>(std::get<R>(in))...),
                       to(lanes_of_column<T>(std::get<W>(out))...), n};
  constexpr bool checked = requires { offsets.view; };
  const std::int64_t tiles = walk.tiles();
  scratch_layout layout;
  const std::size_t parts_at = layout.add<typename walk_type::tile_part>(tiles);
  const device_scratch<P> scratch(policy, layout);
  auto* const parts = scratch.template at<typename walk_type::tile_part>(parts_at);
  const cuda& on = cuda_of(policy);
  clear_fault(on, scratch.fault());
  if constexpr (checked) {
    check_ascending<<<blocks_for(offsets.segments() + 1), block_threads, 0, on.stream()>>>(offsets, n, scratch.fault());
    require_launched("checking offsets");
  }
  if (tiles > 0) {
    reduce_tiles<<<static_cast<unsigned>(tiles), block_threads, 0, on.stream()>>>(walk, parts, scratch.fault());
    require_launched("reducing segments");
    close_segments<<<blocks_for(tiles), block_threads, 0, on.stream()>>>(walk, parts, scratch.fault());
    require_launched("merging tiles of segments");
  }
  return answer<no_statistics>(
      policy, scratch, [in, out, offsets, n](const cuda& waited, const fault& bad, const no_statistics&) {
        if (bad.code == fault_code::none) return;
        if constexpr (checked)
          if (bad.code == fault_code::not_ascending) refuse_offsets(waited, offsets, n, bad.index);
        const char* inputs_called[] = {name_of_column(std::get<R>(in))...};
        const char* outputs_called[] = {name_of_column(std::get<W>(out))...};
        if (bad.code == fault_code::not_a_number)
          throw domain_error(inputs_called[bad.argument], bad.index, "is not a number");
        throw domain_error(outputs_called[bad.argument], bad.index, "is undefined: terms of +inf and -inf meet");
      });
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host. gpu.into(record) returns a device_result that holds nothing but the fault.
template <device_policy P, class Kernel, class... X, tensor N, class... Y>
auto segment_reduce(P&& policy, const Kernel& kernel, const inputs<X...>& in, const N& offsets,
                    const outputs<Y...>& out) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) >= 1 && sizeof...(Y) <= 8,
                "zermelo: 1 to 8 inputs, 1 to 8 outputs");
  detail::require_device_memory<X..., N, Y...>();
  return [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const std::tuple from(detail::column_of<memory::device>(std::get<R>(in.tensors), detail::input_names[R])...);
    const std::tuple to(detail::column_of<memory::device>(std::get<W>(out.tensors), detail::output_names[W])...);
    const std::int64_t n = std::get<0>(from).view.size();
    (detail::require_same_elements(std::get<R>(from), std::get<0>(from)), ...);
    const auto v = view(offsets);
    using view_type = std::remove_const_t<decltype(v)>;
    static_assert(view_type::rank == 1 && std::is_integral_v<typename view_type::value_type>,
                  "zermelo: offsets are a tensor of rank 1 of integers");
    if (v.size() == 0) throw shape_error("offsets", "is empty, expected one more offset than there are segments");
    (detail::require_segments(std::get<W>(to), v.size() - 1, "segments"), ...);
    return detail::run_segments_on_device(detail::as_cuda(policy), kernel, from, to,
                                          detail::given_offsets<view_type>{v}, n, read, write);
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
