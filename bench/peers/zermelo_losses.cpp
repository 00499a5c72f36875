// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// A shared library of C functions on memory of another's tensors, one thread each. The peers' script calls them in turn with
/// PyTorch's on the same data, in one process.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 intrinsics, inlined into Eigen
#endif
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "zermelo/alignment/dpo.hpp"
#include "zermelo/alignment/fused_head.hpp"
#include "zermelo/alignment/token_logprobs.hpp"
#include "zermelo/alignment/token_weights.hpp"
#include "zermelo/core/pair_loss.hpp"

namespace {

namespace zm = zermelo;
namespace za = zermelo::alignment;

/// Exceptions do not cross into C.
template <class F>
void guarded(F f) {
  try {
    f();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "zermelo_losses: %s\n", e.what());
    std::abort();
  }
}

}  // namespace

extern "C" {

/// log-probabilities [4, n] of chosen and rejected by the policy, then by the reference; gradients [2, n] of the sum.
double dpo(std::int64_t n, const float* logps, double beta, float* losses, float* gradients) {
  double sum = 0;
  guarded([&] {
    const auto column = [&](int c) { return zm::vector_view(logps + c * n, n); };
    sum = zm::pair_loss(za::dpo{.beta = beta}, column(0), column(1), column(2), column(3), zm::vector_view(losses, n),
                        zm::vector_view(gradients, n), zm::vector_view(gradients + n, n))
              .loss;
  });
  return sum;
}

void token_logprobs(std::int64_t n, std::int64_t v, const float* logits, const std::int64_t* targets, float* logprobs,
                    double* normalisers) {
  guarded([&] {
    const auto lse = zm::vector_view(normalisers, n);
    za::token_logprobs(zm::matrix_view(logits, n, v), zm::vector_view(targets, n), zm::vector_view(logprobs, n),
                       za::normalisers(lse));
  });
}

void token_logprobs_gradient(std::int64_t n, std::int64_t v, const float* logits, const std::int64_t* targets,
                             const float* upstream, const double* normalisers, float* gradient) {
  guarded([&] {
    const auto lse = zm::vector_view(normalisers, n);
    za::token_logprobs_gradient(zm::matrix_view(logits, n, v), zm::vector_view(targets, n),
                                zm::vector_view(upstream, n), zm::matrix_view(gradient, n, v), za::normalisers(lse));
  });
}

void head(std::int64_t n, std::int64_t d, std::int64_t v, const float* hidden, const float* weight,
          const std::int64_t* targets, float* logprobs, double* normalisers) {
  guarded([&] {
    za::fused_linear_logprobs(zm::matrix_view(hidden, n, d), zm::matrix_view(weight, v, d), za::no_bias,
                              zm::vector_view(targets, n), zm::vector_view(logprobs, n),
                              zm::vector_view(normalisers, n));
  });
}

void head_gradient(std::int64_t n, std::int64_t d, std::int64_t v, const float* hidden, const float* weight,
                   const std::int64_t* targets, const double* normalisers, const float* upstream, float* for_hidden,
                   float* for_weight) {
  guarded([&] {
    za::fused_linear_logprobs_gradient(zm::matrix_view(hidden, n, d), zm::matrix_view(weight, v, d), za::no_bias,
                                       zm::vector_view(targets, n), zm::vector_view(normalisers, n),
                                       zm::vector_view(upstream, n), zm::matrix_view(for_hidden, n, d),
                                       zm::matrix_view(for_weight, v, d), zm::discard);
  });
}

/// DPO of 2 `pairs` sequences of `length` tokens each, the chosen ones first, by a policy and a reference that share their head:
/// the mean over pairs and its gradients.
double linear_dpo(std::int64_t pairs, std::int64_t length, std::int64_t d, std::int64_t v, const float* hidden,
                  const float* reference, const float* weight, const std::int64_t* targets, double beta,
                  float* for_hidden, float* for_weight) {
  double loss = 0;
  guarded([&] {
    const std::int64_t n = 2 * pairs * length;
    std::vector<double> tokens(static_cast<std::size_t>(n)), normalisers(tokens.size());
    std::vector<double> policy(static_cast<std::size_t>(2 * pairs)), before(policy.size()), slopes(policy.size());
    std::vector<std::int64_t> offsets;
    for (std::int64_t s = 0; s <= 2 * pairs; ++s) offsets.push_back(s * length);
    const auto w = zm::matrix_view(weight, v, d);
    const auto y = zm::vector_view(targets, n);
    const auto half = [&](std::vector<double>& x, std::int64_t k) {
      return zm::vector_view(x.data() + k * pairs, pairs);
    };
    za::fused_linear_logprobs(zm::matrix_view(reference, n, d), w, za::no_bias, y, tokens, zm::discard);
    za::sum_tokens(za::ragged(offsets), tokens, before, zm::discard);
    za::fused_linear_logprobs(zm::matrix_view(hidden, n, d), w, za::no_bias, y, tokens, normalisers);
    za::sum_tokens(za::ragged(offsets), tokens, policy, zm::discard);
    loss = zm::pair_loss(za::dpo{.beta = beta}, half(policy, 0), half(policy, 1), half(before, 0), half(before, 1),
                         zm::discard, half(slopes, 0), half(slopes, 1))
               .mean_over_pairs();
    for (double& s : slopes) s /= static_cast<double>(pairs);
    za::spread_over_tokens(za::ragged(offsets), slopes, tokens);
    za::fused_linear_logprobs_gradient(zm::matrix_view(hidden, n, d), w, za::no_bias, y, normalisers, tokens,
                                       zm::matrix_view(for_hidden, n, d), zm::matrix_view(for_weight, v, d),
                                       zm::discard);
  });
  return loss;
}
}
