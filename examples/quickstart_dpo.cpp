// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdio>
#include <span>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/token_logprobs.hpp>
#include <zermelo/core/pair_loss.hpp>

namespace zm = zermelo;

int main() {
  // What a model with four tokens returned for one prompt token and two of an answer: the chosen one, then the rejected one.
  const float logits[2][3][4] = {{{0, 1, 2, 0}, {1, 0, 0, 1}, {}}, {{0, 1, 2, 0}, {0, 2, 0, 1}, {}}};
  const int tokens[2][3] = {{0, 2, 3}, {0, 2, 1}}, answer[2][3] = {{0, 1, 1}, {0, 1, 1}};
  const float reference[2] = {-2.0f, -0.8f};  // the log-probabilities of both before training

  float logprob[2], slope[2], grad_logits[2][3][4];
  zm::alignment::sequence_logprobs(logits, tokens, zm::discard, logprob, zm::discard, zm::counted_where(answer));

  const std::span policy(logprob), grad(slope);
  const std::span before(reference);
  const auto sums = zm::pair_loss(zm::alignment::dpo{.beta = 0.1}, policy.first(1), policy.last(1), before.first(1),
                                  before.last(1), zm::discard, grad.first(1), grad.last(1));

  zm::alignment::sequence_logprobs_gradient(logits, tokens, slope, grad_logits, zm::counted_where(answer));
  std::printf("log-probabilities %.3f and %.3f, loss %.4f\n", logprob[0], logprob[1], sums.mean_over_pairs());
  for (const float g : grad_logits[0][1]) std::printf("%+.4f ", g);
  std::printf("is the gradient for the chosen answer's second token\n");
}
