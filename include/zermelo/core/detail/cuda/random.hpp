// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../../config.hpp"
#include "../../random.hpp"
#include "columns.hpp"

namespace zermelo::inline v1::detail {

/// A stretch of a stream, a block of Philox a thread and step: a chunk of 16 bytes. `first` is any element of the stream.
template <class T>
struct random_walk {
  philox source;
  std::uint64_t first;
  T* out;
  std::int64_t n;

  static constexpr int width = chunk<T>::width;  ///< numbers of a block

  /// Blocks that hold an element of the stretch.
  ZERMELO_FN std::int64_t blocks() const {
    if (n == 0) return 0;
    const std::uint64_t last = first + static_cast<std::uint64_t>(n) - 1;
    return static_cast<std::int64_t>(last / width - first / width) + 1;
  }

  ZERMELO_FN void write_block(std::int64_t b) const {
    const std::uint64_t block = first / width + static_cast<std::uint64_t>(b);
    const random_block bits = source(block);
    chunk<T> x;
    if constexpr (width == 2) {
      for (int j = 0; j < width; ++j) x.lane[j] = unit_interval(bits.pair(j));
    } else {
      for (int j = 0; j < width; ++j) x.lane[j] = unit_interval(bits[j]);
    }
    const auto from =
        static_cast<std::int64_t>(block * width - first);  // negative if the stretch begins within the block
    if (from >= 0 && from + width <= n && reinterpret_cast<std::uintptr_t>(out + from) % access_bytes == 0) {
      *reinterpret_cast<chunk<T>*>(out + from) = x;
    } else {
      for (int j = 0; j < width; ++j)
        if (from + j >= 0 && from + j < n) out[from + j] = x.lane[j];
    }
  }
};

}  // namespace zermelo::inline v1::detail

#if defined(__CUDACC__)

#include <type_traits>

#include "../../execution/cuda.hpp"
#include "../../execution/default_policy.hpp"
#include "blocks.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

template <class T>
__global__ void __launch_bounds__(block_threads) fill_uniform_blocks(const random_walk<T> walk) {
  for (std::int64_t b = first_index(); b < walk.blocks(); b += index_step()) walk.write_block(b);
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// out[k] = uniform<T>(seed, stream, first + k), the same bits as on the host. Only launches: nothing can go wrong in it.
///
/// out  [n]  of float or double, in device memory, contiguous; written
template <device_policy P, tensor O>
void fill_uniform(P&& policy, std::uint64_t seed, std::uint64_t stream, O&& out, std::uint64_t first = 0) {
  detail::require_device_memory<O>();
  const auto to = view(out);
  using T = typename std::remove_const_t<decltype(to)>::value_type;
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "fill_uniform draws float or double");
  if (!to.contiguous()) throw shape_error("out", "is strided, expected numbers side by side");
  const detail::random_walk<T> walk{philox{seed, stream}, first, to.data, to.size()};
  if (to.size() == 0) return;
  const auto& with = detail::as_cuda(policy);
  const cuda& on = detail::cuda_of(with);
  detail::fill_uniform_blocks<<<detail::blocks_for(walk.blocks()), detail::block_threads, 0, on.stream()>>>(walk);
  detail::require_launched("filling with random numbers");
}

template <tensor O>
  requires(view_t<O>::where == memory::device)
void fill_uniform(std::uint64_t seed, std::uint64_t stream, O&& out, std::uint64_t first = 0) {
  fill_uniform(detail::default_policy<O>(), seed, stream, out, first);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
