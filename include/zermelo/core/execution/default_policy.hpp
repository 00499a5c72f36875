// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <type_traits>

#include "../config.hpp"
#include "../tensor.hpp"
#include "policy.hpp"

#if defined(__CUDACC__)
#include "cuda.hpp"
#endif

/// The policy of a call that names none: the memory of its tensors decides.
namespace zermelo::inline v1::detail {

/// In which memories tensors lie; those whose type does not say, and arguments that are no tensors, are in none.
struct memories {
  bool host = false, device = false;
};

template <class X>
constexpr memories memory_of_argument() {
  using plain = std::remove_cvref_t<X>;
  if constexpr (requires(const plain& x) {
                  x.tensor;
                  x.name;
                }) {
    return memory_of_argument<decltype(std::declval<const plain&>().tensor)>();
  } else if constexpr (tensor<X>) {
    using traits = tensor_traits<std::remove_reference_t<X>>;
    if constexpr (
        requires { requires traits::lazy; } || requires { requires traits::dynamic; })
      return {};
    else
      return {view_t<X>::where == memory::host, view_t<X>::where == memory::device};
  } else {
    return {};
  }
}

template <class... X>
constexpr memories memories_of() {
  memories all;
  ((all.host = all.host || memory_of_argument<X>().host), ...);
  ((all.device = all.device || memory_of_argument<X>().device), ...);
  return all;
}

/// Says in one sentence what is wrong with where the tensors X are.
template <class... X>
constexpr void require_device_memory() {
  static_assert(!memories_of<X...>().host, "zermelo: a device policy needs tensors in device memory");
}

inline namespace ZERMELO_ISA {

template <class... X>
ZERMELO_INLINE auto default_policy() {
  constexpr memories where = memories_of<X...>();
  static_assert(!(where.host && where.device), "zermelo: the arguments lie in different memories; copy them into one");
  if constexpr (!where.device) {
    return simd{};
  } else {
#if defined(__CUDACC__)
    return cuda{};
#else
    static_assert(!where.device, "zermelo: tensors in device memory need CUDA; compile this file as CUDA (.cu)");
    return simd{};
#endif
  }
}

/// What a policy of any kind is carried out by: itself, or the `cuda` that another library's policy stands for.
template <execution P>
ZERMELO_INLINE decltype(auto) carried_out_by(const P& policy) {
#if defined(__CUDACC__)
  if constexpr (device_policy<P>)
    return as_cuda(policy);
  else
#endif
    return policy;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::detail
