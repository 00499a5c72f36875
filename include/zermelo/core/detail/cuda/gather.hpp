// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../primitives/gather.hpp"

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <cub/device/device_radix_sort.cuh>
#include <string>
#include <type_traits>

#include "../../execution/cuda.hpp"
#include "../../execution/default_policy.hpp"
#include "blocks.hpp"
#include "scatter_walk.hpp"
#include "segment_reduce.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// The scratch memory that an algorithm of CUB asks for when it is called without any.
template <class F>
ZERMELO_INLINE std::size_t cub_bytes(const char* what, const F& call) {
  std::size_t bytes = 0;
  require_cuda(call(nullptr, bytes), what);
  return bytes;
}

template <class S, class N, class O>
__global__ void __launch_bounds__(block_threads)
    gather_elements(const S source, const N index, const O out, fault_word* fault) {
  const std::int64_t m = index.view.size(), n = source.view.size();
  for (std::int64_t k = first_index(); k < m; k += index_step()) {
    const auto i = index.at(k);
    if (is_index(i, n))
      out.at(k) = static_cast<typename decltype(out.view)::value_type>(source.at(static_cast<std::int64_t>(i)));
    else
      note_fault(fault, word_of(fault_code::out_of_range, 1, k));
  }
}

/// Throws what the host would throw.
template <class Index>
struct index_verdict {
  Index index;
  std::int64_t n;
  void operator()(const cuda& policy, const fault& bad, const no_statistics&) const {
    if (bad.code == fault_code::none) return;
    typename Index::value_type i;
    copy_to_host(policy, &i, &index.element(bad.index));
    refuse_index(bad.index, i, n);
  }
};

template <class N, class Key, class Position>
__global__ void __launch_bounds__(block_threads)
    index_keys(const N index, std::int64_t n, Key* keys, Position* positions, fault_word* fault) {
  const std::int64_t m = index.view.size();
  for (std::int64_t k = first_index(); k < m; k += index_step()) {
    const auto i = index.at(k);
    const bool good = is_index(i, n);
    keys[k] = good ? static_cast<Key>(i) : Key{0};
    positions[k] = static_cast<Position>(k);
    if (!good) note_fault(fault, word_of(fault_code::out_of_range, 1, k));
  }
}

template <class Key>
__global__ void __launch_bounds__(block_threads)
    begin_runs(const Key* keys, std::int64_t m, std::int64_t n, std::int64_t* begins) {
  for (std::int64_t i = first_index(); i <= n; i += index_step()) begins[i] = first_at_least(keys, m, i);
}

template <class Walk>
__global__ void __launch_bounds__(block_threads) add_runs(const Walk walk) {
  using part = typename Walk::part;
  __shared__ alignas(16) unsigned char memory[block_threads * sizeof(part)];
  const int thread = static_cast<int>(threadIdx.x), warp = thread / warp_threads, lane = thread % warp_threads;
  part* const own = reinterpret_cast<part*>(memory) + warp * warp_threads;
  constexpr int warps = block_threads / warp_threads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * warps + warp; i < walk.outputs();
       i += static_cast<std::int64_t>(gridDim.x) * warps) {
    const part sum = merged_over_warp(walk.of_lane(i, lane, warp_threads), own);
    if (lane == 0) walk.finish(i, sum);
  }
}

using begins_type = given_offsets<tensor_view<const std::int64_t, 1>>;

/// Sums of floating-point elements: runs are segments, of which every block takes an equal share.
template <class Source, class Out, class Position, class Offsets>
using run_walk = segment_walk<typename decltype(Source::view)::value_type, sum_of_elements, Offsets,
                              bundle<sorted_column<Source, Position>>, bundle<adding_column<Out>>>;

