// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "fused_parameters.hpp"
#include "token_logprobs.hpp"

/// The fused head in device memory, by cuBLAS. Programs that include this header as CUDA link cuBLAS and cuSOLVER
/// (zermelo::cuda_blas); fused_head.hpp is for the host.
#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "../core/primitives/device_matmul.hpp"

namespace zermelo::inline v1::alignment {
namespace detail::inline ZERMELO_ISA {

/// How cuBLAS calls a type.
template <class M>
inline constexpr cudaDataType_t blas_type = std::is_same_v<M, double>     ? CUDA_R_64F
                                            : std::is_same_v<M, float>    ? CUDA_R_32F
                                            : std::is_same_v<M, bfloat16> ? CUDA_R_16BF
                                                                          : CUDA_R_16F;

/// c ← a b + scale·c by columns, accumulated in T, without tensor-float.
template <class T, class M>
void multiply_on_device(cublasHandle_t handle, cublasOperation_t a_by, cublasOperation_t b_by, std::int64_t m,
                        std::int64_t n, std::int64_t k, const M* a, std::int64_t a_apart, const M* b,
                        std::int64_t b_apart, T scale, T* c, std::int64_t c_apart) {
  const T one = 1;
  on_device::require_cublas(
      cublasGemmEx_64(handle, a_by, b_by, m, n, k, &one, a, blas_type<M>, a_apart, b, blas_type<M>, b_apart, &scale, c,
                      blas_type<T>, c_apart, std::is_same_v<T, double> ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                      CUBLAS_GEMM_DEFAULT),
      "a product of the fused head");
}

/// A tile of logits: `count` rows from `first_row` on, `width` columns from `first_token` on.
template <class T>
struct device_tile {
  T* data;
  std::int64_t first_row, count, first_token, width;
  ZERMELO_FN logit_rows<T> rows() const { return {data, count, width, count, 0, width, 1}; }
};

template <class T, class B>
__device__ T finished_logit(T z, const B& bias, std::int64_t v, T cap) {
  if constexpr (!std::is_same_v<B, zm_detail::no_column>) z += static_cast<T>(bias.at(v));
  return cap > 0 ? cap * tanh(z / cap) : z;
}

/// Merges a tile into what is known of its rows, a block a row.
template <class T, class B, class Source>
__global__ void __launch_bounds__(zm_detail::block_threads)
    merge_tile(const device_tile<T> tile, const B bias, const T cap, const Source source, softmax_moments* running,
               double* picked, fault_word* fault) {
  const token_walk<T, false> walk{tile.rows()};
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t r = blockIdx.x; r < tile.count; r += gridDim.x) {
    T* const row = tile.data + r * tile.width;
    if (!std::is_same_v<B, zm_detail::no_column> || cap > 0)
      for (std::int64_t j = thread; j < tile.width; j += zm_detail::block_threads)
        row[j] = finished_logit(row[j], bias, tile.first_token + j, cap);
    __syncthreads();
    const token_part part = on_device::merged_over_block(walk.of_lane(r, thread, zm_detail::block_threads));
    if (thread == 0) {
      fault_word first =
          part.fault == no_fault ? no_fault : word_of(fault_code::refused, logits_argument, tile.first_row + r);
      running[r] = tile.first_token == 0 ? part.moments : merge(running[r], part.moments);
      const std::int64_t target = source.target(tile.first_row + r, first) - tile.first_token;
      if (target >= 0 && target < tile.width) picked[r] = static_cast<double>(row[target]);
      on_device::note_fault(fault, first);
    }
    __syncthreads();
  }
}

template <class Source, class L, class S>
__global__ void __launch_bounds__(zm_detail::block_threads)
    finish_tile_rows(const std::int64_t first_row, const std::int64_t count, const Source source,
                     const softmax_moments* running, const double* picked, const L logprobs, const S normalisers,
                     row_sum* of_rows, fault_word* fault) {
  for (std::int64_t r = on_device::first_index(); r < count; r += on_device::index_step()) {
    const std::int64_t n = first_row + r;
    fault_word first = no_fault;
    const bool scored = source.target(n, first) >= 0;
    if (!(running[r].sum > 0)) on_device::note_fault(fault, word_of(fault_code::refused, logits_argument, n));
    const double logprob = scored ? running[r].log_probability(picked[r]) : 0.0;
    write_number(logprobs, n, logprob);
    write_number(normalisers, n, running[r].normaliser());
    of_rows[n] = {logprob, scored ? 1 : 0};
  }
}

/// A tile of logits → their gradients, as M for the products behind, a thread an element.
template <class T, class M, class B, class Source, class U, class S>
__global__ void __launch_bounds__(zm_detail::block_threads)
    differentiate_tile(const device_tile<T> tile, const B bias, const T cap, const Source source, const U upstream,
                       const S normalisers, M* to, fault_word* fault) {
  for (std::int64_t r = blockIdx.x; r < tile.count; r += gridDim.x) {
    const std::int64_t n = tile.first_row + r;
    fault_word first = no_fault;
    const std::int64_t target = source.target(n, first);
    double direct = 0;
    if (target >= 0) {
      direct = static_cast<double>(upstream.at(n));
      if (!is_finite(direct)) first = word_of(fault_code::refused, upstream_argument, n);
    }
    const double normaliser = direct == 0 ? 0.0 : static_cast<double>(normalisers.at(n));
    bool bad = false;
    for (std::int64_t j = threadIdx.x; j < tile.width; j += zm_detail::block_threads) {
      T g = 0;
      if (direct != 0) {
        const std::int64_t v = tile.first_token + j;
        const T raw = finished_logit(tile.data[r * tile.width + j], bias, v, T(0));
        const T t = cap > 0 ? raw / cap : T(0);
        const double log_p = static_cast<double>(cap > 0 ? cap * tanh(t) : raw) - normaliser;
        const double slope = cap > 0 ? static_cast<double>(4 * sigmoid(2 * t) * sigmoid(-2 * t)) : 1.0;
        bad = bad || is_nan(log_p);
        g = v == target ? static_cast<T>(-direct * slope * expm1(log_p))
                        : static_cast<T>(-direct * slope) * exp(static_cast<T>(log_p));
      }
      to[r * tile.width + j] = static_cast<M>(g);
    }
    if (bad) first = word_of(fault_code::refused, logits_argument, n);
    on_device::note_fault(fault, first);
  }
}

/// Sums of a tile's columns, a thread each, in the order of the rows.
template <class M, class G>
__global__ void __launch_bounds__(zm_detail::block_threads)
    sum_tile_columns(const M* gradients, const std::int64_t rows, const std::int64_t width,
                     const std::int64_t first_token, const bool add, const G to) {
  using E = typename std::remove_cvref_t<decltype(to.view)>::value_type;
  for (std::int64_t j = on_device::first_index(); j < width; j += on_device::index_step()) {
    double sum = add ? static_cast<double>(to.at(first_token + j)) : 0.0;
    for (std::int64_t r = 0; r < rows; ++r) sum += static_cast<double>(gradients[r * width + j]);
    to.at(first_token + j) = static_cast<E>(sum);
  }
}

/// Throws what the host would throw.
template <class Ids>
struct fused_verdict {
  Ids ids;
  std::int64_t hidden, vocabulary;
  token_sums operator()(const cuda& policy, const fault& bad, const token_sums& sums) const {
    refuse(policy, bad);
    return sums;
  }
  void operator()(const cuda& policy, const fault& bad, const no_statistics&) const { refuse(policy, bad); }

