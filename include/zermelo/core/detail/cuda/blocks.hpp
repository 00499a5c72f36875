// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "../../config.hpp"
#include "../../execution/cuda.hpp"
#include "../../primitives/arguments.hpp"
#include "../lengths.hpp"
#include "columns.hpp"

/// What all kernels share: merges over the threads of a block, checks of lengths, and elements of columns on either side.
namespace zermelo::inline v1::detail::inline ZERMELO_ISA {

/// The merge of what the threads of a block hold, in thread 0. All threads of the block call it; before they do again,
/// they wait for each other.
template <class Part>
__device__ Part merged_over_block(const Part& mine) {
  __shared__ alignas(16) unsigned char memory[block_threads * sizeof(Part)];
  Part* const parts = reinterpret_cast<Part*>(memory);
  const int thread = static_cast<int>(threadIdx.x);
  parts[thread] = mine;
  for (int distance = 1; distance < block_threads; distance *= 2) {
    __syncthreads();
    merge_round(thread, distance, block_threads, [=](int to, int from) { merge_parts(parts[to], parts[from]); });
  }
  return thread == 0 ? parts[0] : mine;
}

/// The same over the threads of a warp, in lane 0, as often as one likes; `parts` is shared memory of the warp's own.
template <class Part>
__device__ Part merged_over_warp(const Part& mine, Part* parts) {
  const int lane = static_cast<int>(threadIdx.x) % warp_threads;
  parts[lane] = mine;
  for (int distance = 1; distance < warp_threads; distance *= 2) {
    __syncwarp();
    merge_round(lane, distance, warp_threads, [=](int to, int from) { merge_parts(parts[to], parts[from]); });
  }
  __syncwarp();  // nobody writes the next part before the last one was read
  return lane == 0 ? parts[0] : mine;
}

/// Takes the minimum of the fault in memory and this one.
__device__ inline void note_fault(fault_word* to, fault_word fault) {
  if (fault != no_fault) atomicMin(to, fault);
}

/// Blocks of a kernel whose threads take every so-many-th of n elements.
ZERMELO_INLINE unsigned blocks_for(std::int64_t n) {
  const std::int64_t blocks = (n + block_threads - 1) / block_threads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > 65535 ? 65535 : blocks);
}

__device__ inline std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
}
__device__ inline std::int64_t index_step() { return static_cast<std::int64_t>(gridDim.x) * block_threads; }

template <class C>
ZERMELO_INLINE void check_length(const C& c, const char* first, std::int64_t n) {
  if constexpr (!std::is_same_v<C, no_column>) require_length(c.name, c.view.size(), n, first);
}

template <class T, class C>
ZERMELO_INLINE auto lanes_of_column(const C& c) {
  if constexpr (std::is_same_v<C, no_column>)
    return no_column{};
  else
    return device_column_of<T>(c.view);
}

template <class C>
ZERMELO_INLINE const char* name_of_column(const C& c) {
  if constexpr (std::is_same_v<C, no_column>)
    return "output";
  else
    return c.name;
}

template <class C>
ZERMELO_INLINE double element_on_host(const cuda& policy, const C& c, std::int64_t k) {
  typename decltype(c.view)::value_type x;
  copy_to_host(policy, &x, &c.view.element(k));
  return static_cast<double>(x);
}

}  // namespace zermelo::inline v1::detail::inline ZERMELO_ISA

#endif