/// With keys and positions as wide as the problem asks.
template <class Key, class Position, class P, class S, class N, class O>
auto scatter_add_on_device(const P& policy, const S& source, const N& index, const O& out) {
  const std::int64_t m = index.size(), n = out.size();
  const cuda& on = cuda_of(policy);
  const int bits = bits_below(n);
  const auto sort = [&](void* memory, std::size_t& bytes, cub::DoubleBuffer<Key>& keys,
                        cub::DoubleBuffer<Position>& positions) {
    return cub::DeviceRadixSort::SortPairs(memory, bytes, keys, positions, m, 0, bits, on.stream());
  };
  cub::DoubleBuffer<Key> keys;
  cub::DoubleBuffer<Position> positions;
  std::size_t sort_bytes = cub_bytes("asking for the memory of a sort", [&](void* memory, std::size_t& bytes) {
    return sort(memory, bytes, keys, positions);
  });
  scratch_layout layout;
  const std::size_t keys_at[] = {layout.add<Key>(m), layout.add<Key>(m)};
  const std::size_t positions_at[] = {layout.add<Position>(m), layout.add<Position>(m)};
  const std::size_t begins_at = layout.add<std::int64_t>(n + 1);
  constexpr bool balanced =
      std::is_floating_point_v<typename S::value_type> && std::is_floating_point_v<typename O::value_type>;
  const std::size_t parts_at =
      layout.add<device_segment_part<bundle<total<double>>>>(balanced ? segment_tiles_limit : 0);
  const std::size_t unheard_at = layout.add<fault_word>(1);
  const std::size_t sort_at = layout.add<std::byte>(static_cast<std::int64_t>(sort_bytes));
  const device_scratch<P> scratch(policy, layout);
  clear_fault(on, scratch.fault());
  if (m > 0) {
    keys = {scratch.template at<Key>(keys_at[0]), scratch.template at<Key>(keys_at[1])};
    positions = {scratch.template at<Position>(positions_at[0]), scratch.template at<Position>(positions_at[1])};
    index_keys<<<blocks_for(m), block_threads, 0, on.stream()>>>(device_column_of<typename N::value_type>(index), n,
                                                                 keys.Current(), positions.Current(), scratch.fault());
    require_launched("reading indices");
  }
  if (m > 0 && n > 0) {
    require_cuda(sort(scratch.template at<std::byte>(sort_at), sort_bytes, keys, positions), "sorting indices");
    std::int64_t* const begins = scratch.template at<std::int64_t>(begins_at);
    begin_runs<<<blocks_for(n + 1), block_threads, 0, on.stream()>>>(keys.Current(), m, n, begins);
    require_launched("finding runs of indices");
    const auto from = device_column_of<typename S::value_type>(source);
    const auto to = device_column_of<typename O::value_type>(out);
    using S_column = std::remove_const_t<decltype(from)>;
    using O_column = std::remove_const_t<decltype(to)>;
    if constexpr (balanced) {
      const begins_type offsets{vector_view(static_cast<const std::int64_t*>(begins), n + 1)};
      const run_walk<S_column, O_column, Position, begins_type> walk{
          {}, offsets, {{from, positions.Current()}}, {{to}}, m};
      using walk_type = std::remove_const_t<decltype(walk)>;
      auto* const parts = scratch.template at<typename walk_type::tile_part>(parts_at);
      auto* const unheard = scratch.template at<fault_word>(unheard_at);  // sums that are NaN are no fault here
      const std::int64_t tiles = walk.tiles();
      clear_fault(on, unheard);
      reduce_tiles<<<static_cast<unsigned>(tiles), block_threads, 0, on.stream()>>>(walk, parts, unheard);
      require_launched("adding runs of indices");
      close_segments<<<blocks_for(tiles), block_threads, 0, on.stream()>>>(walk, parts, unheard);
      require_launched("adding runs of indices in several tiles");
    } else {
      const scatter_walk<S_column, O_column, Position> walk{from, to, begins, positions.Current()};
      add_runs<<<blocks_for(n * warp_threads), block_threads, 0, on.stream()>>>(walk);
      require_launched("adding runs of indices");
    }
  }
  return answer<no_statistics>(policy, scratch, index_verdict<N>{index, n});
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host. gpu.into(record) returns a device_result that holds nothing but the fault.
template <device_policy P, tensor S, tensor N, tensor O>
auto gather(P&& policy, const S& source, const N& index, O&& out) {
  detail::require_device_memory<S, N, O>();
  const auto from = view(source);
  const auto at = view(index);
  const auto to = view(out);
  using index_view = std::remove_const_t<decltype(at)>;
  const std::int64_t m = at.size();
  detail::require_length("out", to.size(), m, "index");
  const auto& with = detail::as_cuda(policy);
  const detail::device_scratch<std::remove_cvref_t<decltype(with)>> scratch(with, detail::scratch_layout{});
  const cuda& on = detail::cuda_of(with);
  detail::clear_fault(on, scratch.fault());
  if (m > 0) {
    detail::gather_elements<<<detail::blocks_for(m), detail::block_threads, 0, on.stream()>>>(
        detail::device_column_of<float>(from), detail::device_column_of<float>(at), detail::device_column_of<float>(to),
        scratch.fault());
    detail::require_launched("gathering");
  }
  return detail::answer<no_statistics>(with, scratch, detail::index_verdict<index_view>{at, from.size()});
}

/// As on the host, but what falls on one output is added up first, in double or int64, in a tree that the indices alone
/// determine. Sources and outputs are both floating-point numbers or both integers.
/// Cost: a sort of the indices, of as many bits as n has, and one pass over the source in their order, in equal shares however
///       many elements fall on one output; scratch memory for 2m indices, 2m positions and n + 1 offsets.
template <device_policy P, tensor S, tensor N, tensor O>
auto scatter_add(P&& policy, const S& source, const N& index, O&& out) {
  detail::require_device_memory<S, N, O>();
  const auto from = view(source);
  const auto at = view(index);
  const auto to = view(out);
  const std::int64_t m = at.size(), n = to.size();
  detail::require_length("source", from.size(), m, "index");
  // One type of result, whatever the widths: a sort moves as few bytes as the problem allows.
  constexpr std::int64_t narrow = std::int64_t{1} << 32;
  if (m <= narrow && n <= narrow)
    return detail::scatter_add_on_device<std::uint32_t, std::uint32_t>(detail::as_cuda(policy), from, at, to);
  return detail::scatter_add_on_device<std::uint64_t, std::uint64_t>(detail::as_cuda(policy), from, at, to);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