 private:
  void refuse(const cuda& policy, const fault& bad) const {
    if (bad.code == fault_code::none) return;
    if (bad.code == fault_code::out_of_range)
      throw domain_error("targets", bad.index,
                         zermelo::detail::text(on_device::element_on_host(policy, ids, bad.index)) +
                             ", expected a token in [0, " + std::to_string(vocabulary) +
                             ") or the index that is ignored");
    if (bad.argument == upstream_argument) throw domain_error("upstream", bad.index, "is not finite");
    throw domain_error("hidden", bad.index * hidden,
                       "the logits of row " + std::to_string(bad.index) +
                           " have no softmax: one is +inf or not a number, or all are -inf");
  }
};

template <class X>
auto rows_on_device(const X& x, const char* name) {
  const auto v = zm_detail::column_of<memory::device>(x, name).view;
  static_assert(std::remove_cvref_t<decltype(v)>::rank == 2, "zermelo: hidden states and weights are matrices");
  if (!on_device::rows_side_by_side(v)) throw shape_error(name, "rows of numbers side by side are expected");
  return v;
}

/// What both passes begin with.
template <class H, class W, class B, class Y>
struct fused_call {
  H hidden;
  W weight;
  B bias;
  Y targets;
  std::int64_t rows, columns;  ///< of a tile
  fused_parameters parameters;

