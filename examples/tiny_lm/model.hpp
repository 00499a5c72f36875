// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>
#include <zermelo/alignment/fused_head.hpp>
#include <zermelo/core/primitives/matmul.hpp>
#include <zermelo/core/random.hpp>

#include "language.hpp"

/// A character model: embeddings of the last characters, one hidden layer, a linear head that is fused with its log-softmax.
namespace tiny {

namespace zm = zermelo;
namespace za = zermelo::alignment;

inline constexpr std::int64_t context = 14, width = 12, hidden = 96;
inline const auto symbols = static_cast<std::int64_t>(language::alphabet.size());

/// A parameter with its gradient and Adam's moments.
struct parameter {
  std::int64_t rows, columns;
  std::vector<float> value, gradient, first, second;

  parameter(std::int64_t r, std::int64_t c, double size, std::uint64_t seed)
      : rows(r), columns(c), value(static_cast<std::size_t>(r * c)), gradient(value), first(value), second(value) {
    for (std::size_t k = 0; k < value.size(); ++k)
      value[k] = static_cast<float>(size * (2 * zm::uniform(5, seed, k) - 1));
  }
  auto view() { return zm::matrix_view(value.data(), rows, columns); }
  auto view() const { return zm::matrix_view(value.data(), rows, columns); }
  auto slope() { return zm::matrix_view(gradient.data(), rows, columns); }
};

/// Characters to be predicted, each with those before it; and which sequence it belongs to.
struct batch {
  std::vector<std::int64_t> before, target;  // [N, context], [N]
  std::vector<std::int64_t> offsets = {0};   // [B + 1]
  std::int64_t size() const { return static_cast<std::int64_t>(target.size()); }

  /// The characters of the completion, or of the whole sentence.
  void add(const language::sentence& s, bool whole) {
    const std::string text = s.prompt + s.completion;
    for (std::size_t t = whole ? 0 : s.prompt.size(); t < text.size(); ++t)
      add_context(text, t, language::symbol(text[t]));
    offsets.push_back(size());
  }
  void add_context(const std::string& text, std::size_t t, std::int64_t next) {
    for (std::int64_t k = context; k > 0; --k) {
      const auto at = static_cast<std::int64_t>(t) - k;
      before.push_back(at < 0 ? 0 : language::symbol(text[static_cast<std::size_t>(at)]));
    }
    target.push_back(next);
  }
};

class model {
 public:
  parameter embedding{symbols, width, 0.5, 1}, inner{hidden, context* width, 0.13, 2}, inner_bias{1, hidden, 0, 3},
      head{symbols, hidden, 0.1, 4}, head_bias{1, symbols, 0, 5};

  /// Log-probabilities of the targets; what the gradient needs is kept.
  za::token_sums logprobs(const batch& b, std::vector<double>& tokens) {
    hidden_states(b);
    tokens.resize(b.target.size());
    normaliser_.resize(b.target.size());
    return za::fused_linear_logprobs(states(b), head.view(), head_bias.value, b.target, tokens, normaliser_);
  }

  /// Gradients of all parameters, from those by every log-probability of the call before.
  void gradient(const batch& b, const std::vector<double>& upstream) {
    std::vector<float> by_state(state_.size()), by_input(input_.size());
    const auto n = b.size();
    const auto to_state = zm::matrix_view(by_state.data(), n, hidden);
    za::fused_linear_logprobs_gradient(states(b), head.view(), head_bias.value, b.target, normaliser_, upstream,
                                       to_state, head.slope(), head_bias.gradient);
    for (std::size_t k = 0; k < state_.size(); ++k) by_state[k] *= 1 - state_[k] * state_[k];  // through tanh
    std::fill(inner_bias.gradient.begin(), inner_bias.gradient.end(), 0.0F);
    for (std::size_t k = 0; k < by_state.size(); ++k) inner_bias.gradient[k % hidden] += by_state[k];
    const auto inputs = zm::matrix_view(input_.data(), n, context * width);
    zm::matmul(zm::transposed(to_state), inputs, inner.slope());
    zm::matmul(to_state, inner.view(), zm::matrix_view(by_input.data(), n, context * width));
    std::fill(embedding.gradient.begin(), embedding.gradient.end(), 0.0F);
    for (std::size_t k = 0; k < b.before.size(); ++k)
      for (std::size_t j = 0; j < width; ++j)
        embedding.gradient[static_cast<std::size_t>(b.before[k]) * width + j] += by_input[k * width + j];
  }

