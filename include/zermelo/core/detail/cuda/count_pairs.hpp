// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../primitives/count_pairs.hpp"

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "../../execution/cuda.hpp"
#include "../../execution/default_policy.hpp"
#include "blocks.hpp"
#include "scatter_walk.hpp"

namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// Integers add up to the same in any order.
template <class F, class S, class C>
__global__ void __launch_bounds__(block_threads)
    count_pairs_of(const F first, const S second, const C category, std::int64_t n, int categories,
                   unsigned long long* counts, fault_word* fault) {
  const std::int64_t m = first.view.size();
  for (std::int64_t k = first_index(); k < m; k += index_step()) {
    const auto i = first.at(k);
    const auto j = second.at(k);
    const auto c = static_cast<std::uint64_t>(category.at(k));
    const auto row = static_cast<std::int64_t>(i), column = static_cast<std::int64_t>(j);
    if (is_index(i, n) && is_index(j, n) && row != column && c < static_cast<std::uint64_t>(categories))
      atomicAdd(counts + ((row * n + column) * 4 + static_cast<std::int64_t>(c)), 1ull);
    else
      note_fault(fault, word_of(fault_code::out_of_range, 0, k));
  }
}

template <class F, class S, class C>
struct pair_verdict {
  F first;
  S second;
  C category;
  std::int64_t n;
  int categories;
  void operator()(const cuda& policy, const fault& bad, const no_statistics&) const {
    if (bad.code == fault_code::none) return;
    typename F::value_type i;
    typename S::value_type j;
    typename C::value_type c;
    copy_to_host(policy, &i, &first.element(bad.index));
    copy_to_host(policy, &j, &second.element(bad.index));
    copy_to_host(policy, &c, &category.element(bad.index));
    refuse_pair(i, j, c, n, static_cast<std::uint32_t>(categories), bad.index);
  }
};

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host; counts are a tensor of int64 in device memory, contiguous. n ≤ 16384.
template <device_policy P, tensor F, tensor S, tensor C, tensor N>
auto count_pairs(P&& policy, const F& first, const S& second, const C& category, std::int64_t n, int categories,
                 N&& counts) {
  detail::require_device_memory<F, S, C, N>();
  const auto f = view(first);
  const auto s = view(second);
  const auto c = view(category);
  const auto to = view(counts);
  using counts_view = std::remove_const_t<decltype(to)>;
  static_assert(std::is_same_v<typename counts_view::element_type, std::int64_t>, "zermelo: counts are of int64");
  const std::int64_t m = f.size();
  detail::require_pair_table(m, s.size(), c.size(), n, categories, to.size());
  if (!to.contiguous()) throw shape_error("counts", "are strided, expected counters side by side");
  const auto& with = detail::as_cuda(policy);
  const detail::device_scratch<std::remove_cvref_t<decltype(with)>> scratch(with, detail::scratch_layout{});
  const cuda& on = detail::cuda_of(with);
  detail::clear_fault(on, scratch.fault());
  if (m > 0) {
    detail::count_pairs_of<<<detail::blocks_for(m), detail::block_threads, 0, on.stream()>>>(
        detail::device_column_of<float>(f), detail::device_column_of<float>(s), detail::device_column_of<float>(c), n,
        categories, reinterpret_cast<unsigned long long*>(to.data), scratch.fault());
    detail::require_launched("counting pairs");
  }
  return detail::answer<no_statistics>(
      with, scratch,
      detail::pair_verdict<std::remove_const_t<decltype(f)>, std::remove_const_t<decltype(s)>,
                           std::remove_const_t<decltype(c)>>{f, s, c, n, categories});
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#endif