  using M = typename W::value_type;
  using T = std::conditional_t<std::is_same_v<M, double>, double, float>;

  fused_call(const H& h, const W& w, const B& b, const Y& y, const fused_parameters& p)
      : hidden(h), weight(w), bias(b), targets(y), parameters(p) {
    static_assert(std::is_same_v<typename H::value_type, M>,
                  "zermelo: on a device hidden states and weights are of one type");
    p.require_valid();
    if (w.shape[0] < 1) throw shape_error("weight", "a vocabulary of no tokens");
    if (w.shape[1] < 1) throw shape_error("weight", "rows of no numbers");
    if (h.shape[1] != w.shape[1])
      throw shape_error("hidden", "rows of " + std::to_string(h.shape[1]) + " numbers, expected those of the weight, " +
                                      std::to_string(w.shape[1]));
    require_elements(y, "targets", h.shape[0]);
    require_elements(b, "bias", w.shape[0]);
    rows = on_device::at_least_one((std::min)(p.tile_rows > 0 ? p.tile_rows : 2048, h.shape[0]));
    columns = (std::min)(p.tile_vocabulary > 0 ? p.tile_vocabulary : 8192, w.shape[0]);
  }
  std::int64_t apart(const auto& v) const { return on_device::larger(v.shape[0] > 1 ? v.strides[0] : 1, v.shape[1]); }
  auto source() const {
    const auto ids = device_numbers(targets);
    return token_source<std::remove_const_t<decltype(ids)>, zm_detail::no_column>{
        ids, {}, hidden.shape[0], 0, weight.shape[0], parameters.ignore_index};
  }
  /// f(tile, number of the row tile, is it the first of its rows) for every tile, whose logits were made.
  template <class F>
  void for_tiles(const cuda& on, T* logits, F&& f) const {
    const std::int64_t n = hidden.shape[0], v = weight.shape[0], d = hidden.shape[1];
    for (std::int64_t row = 0; row < n; row += rows)
      for (std::int64_t token = 0; token < v; token += columns) {
        const device_tile<T> tile{logits, row, (std::min)(rows, n - row), token, (std::min)(columns, v - token)};
        multiply_on_device<T, M>(on_device::cublas_of(on), CUBLAS_OP_T, CUBLAS_OP_N, tile.width, tile.count, d,
                                 weight.data + token * weight.strides[0], apart(weight),
                                 hidden.data + row * hidden.strides[0], apart(hidden), T(0), logits, tile.width);
        f(tile, token + columns >= v);
      }
  }
};
template <class B>
auto device_bias(const B& bias) {
  if constexpr (std::is_same_v<B, no_bias_t>)
    return zm_detail::no_column{};
  else
    return zm_detail::column_of<memory::device>(bias, "bias");
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host: hidden [N, D] and weight [V, D] of one type (float, double, bfloat16, float16), rows side by side, products
/// accumulated in float, or double. Scratch memory of the policy: one tile of logits and a few numbers of every row.
template <device_policy P, tensor H, tensor W, class B, tensor Y, class L, class S>
auto fused_linear_logprobs(P&& policy, const H& hidden, const W& weight, const B& bias, const Y& targets, L&& logprobs,
                           S&& normalisers, const fused_parameters& parameters = {}) {
  const auto tokens = zermelo::detail::column_of<memory::device>(targets, "targets");
  const detail::fused_call call(detail::rows_on_device(hidden, "hidden"), detail::rows_on_device(weight, "weight"),
                                detail::device_bias(bias), tokens, parameters);
  using T = typename std::remove_cvref_t<decltype(call)>::T;
  const std::int64_t n = call.hidden.shape[0];
  const auto lp = zermelo::detail::column_of<memory::device>(logprobs, "logprobs");
  const auto lse = zermelo::detail::column_of<memory::device>(normalisers, "normalisers");
  detail::require_elements(lp, "logprobs", n);
  detail::require_elements(lse, "normalisers", n);
  zermelo::detail::scratch_layout layout;
  const std::size_t logits_at = layout.add<T>(call.rows * call.columns),
                    running_at = layout.add<detail::softmax_moments>(call.rows),
                    picked_at = layout.add<double>(call.rows), sums_at = layout.add<detail::row_sum>(n);
  const zermelo::detail::device_scratch<std::remove_cvref_t<P>> scratch(policy, layout);
  const cuda& on = zermelo::detail::cuda_of(policy);
  zermelo::detail::clear_fault(on, scratch.fault());
  auto* const running = scratch.template at<detail::softmax_moments>(running_at);
  auto* const picked = scratch.template at<double>(picked_at);
  auto* const sums = scratch.template at<detail::row_sum>(sums_at);
  const auto source = call.source();
  call.for_tiles(on, scratch.template at<T>(logits_at), [&](const auto& tile, bool last) {
    detail::merge_tile<<<static_cast<unsigned>((std::min)(tile.count, std::int64_t{65535})),
                         zermelo::detail::block_threads, 0, on.stream()>>>(tile, detail::device_numbers(call.bias),
                                                                           static_cast<T>(parameters.softcap), source,
                                                                           running, picked, scratch.fault());
    zermelo::detail::require_launched("merging a tile of logits");
    if (!last) return;
    detail::
        finish_tile_rows<<<zermelo::detail::blocks_for(tile.count), zermelo::detail::block_threads, 0, on.stream()>>>(
            tile.first_row, tile.count, source, static_cast<const detail::softmax_moments*>(running),
            static_cast<const double*>(picked), detail::device_numbers(lp), detail::device_numbers(lse), sums,
            scratch.fault());
    zermelo::detail::require_launched("finishing rows of logits");
  });
  auto* const record = reinterpret_cast<token_sums*>(static_cast<std::byte*>(scratch.record) + device_record::header);
  detail::sum_token_rows<<<1, zermelo::detail::block_threads, 0, on.stream()>>>(sums, n, record);
  zermelo::detail::require_launched("summing tokens");
  return zermelo::detail::answer<token_sums>(
      policy, scratch,
      detail::fused_verdict<std::remove_const_t<decltype(tokens)>>{tokens, call.hidden.shape[1], call.weight.shape[0]});
}

/// As on the host; gradients of hidden states, weight and bias are in the precision of the arithmetic, rows side by side.
/// In 16 bits, gradients by logits are rounded to the weight's type before the products.
template <device_policy P, tensor H, tensor W, class B, tensor Y, tensor S, tensor U, class GH, class GW, class GB>
auto fused_linear_logprobs_gradient(P&& policy, const H& hidden, const W& weight, const B& bias, const Y& targets,
                                    const S& normalisers, const U& upstream, GH&& grad_hidden, GW&& grad_weight,
                                    GB&& grad_bias, const fused_parameters& parameters = {}) {
  const auto tokens = zermelo::detail::column_of<memory::device>(targets, "targets");
  const detail::fused_call call(detail::rows_on_device(hidden, "hidden"), detail::rows_on_device(weight, "weight"),
                                detail::device_bias(bias), tokens, parameters);
  using call_type = std::remove_cvref_t<decltype(call)>;
  using T = typename call_type::T;
  using M = typename call_type::M;
  const std::int64_t n = call.hidden.shape[0], d = call.hidden.shape[1], v = call.weight.shape[0];
  const auto lse = zermelo::detail::column_of<memory::device>(normalisers, "normalisers");
  const auto u = zermelo::detail::column_of<memory::device>(upstream, "upstream");
  const auto to_bias = zermelo::detail::column_of<memory::device>(grad_bias, "grad_bias");
  detail::require_elements(lse, "normalisers", n);
  detail::require_elements(u, "upstream", n);
  detail::require_elements(to_bias, "grad_bias", v);
  constexpr bool with_hidden = !std::is_same_v<std::remove_cvref_t<GH>, discard_t>;
  constexpr bool with_weight = !std::is_same_v<std::remove_cvref_t<GW>, discard_t>;
  constexpr bool with_bias = !std::is_same_v<std::remove_cvref_t<GB>, discard_t>;
  const auto matrix = [&](auto& x, const char* name, std::int64_t rows) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(x)>, discard_t>) {
      return tensor_view<T, 2, memory::device>{};
    } else {
      const auto to = detail::rows_on_device(x, name);
      static_assert(std::is_same_v<typename std::remove_cvref_t<decltype(to)>::element_type, T>,
                    "zermelo: gradients on a device are in the precision of the arithmetic");
      if (to.shape[0] != rows || to.shape[1] != d)
        throw shape_error(name, "[" + std::to_string(to.shape[0]) + ", " + std::to_string(to.shape[1]) +
                                    "], expected [" + std::to_string(rows) + ", " + std::to_string(d) + "]");
      return to;
    }
  };
  const auto to_hidden = matrix(grad_hidden, "grad_hidden", n), to_weight = matrix(grad_weight, "grad_weight", v);
  zermelo::detail::scratch_layout layout;
  const std::size_t logits_at = layout.add<T>(call.rows * call.columns),
                    rounded_at = layout.add<M>(std::is_same_v<M, T> ? 0 : call.rows * call.columns);
  const zermelo::detail::device_scratch<std::remove_cvref_t<P>> scratch(policy, layout);
  const cuda& on = zermelo::detail::cuda_of(policy);
  zermelo::detail::clear_fault(on, scratch.fault());
  const auto source = call.source();
  T* const logits = scratch.template at<T>(logits_at);
  M* gradients;
  if constexpr (std::is_same_v<M, T>)
    gradients = logits;  // in place
  else
    gradients = scratch.template at<M>(rounded_at);
  call.for_tiles(on, logits, [&](const auto& tile, bool) {
    detail::differentiate_tile<<<static_cast<unsigned>((std::min)(tile.count, std::int64_t{65535})),
                                 zermelo::detail::block_threads, 0, on.stream()>>>(
        tile, detail::device_numbers(call.bias), static_cast<T>(parameters.softcap), source, detail::device_numbers(u),
        detail::device_numbers(lse), gradients, scratch.fault());
    zermelo::detail::require_launched("differentiating a tile of logits");
    const cublasHandle_t handle = zermelo::detail::cublas_of(on);
    const M* const g = gradients;
    const bool first_rows = tile.first_row == 0, first_tokens = tile.first_token == 0;
    if constexpr (with_hidden)
      detail::multiply_on_device<T, M>(handle, CUBLAS_OP_N, CUBLAS_OP_N, d, tile.count, tile.width,
                                       call.weight.data + tile.first_token * call.weight.strides[0],
                                       call.apart(call.weight), g, tile.width, T(first_tokens ? 0 : 1),
                                       to_hidden.data + tile.first_row * to_hidden.strides[0], call.apart(to_hidden));
    if constexpr (with_weight)
      detail::multiply_on_device<T, M>(handle, CUBLAS_OP_N, CUBLAS_OP_T, d, tile.width, tile.count,
                                       call.hidden.data + tile.first_row * call.hidden.strides[0],
                                       call.apart(call.hidden), g, tile.width, T(first_rows ? 0 : 1),
                                       to_weight.data + tile.first_token * to_weight.strides[0], call.apart(to_weight));
    if constexpr (with_bias) {
      detail::
          sum_tile_columns<<<zermelo::detail::blocks_for(tile.width), zermelo::detail::block_threads, 0, on.stream()>>>(
              g, tile.count, tile.width, tile.first_token, !first_rows, detail::device_numbers(to_bias));
      zermelo::detail::require_launched("summing a gradient of the bias");
    }
  });
  return zermelo::detail::answer<no_statistics>(
      policy, scratch, detail::fused_verdict<std::remove_const_t<decltype(tokens)>>{tokens, d, v});
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment

#endif
