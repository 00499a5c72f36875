// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../config.hpp"
#include "../lanes.hpp"
#include "../tensor.hpp"
#include "../value.hpp"

/// What primitives are called with, inputs, outputs and masks, and what kernels give them: bundles of values and statistics.
namespace zermelo::inline v1 {

/// Values side by side, of any types: what a kernel writes for one element, or what it adds to the statistics.
template <class... T>
struct bundle;
template <>
struct bundle<> {};
template <class Head, class... Tail>
struct bundle<Head, Tail...> {
  Head head;
  bundle<Tail...> tail;
  ZERMELO_FN constexpr bundle() : head{}, tail{} {}
  ZERMELO_FN constexpr bundle(Head h, Tail... t) : head(h), tail(t...) {}
};
template <class... T>
bundle(T...) -> bundle<T...>;

/// The value at position K of a bundle.
template <std::size_t K, class Head, class... Tail>
ZERMELO_FN constexpr const auto& get(const bundle<Head, Tail...>& b) {
  if constexpr (K == 0)
    return b.head;
  else
    return get<K - 1>(b.tail);
}
template <std::size_t K, class Head, class... Tail>
ZERMELO_FN constexpr auto& get(bundle<Head, Tail...>& b) {
  if constexpr (K == 0)
    return b.head;
  else
    return get<K - 1>(b.tail);
}

/// What a kernel returns for one element: outputs to be written, and statistics to be merged over all elements.
template <class Elements, class Statistics>
struct mapped {
  Elements elements;
  Statistics statistics;
};
template <class E, class S>
mapped(E, S) -> mapped<E, S>;

/// Statistics are monoids. This one adds up what the elements give; a lane of floats is flushed into doubles
/// every 32 elements.
template <class V>
struct total {
  V value;
  total() = default;
  ZERMELO_FN constexpr explicit total(V v) : value(v) {}
  ZERMELO_FN static total identity() { return total(V(0)); }
  ZERMELO_FN friend total where(mask_t<V> m, total a) { return total(select(m, a.value, identity().value)); }
  ZERMELO_FN friend total merge(total a, total b) { return total(a.value + b.value); }
  ZERMELO_INLINE friend total<double> over_lanes(total a) {
    return total<double>(static_cast<double>(reduce_add(a.value)));
  }
};
template <class V>
total(V) -> total<V>;

/// The largest of what the elements give; −∞ of none.
template <class V>
struct largest {
  V value;
  largest() = default;
  ZERMELO_FN constexpr explicit largest(V v) : value(v) {}
  ZERMELO_FN static largest identity() { return largest(-detail::infinity<V>()); }
  ZERMELO_FN friend largest where(mask_t<V> m, largest a) { return largest(select(m, a.value, identity().value)); }
  ZERMELO_FN friend largest merge(largest a, largest b) { return largest((max)(a.value, b.value)); }
  ZERMELO_INLINE friend largest<double> over_lanes(largest a) {
    return largest<double>(static_cast<double>(reduce_max(a.value)));
  }
};
template <class V>
largest(V) -> largest<V>;

/// The smallest of what the elements give; +∞ of none.
template <class V>
struct smallest {
  V value;
  smallest() = default;
  ZERMELO_FN constexpr explicit smallest(V v) : value(v) {}
  ZERMELO_FN static smallest identity() { return smallest(detail::infinity<V>()); }
  ZERMELO_FN friend smallest where(mask_t<V> m, smallest a) { return smallest(select(m, a.value, identity().value)); }
  ZERMELO_FN friend smallest merge(smallest a, smallest b) { return smallest((min)(a.value, b.value)); }
  ZERMELO_INLINE friend smallest<double> over_lanes(smallest a) {
    return smallest<double>(static_cast<double>(reduce_min(a.value)));
  }
};
template <class V>
smallest(V) -> smallest<V>;

/// An argument with the name that errors call it by.
template <class X>
struct named {
  const char* name;
  X& tensor;
  ZERMELO_INLINE named(const char* n, X& x) : name(n), tensor(x) {}
};

/// The tensors that a kernel reads, and those that it writes; an output that is not wanted is `discard`.
template <class... X>
struct inputs {
  std::tuple<X&...> tensors;
  template <class... Y>
    requires(sizeof...(Y) == sizeof...(X) && (std::is_same_v<std::remove_reference_t<Y>, X> && ...))
  ZERMELO_INLINE explicit inputs(Y&&... x) : tensors(x...) {}
};
template <class... X>
inputs(X&&...) -> inputs<std::remove_reference_t<X>...>;
template <class... X>
struct outputs {
  std::tuple<X&...> tensors;
  template <class... Y>
    requires(sizeof...(Y) == sizeof...(X) && (std::is_same_v<std::remove_reference_t<Y>, X> && ...))
  ZERMELO_INLINE explicit outputs(Y&&... x) : tensors(x...) {}
};
template <class... X>
outputs(X&&...) -> outputs<std::remove_reference_t<X>...>;

/// Which elements count: a tensor of bool, or of numbers of which all but zero count. What does not is never looked at,
/// whatever lies there: its outputs are zero, and statistics do not hear of it.
template <class X>
struct counted_where {
  X& tensor;
  ZERMELO_INLINE explicit counted_where(X& x) : tensor(x) {}
};

namespace detail {

/// A tensor as one row-major sequence, and how it is called.
template <class View>
struct column {
  View view;
  const char* name;
  bool contiguous;
};

struct no_column {
  using element_type = void;
};

template <memory Where = memory::host, class X>
ZERMELO_INLINE auto column_of(X& x, const char* name) {
  if constexpr (std::is_same_v<std::remove_const_t<X>, discard_t>) {
    return no_column{};
  } else if constexpr (requires {
                         x.tensor;
                         x.name;
                       }) {
    return column_of<Where>(x.tensor, x.name);
  } else {
    const auto v = zermelo::view(x);
    static_assert(Where != memory::host || decltype(v)::where == memory::host,
                  "zermelo: a host policy needs tensors in host memory");
    static_assert(Where != memory::device || decltype(v)::where == memory::device,
                  "zermelo: a device policy needs tensors in device memory");
    return column<std::remove_const_t<decltype(v)>>{v, name, v.contiguous()};
  }
}

template <class C>
struct element_of {
  using type = void;
};
template <class View>
struct element_of<column<View>> {
  using type = typename View::value_type;
};
template <class C>
struct element_of<const C> : element_of<C> {};

/// double if any of the elements is, else float.
template <class... C>
struct compute_in {
  static constexpr bool wide = (false || ... || std::is_same_v<typename element_of<C>::type, double>);
  using type = std::conditional_t<wide, double, float>;
};

inline constexpr const char* input_names[] = {"input 0", "input 1", "input 2", "input 3",
                                              "input 4", "input 5", "input 6", "input 7"};
inline constexpr const char* output_names[] = {"output 0", "output 1", "output 2", "output 3",
                                               "output 4", "output 5", "output 6", "output 7"};

/// Elements that are mapped between two looks at what went wrong.
inline constexpr std::int64_t map_block = 4096;
/// Elements that one lane adds up in its own precision before it is flushed into doubles.
inline constexpr std::int64_t lane_run = 32;
/// Tiles at most; their number depends on the elements alone.
inline constexpr std::int64_t map_tiles = 256;

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

/// Merges statistics pairwise, and forms their identity, whatever the bundle.
template <class... S, std::size_t... K>
ZERMELO_FN void merge_into(bundle<S...>& to, const bundle<S...>& from, std::index_sequence<K...>) {
  ((get<K>(to) = merge(get<K>(to), get<K>(from))), ...);
}
template <class... S, class Mask, std::size_t... K>
ZERMELO_FN void merge_where(bundle<S...>& to, Mask keep, const bundle<S...>& from, std::index_sequence<K...>) {
  ((get<K>(to) = merge(get<K>(to), where(keep, get<K>(from)))), ...);
}
template <class... S, std::size_t... K>
ZERMELO_INLINE auto totals_of(const bundle<S...>& lanes_, std::index_sequence<K...>) {
  return bundle(over_lanes(get<K>(lanes_))...);
}
template <class Bundle>
struct bundle_identity;
template <class... S>
struct bundle_identity<bundle<S...>> {
  ZERMELO_FN static bundle<S...> make() { return bundle<S...>(S::identity()...); }
};
template <class Bundle>
struct bundle_size;
template <class... S>
struct bundle_size<bundle<S...>> : std::integral_constant<std::size_t, sizeof...(S)> {};

/// What a kernel makes of one element, made in place: a copy would be one of many packs.
template <class Kernel, class... X>
ZERMELO_FN auto mapped_by(const Kernel& kernel, const X&... x) {
  if constexpr (requires {
                  kernel(x...).elements;
                  kernel(x...).statistics;
                })
    return kernel(x...);
  else
    return mapped{bundle(kernel(x...)), bundle<>()};  // a bare value is one output
}

template <class Result>
ZERMELO_FN auto as_mapped(const Result& r) {
  if constexpr (requires {
                  r.elements;
                  r.statistics;
                })
    return r;
  else
    return mapped{bundle(r), bundle<>()};  // a bare value is one output
}

/// f of the statistics: now, or when results that are still on a device are asked for.
template <class S, class F>
ZERMELO_INLINE auto conclude(const S& statistics, F f) {
  if constexpr (requires { statistics.then(f); })
    return statistics.then(f);
  else
    return f(statistics);
}

}  // namespace detail::inline ZERMELO_ISA
}  // namespace zermelo::inline v1