  /// One step of Adam down the gradients.
  void descend(double rate) {
    ++step_;
    const double a = rate * std::sqrt(1 - std::pow(0.999, step_)) / (1 - std::pow(0.9, step_));
    for (parameter* p : {&embedding, &inner, &inner_bias, &head, &head_bias})
      for (std::size_t k = 0; k < p->value.size(); ++k) {
        const float g = p->gradient[k];
        p->first[k] += 0.1F * (g - p->first[k]);
        p->second[k] += 0.001F * (g * g - p->second[k]);
        p->value[k] -= static_cast<float>(a) * p->first[k] / (std::sqrt(p->second[k]) + 1e-8F);
      }
  }
  void forget_moments() {
    step_ = 0;
    for (parameter* p : {&embedding, &inner, &inner_bias, &head, &head_bias}) {
      std::fill(p->first.begin(), p->first.end(), 0.0F);
      std::fill(p->second.begin(), p->second.end(), 0.0F);
    }
  }

  /// Logits of all characters behind each context.
  std::vector<float> logits(const batch& b) {
    hidden_states(b);
    std::vector<float> z(static_cast<std::size_t>(b.size() * symbols));
    zm::matmul(states(b), zm::transposed(head.view()), zm::matrix_view(z.data(), b.size(), symbols));
    for (std::size_t k = 0; k < z.size(); ++k) z[k] += head_bias.value[k % static_cast<std::size_t>(symbols)];
    return z;
  }

  /// Completions of prompts, drawn character by character.
  std::vector<std::string> complete(const std::vector<std::string>& prompts, language::dice& d) {
    std::vector<std::string> text = prompts;
    for (int t = 0; t < 40; ++t) {
      batch b;
      for (const auto& s : text) b.add_context(s, s.size(), 0);
      auto p = logits(b);
      zm::softmax_rows(zm::matrix_view(static_cast<const float*>(p.data()), b.size(), symbols),
                       zm::matrix_view(p.data(), b.size(), symbols));
      for (std::size_t s = 0; s < text.size(); ++s) {
        if (text[s].size() > prompts[s].size() && text[s].back() == '\n') continue;
        double u = d.uniform();
        std::size_t c = 0;
        for (const auto last = static_cast<std::size_t>(symbols) - 1; c < last; ++c)
          if ((u -= static_cast<double>(p[s * (last + 1) + c])) < 0) break;
        text[s] += language::alphabet[c];
      }
    }
    for (std::size_t s = 0; s < text.size(); ++s) text[s].erase(0, prompts[s].size());
    return text;
  }

 private:
  zm::tensor_view<const float, 2> states(const batch& b) const {
    return zm::matrix_view(state_.data(), b.size(), hidden);
  }

  void hidden_states(const batch& b) {
    input_.clear();
    for (const std::int64_t c : b.before)
      input_.insert(input_.end(), embedding.value.begin() + c * width, embedding.value.begin() + (c + 1) * width);
    state_.resize(static_cast<std::size_t>(b.size() * hidden));
    zm::matmul(zm::matrix_view(input_.data(), b.size(), context * width), zm::transposed(inner.view()),
               zm::matrix_view(state_.data(), b.size(), hidden));
    for (std::size_t k = 0; k < state_.size(); ++k) state_[k] = zm::tanh(state_[k] + inner_bias.value[k % hidden]);
  }

  std::vector<float> input_, state_;
  std::vector<double> normaliser_;
  double step_ = 0;
};

}  // namespace tiny
