// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../lanes.hpp"
#include "../tensor.hpp"
#include "../value.hpp"
#include "arguments.hpp"

/// Elementwise functions of several tensors, with statistics, in one pass.
namespace zermelo::inline v1 {

namespace detail::inline ZERMELO_ISA {

/// `count` elements from position k on; lanes behind them repeat the last element.
template <class V, bool Contiguous, class View>
ZERMELO_INLINE V fetch(const column<View>& c, std::int64_t k, std::int64_t count) {
  using T = typename View::value_type;
  using scalar = typename value_traits<V>::scalar;
  constexpr std::int64_t width = lanes<V>;
  if constexpr (Contiguous && std::is_same_v<T, scalar>) {
    if (count == width) return load<V>(c.view.data + k);
  }
  scalar lane[width];
  for (std::int64_t j = 0; j < width; ++j)
    lane[j] = static_cast<scalar>(c.view.element(k + (j < count ? j : count - 1)));
  return load<V>(lane);
}

template <class V, bool Contiguous, class View>
ZERMELO_INLINE void put(const column<View>& c, std::int64_t k, std::int64_t count, V x) {
  using T = typename View::value_type;
  using scalar = typename value_traits<V>::scalar;
  constexpr std::int64_t width = lanes<V>;
  if constexpr (Contiguous && std::is_same_v<T, scalar>) {
    if (count == width) return store(c.view.data + k, x);
  }
  scalar lane[width];
  store(lane, x);
  for (std::int64_t j = 0; j < count; ++j) c.view.element(k + j) = static_cast<T>(lane[j]);
}
template <class V, bool Contiguous>
ZERMELO_INLINE void put(const no_column&, std::int64_t, std::int64_t, V) {}

/// Asks for what will be read so many bytes later.
template <class View>
ZERMELO_INLINE void fetch_ahead(const column<View>& c, std::int64_t k, std::int64_t bytes = 2048) {
  prefetch(c.view.data, k * static_cast<std::int64_t>(sizeof(typename View::value_type)) + bytes);
}

/// Whether a kernel's fault says by itself that an input is NaN.
template <class Kernel>
inline constexpr bool refuses_nan = false;
template <class Kernel>
  requires(Kernel::refuses_nan)
inline constexpr bool refuses_nan<Kernel> = true;

/// Whether the element at position k is counted.
template <class View>
ZERMELO_INLINE bool is_counted(const column<View>& mask, std::int64_t k) {
  return mask.view.element(k) != typename View::value_type(0);
}

/// Which of `count` elements from position k on are counted.
template <class V, class View>
ZERMELO_INLINE mask_t<V> fetch_mask(const column<View>& c, std::int64_t k, std::int64_t count) {
  using scalar = typename value_traits<V>::scalar;
  constexpr std::int64_t width = lanes<V>;
  scalar lane[width];
  for (std::int64_t j = 0; j < width; ++j) lane[j] = is_counted(c, k + (j < count ? j : 0)) ? scalar(1) : scalar(0);
  return load<V>(lane) != V(0);
}

/// Where a NaN was met.
struct map_fault {
  std::int64_t block = -1;  ///< first element of the block
};

/// Where a column begins.
template <class View>
ZERMELO_INLINE const void* start_of(const column<View>& c) {
  return c.view.data;
}
ZERMELO_INLINE const void* start_of(const no_column&) { return nullptr; }

/// Whether an output starts where an input does.
template <class In, class Out, std::size_t... R, std::size_t... W>
bool in_place(const In& in, const Out& out, std::index_sequence<R...>, std::index_sequence<W...>) {
  const void* const read[] = {nullptr, start_of(std::get<R>(in))...};
  const void* const written[] = {nullptr, start_of(std::get<W>(out))...};
  for (std::size_t r = 1; r <= sizeof...(R); ++r)
    for (std::size_t w = 1; w <= sizeof...(W); ++w)
      if (read[r] == written[w]) return true;
  return false;
}

/// Whether there is a fault among elements of which one is suspect.
template <class T, class Kernel, class In, class Mask, std::size_t... R>
[[gnu::noinline, gnu::cold]] bool at_fault(const Kernel& kernel, const In& in, const Mask& mask, std::int64_t begin,
                                           std::int64_t end, std::index_sequence<R...>) {
  for (std::int64_t k = begin; k < end; ++k) {
    if constexpr (!std::is_same_v<Mask, no_column>)
      if (!is_counted(mask, k)) continue;
    if ((is_nan(static_cast<T>(std::get<R>(in).view.element(k))) || ...)) return true;
    if (kernel(static_cast<T>(std::get<R>(in).view.element(k))...).fault) return true;
  }
  return false;
}

/// One tile. Returns its statistics, or the block in which an input is not a number or the kernel finds a fault.
template <class V, bool Contiguous, class Kernel, class In, class Out, class Mask, std::size_t... R, std::size_t... W>
ZERMELO_INLINE auto map_tile(const Kernel& given_kernel, const In& given_in, const Out& given_out,
                             const Mask& given_mask, std::int64_t begin, std::int64_t end, map_fault& fault,
                             std::index_sequence<R...>, std::index_sequence<W...>) {
  // Copies that no store through an output can reach: hyper-parameters and pointers stay in registers.
  const Kernel kernel = given_kernel;
  const In in = given_in;
  const Out out = given_out;
  const Mask mask = given_mask;
  constexpr std::int64_t width = lanes<V>;
  constexpr bool masked = !std::is_same_v<Mask, no_column>;
  using result = decltype(as_mapped(kernel(fetch<V, Contiguous>(std::get<R>(in), 0, width)...)));
  using lane_statistics = decltype(result::statistics);
  constexpr bool suspects_only = requires(const result& r) { r.suspect; };
  static_assert(bundle_size<decltype(result::elements)>::value == sizeof...(W),
                "zermelo: the kernel returns as many elements as there are outputs");
  constexpr auto each = std::make_index_sequence<bundle_size<lane_statistics>::value>{};
  using totals = decltype(totals_of(std::declval<lane_statistics&>(), each));
  // `count` elements from position k on, in lanes of U; what is not to be looked at is replaced before anything is.
  const auto step = []<class U>(std::type_identity<U>, const Kernel& f, const Out& to, [[maybe_unused]] const Mask& m,
                                std::int64_t k, std::int64_t count, mask_t<U>& bad, [[maybe_unused]] U& doubt,
                                [[maybe_unused]] U zero, auto& statistics, const auto&... x) ZERMELO_LAMBDA_INLINE {
    constexpr auto all_of = std::make_index_sequence<bundle_size<lane_statistics>::value>{};
    if constexpr (masked) {
      const mask_t<U> keep = fetch_mask<U>(m, k, count);
      const auto inner = [&](const auto&... y) ZERMELO_LAMBDA_INLINE {
        if constexpr (!refuses_nan<Kernel>) ((bad = bad | is_nan(y)), ...);
        auto r = mapped_by(f, y...);  // not const, which would keep GCC from taking it apart into registers
        if constexpr (requires { r.suspect; })
          doubt = multiply_add(select(keep, r.suspect, U(0)), zero, doubt);
        else if constexpr (requires { r.fault; })
          bad = bad | (keep & r.fault);
        (put<U, Contiguous>(std::get<W>(to), k, count, select(keep, U(get<W>(r.elements)), U(0))), ...);
        merge_where(statistics, keep, r.statistics, all_of);
      };
      inner(select(keep, x, U(0))...);
    } else {
      if constexpr (!refuses_nan<Kernel>) ((bad = bad | is_nan(x)), ...);
      auto r = mapped_by(f, x...);
      if constexpr (requires { r.suspect; })
        doubt = multiply_add(r.suspect, zero, doubt);
      else if constexpr (requires { r.fault; })
        bad = bad | r.fault;
      (put<U, Contiguous>(std::get<W>(to), k, count, get<W>(r.elements)), ...);
      merge_into(statistics, r.statistics, all_of);
    }
  };
  using T = typename value_traits<V>::scalar;
  // Suspects are looked at again behind a block, or, where outputs will have replaced the inputs by then, before it.
  [[maybe_unused]] const bool over_inputs =
      suspects_only && in_place(in, out, std::index_sequence<R...>{}, std::index_sequence<W...>{});
  // Zeroes that no compiler knows: 0·x is NaN where x is not finite, under -ffast-math too, and so are sums with it.
  const V zero = value_traits<V>::settle(V(0));
  const T tail_zero = value_traits<T>::settle(T(0));
  totals all = bundle_identity<totals>::make();
  for (std::int64_t block = begin; block < end; block += map_block) {
    const std::int64_t stop = (std::min)(end, block + map_block);
    if constexpr (suspects_only) {
      if (over_inputs && at_fault<T>(kernel, in, mask, block, stop, std::index_sequence<R...>{})) {
        fault.block = block;
        return all;
      }
    }
    mask_t<V> bad = is_nan(V(0));
    V doubt = zero;
    std::int64_t k = block;
    while (k + width <= stop) {
      const std::int64_t flush = (std::min)(stop, k + lane_run * width);
      auto some = bundle_identity<lane_statistics>::make();
      for (; k + width <= flush; k += width) {
        if constexpr (Contiguous) (fetch_ahead(std::get<R>(in), k), ...);
        step(std::type_identity<V>{}, kernel, out, mask, k, width, bad, doubt, zero, some,
             fetch<V, Contiguous>(std::get<R>(in), k, width)...);
      }
      merge_into(all, totals_of(some, each), each);
    }
    mask_t<T> bad_tail = false;
    T tail_doubt = tail_zero;
    for (; k < stop; ++k) {  // the tail, one by one
      using tail_result = decltype(as_mapped(kernel(fetch<T, Contiguous>(std::get<R>(in), k, 1)...)));
      auto one = bundle_identity<decltype(tail_result::statistics)>::make();
      step(std::type_identity<T>{}, kernel, out, mask, k, 1, bad_tail, tail_doubt, tail_zero, one,
           fetch<T, Contiguous>(std::get<R>(in), k, 1)...);
      merge_into(all, totals_of(one, each), each);
    }
    bool refused = any(bad) || bad_tail;
    if constexpr (suspects_only)
      refused = (refused || any(is_nan(doubt)) || is_nan(tail_doubt)) && !over_inputs &&
                at_fault<T>(kernel, in, mask, block, stop, std::index_sequence<R...>{});
    if (refused) {
      fault.block = block;
      return all;
    }
  }
  return all;
}

/// Names what is wrong in a block where something is.
template <class T, class Kernel, class In, class Mask, std::size_t... R>
[[noreturn]] void refuse_block(const Kernel& kernel, const In& in, const Mask& mask, std::int64_t block,
                               std::int64_t end, std::index_sequence<R...>) {
  for (std::int64_t k = block; k < end; ++k) {
    if constexpr (!std::is_same_v<Mask, no_column>)
      if (!is_counted(mask, k)) continue;
    const auto check = [&](const auto& c) {
      if (is_nan(static_cast<double>(c.view.element(k)))) throw domain_error(c.name, k, "is not a number");
    };
    (check(std::get<R>(in)), ...);
    const auto r = as_mapped(kernel(static_cast<T>(std::get<R>(in).view.element(k))...));
    if constexpr (requires { r.fault; })
      if (r.fault) throw kernel.explain(k, static_cast<double>(std::get<R>(in).view.element(k))...);
  }
  throw domain_error("inputs", block, "or one of the elements behind it is not a number");
}

template <class P, class Kernel, class In, class Out, class Mask, std::size_t... R, std::size_t... W>
auto run_map(P&& policy, const Kernel& kernel, const In& in, const Out& out, const Mask& mask,
             std::index_sequence<R...> read, std::index_sequence<W...> write) {
  using T = typename compute_in<std::tuple_element_t<R, In>..., std::tuple_element_t<W, Out>...>::type;
  using V = value_of<P, T>;
  const std::int64_t n = std::get<0>(in).view.size();
  bool contiguous = true;
  const auto inspect = [&]<class C>(const C& c) {
    if constexpr (!std::is_same_v<C, no_column>) {
      if (c.view.size() != n)
        throw shape_error(c.name, std::to_string(c.view.size()) + " elements, expected as many as " +
                                      std::get<0>(in).name + ", " + std::to_string(n));
    }
  };
  const auto look = [&]<class C>(const C& c) {
    if constexpr (!std::is_same_v<C, no_column>) contiguous = contiguous && c.contiguous;
  };
  (inspect(std::get<R>(in)), ...);
  (inspect(std::get<W>(out)), ...);
  inspect(mask);
  (look(std::get<R>(in)), ...);
  (look(std::get<W>(out)), ...);

  std::int64_t length = (n + map_tiles - 1) / map_tiles;
  length = (std::max)(map_block, (length + map_block - 1) / map_block * map_block);
  const std::int64_t tiles = (n + length - 1) / length;
  map_fault none;
  using totals = decltype(map_tile<V, true>(kernel, in, out, mask, 0, 0, none, read, write));
  totals parts[map_tiles];
  map_fault faults[map_tiles];
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    const std::int64_t begin = t * length, end = (std::min)(n, begin + length);
    auto& part = parts[static_cast<std::size_t>(t)];
    auto& fault = faults[static_cast<std::size_t>(t)];
    part = contiguous ? map_tile<V, true>(kernel, in, out, mask, begin, end, fault, read, write)
                      : map_tile<V, false>(kernel, in, out, mask, begin, end, fault, read, write);
  });
  constexpr auto each = std::make_index_sequence<bundle_size<totals>::value>{};
  totals all = bundle_identity<totals>::make();
  for (std::int64_t t = 0; t < tiles; ++t) {
    if (const std::int64_t block = faults[t].block; block >= 0)
      refuse_block<T>(kernel, in, mask, block, (std::min)(n, block + map_block), read);
    merge_into(all, parts[t], each);
  }
  return all;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Applies a kernel to every element of the inputs, writes what it returns, and merges its statistics.
///
///   (outputs[k], sₖ) = kernel(inputs[k]),   result = s₀ ⊕ s₁ ⊕ …
///
/// kernel   straight-line, generic in its value type V: `template <class V> auto operator()(V…) const` returns a V for
///          one output, or mapped{bundle(outputs…), bundle(total(v), largest(w), …)}. A result with a third member
///          `fault`, a mask, ends in the domain_error that kernel.explain(k, inputs…) returns. A fourth, `suspect`, is
///          looked at in its place if it is quicker to tell: a number that is not finite wherever `fault` is set; only
///          then does `fault` decide. A kernel whose faults cover every NaN among its inputs has `refuses_nan = true`
/// inputs, outputs  tensors of float or double with equal numbers of elements, taken in row-major order; an output may
///          be exactly an input, and must not overlap one otherwise. Arithmetic is in double if any tensor is.
/// where    optional: counted_where(mask), the elements that count
/// Errors: shape_error naming the tensor; domain_error naming the tensor and the position of the first NaN. After an
///          error, outputs are unspecified.
/// Cost: one pass; allocates nothing. The tree of merges depends on the number of elements alone.
/// On a device (detail/cuda/map_reduce.hpp) sums are formed in another order: within 32 units of the elements' precision,
/// relative to the sum of absolute terms.
template <host_policy P, class Kernel, class... X, class... Y, class... Mask>
  requires(sizeof...(Mask) <= 1)
auto map_reduce(P&& policy, const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out,
                const counted_where<Mask>&... where) {
  static_assert(sizeof...(X) >= 1 && sizeof...(X) <= 8 && sizeof...(Y) <= 8, "zermelo: 1 to 8 inputs, 0 to 8 outputs");
  return [&]<std::size_t... R, std::size_t... W>(std::index_sequence<R...> read, std::index_sequence<W...> write) {
    const auto run = [&](const auto& mask) {
      return detail::run_map(
          policy, kernel, std::tuple(detail::column_of(std::get<R>(in.tensors), detail::input_names[R])...),
          std::tuple(detail::column_of(std::get<W>(out.tensors), detail::output_names[W])...), mask, read, write);
    };
    if constexpr (sizeof...(Mask) == 0)
      return run(detail::no_column{});
    else
      return run(detail::column_of(where.tensor, "mask")...);
  }(std::index_sequence_for<X...>{}, std::index_sequence_for<Y...>{});
}

template <class Kernel, class... X, class... Y, class... Mask>
auto map_reduce(const Kernel& kernel, const inputs<X...>& in, const outputs<Y...>& out,
                const counted_where<Mask>&... where) {
  return map_reduce(detail::default_policy<X..., Y..., Mask...>(), kernel, in, out, where...);
}

template <execution P, class Kernel, class... X>
auto map_reduce(P&& policy, const Kernel& kernel, const inputs<X...>& in) {
  return map_reduce(policy, kernel, in, outputs<>());
}

template <class Kernel, class... X>
auto map_reduce(const Kernel& kernel, const inputs<X...>& in) {
  return map_reduce(detail::default_policy<X...>(), kernel, in, outputs<>());
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "../detail/cuda/map_reduce.hpp"
#endif
