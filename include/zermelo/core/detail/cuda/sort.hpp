// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../primitives/sort.hpp"

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <cub/device/device_radix_sort.cuh>
#include <limits>
#include <string>
#include <type_traits>

#include "../../execution/cuda.hpp"
#include "../../execution/default_policy.hpp"
#include "blocks.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// Copies the keys and notes the first that is not a number; with `positions`, numbers them.
template <class K, class T, class Position>
__global__ void __launch_bounds__(block_threads)
    copy_keys(const K keys, T* to, Position* positions, fault_word* fault) {
  const std::int64_t n = keys.view.size();
  for (std::int64_t k = first_index(); k < n; k += index_step()) {
    const T x = keys.at(k);
    if constexpr (std::is_floating_point_v<T>)
      if (is_nan(x)) note_fault(fault, word_of(fault_code::not_a_number, 0, k));
    if (to) to[k] = x;
    if (positions) positions[k] = static_cast<Position>(k);
  }
}

/// Writes the first `count` numbers, unless there was a fault.
template <class T, class O>
__global__ void __launch_bounds__(block_threads)
    write_sorted(const T* from, const O out, std::int64_t count, const fault_word* fault) {
  if (*fault != no_fault) return;
  using element = typename decltype(out.view)::value_type;
  for (std::int64_t k = first_index(); k < count; k += index_step()) out.at(k) = static_cast<element>(from[k]);
}

struct key_verdict {
  void operator()(const cuda&, const fault& bad, const no_statistics&) const {
    if (bad.code != fault_code::none) throw domain_error("keys", bad.index, "is not a number");
  }
};

/// The first `wanted` positions of the order of the keys, or with positions of type void the keys themselves.
/// CUB's sort by digits is stable, and takes −0 and 0 for equal.
template <class Position, class P, class K, class O>
auto sort_on_device(const P& policy, const K& keys, const O& out, std::int64_t wanted, order direction) {
  using T = typename K::value_type;
  constexpr bool pairs = !std::is_void_v<Position>;
  using position = std::conditional_t<pairs, Position, std::uint32_t>;
  const std::int64_t n = keys.size();
  const cuda& on = cuda_of(policy);
  const cudaStream_t stream = on.stream();
  constexpr int bits = 8 * static_cast<int>(sizeof(T));
  cub::DoubleBuffer<T> numbers;
  cub::DoubleBuffer<position> positions;
  const auto call = [&](void* memory, std::size_t& bytes) {
    using sorter = cub::DeviceRadixSort;
    if constexpr (pairs)
      return direction == order::ascending
                 ? sorter::SortPairs(memory, bytes, numbers, positions, n, 0, bits, stream)
                 : sorter::SortPairsDescending(memory, bytes, numbers, positions, n, 0, bits, stream);
    else
      return direction == order::ascending ? sorter::SortKeys(memory, bytes, numbers, n, 0, bits, stream)
                                           : sorter::SortKeysDescending(memory, bytes, numbers, n, 0, bits, stream);
  };
  std::size_t sort_bytes = 0;
  require_cuda(call(nullptr, sort_bytes), "asking for the memory of a sort");
  scratch_layout layout;
  const std::size_t numbers_at[] = {layout.add<T>(n), layout.add<T>(n)};
  const std::size_t positions_at[] = {layout.add<position>(pairs ? n : 0), layout.add<position>(pairs ? n : 0)};
  const std::size_t sort_at = layout.add<std::byte>(static_cast<std::int64_t>(sort_bytes));
  const device_scratch<P> scratch(policy, layout);
  clear_fault(on, scratch.fault());
  if (n > 0) {
    numbers = {scratch.template at<T>(numbers_at[0]), scratch.template at<T>(numbers_at[1])};
    position* numbered = nullptr;
    if constexpr (pairs) {
      positions = {scratch.template at<position>(positions_at[0]), scratch.template at<position>(positions_at[1])};
      numbered = positions.Current();
    }
    copy_keys<<<blocks_for(n), block_threads, 0, stream>>>(device_column_of<T>(keys), numbers.Current(), numbered,
                                                           scratch.fault());
    require_launched("copying keys");
    require_cuda(call(scratch.template at<std::byte>(sort_at), sort_bytes), "sorting");
    if (wanted > 0) {
      const auto to = device_column_of<float>(out);
      if constexpr (pairs)
        write_sorted<<<blocks_for(wanted), block_threads, 0, stream>>>(
            static_cast<const position*>(positions.Current()), to, wanted, scratch.fault());
      else
        write_sorted<<<blocks_for(wanted), block_threads, 0, stream>>>(static_cast<const T*>(numbers.Current()), to,
                                                                       wanted, scratch.fault());
      require_launched("writing what was sorted");
    }
  }
  return answer<no_statistics>(policy, scratch, key_verdict{});
}

template <class P, class K, class N>
auto argsort_on_device(const P& policy, const K& keys, const N& indices, std::int64_t wanted, order direction) {
  static_assert(sortable<typename K::value_type>, "zermelo: keys are numbers of 4 or 8 bytes");
  static_assert(std::is_integral_v<typename N::value_type>, "zermelo: indices are integers");
  if (indices.size() != wanted)
    throw shape_error("indices", std::to_string(indices.size()) + " elements, expected " + std::to_string(wanted));
  constexpr auto most = static_cast<std::uint64_t>((std::numeric_limits<typename N::value_type>::max)());
  if (keys.size() > 0 && static_cast<std::uint64_t>(keys.size() - 1) > most)
    throw shape_error("indices", "are of a type too narrow for " + std::to_string(keys.size()) + " keys");
  if (keys.size() <= std::int64_t{1} << 32)
    return sort_on_device<std::uint32_t>(policy, keys, indices, wanted, direction);
  return sort_on_device<std::uint64_t>(policy, keys, indices, wanted, direction);
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host; the keys stay as they were if one is a NaN. gpu.into(record) returns a device_result that holds nothing
/// but the fault.   Cost: CUB's sort by digits between two copies; scratch memory for 2n keys.
template <device_policy P, tensor K>
auto sort(P&& policy, K&& keys, order direction = order::ascending) {
  detail::require_device_memory<K>();
  const auto v = view(keys);
  static_assert(detail::sortable<typename std::remove_const_t<decltype(v)>::value_type>,
                "zermelo: keys are numbers of 4 or 8 bytes");
  return detail::sort_on_device<void>(detail::as_cuda(policy), v, v, v.size(), direction);
}

/// As on the host.   Cost: as sort, of pairs.
template <device_policy P, tensor K, tensor N>
auto argsort(P&& policy, const K& keys, N&& indices, order direction = order::ascending) {
  detail::require_device_memory<K, N>();
  const auto v = view(keys);
  return detail::argsort_on_device(detail::as_cuda(policy), v, view(indices), v.size(), direction);
}

/// As on the host.   Cost: an argsort.
template <device_policy P, tensor K, tensor N>
auto top_k(P&& policy, const K& keys, std::int64_t k, N&& indices, order direction = order::descending) {
  detail::require_device_memory<K, N>();
  const auto v = view(keys);
  if (k < 0 || k > v.size())
    throw domain_error("k", domain_error::whole,
                       std::to_string(k) + ", expected at most the number of keys, " + std::to_string(v.size()));
  return detail::argsort_on_device(detail::as_cuda(policy), v, view(indices), k, direction);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
