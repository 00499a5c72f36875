// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Losses of pairs and of single responses on a device, against the same functions on the host: a kernel of every form.
#include "check.cuh"
#include "zermelo/alignment/apo.hpp"
#include "zermelo/alignment/bco.hpp"
#include "zermelo/alignment/cream.hpp"
#include "zermelo/alignment/discopop.hpp"
#include "zermelo/alignment/exo.hpp"
#include "zermelo/alignment/f_dpo.hpp"
#include "zermelo/alignment/kto.hpp"
#include "zermelo/alignment/mixture.hpp"
#include "zermelo/alignment/orpo.hpp"
#include "zermelo/alignment/ranking_accuracy.hpp"
#include "zermelo/alignment/tdpo.hpp"
#include "zermelo/alignment/wpo.hpp"
#include "zermelo/core/pair_loss.hpp"

namespace {

namespace al = zermelo::alignment;
constexpr std::int64_t n = 50021;

/// Columns on both sides: four of log-probabilities, two of lengths, two of numbers between 0 and 1.
template <class T>
struct data {
  std::vector<T> host[8];
  on_device<T> device[8] = {make(0), make(1), make(2), make(3), make(4), make(5), make(6), make(7)};

  on_device<T> make(std::size_t c) {
    host[c] = random_numbers<T>(n, 40 + c);
    for (T& v : host[c]) v = c < 4 ? 15 * (v - T(1.01)) : c < 6 ? 20 + std::floor(10 * v) : (v + 1) / 2;
    return on_device<T>(host[c]);
  }
};

/// A loss of pairs gives the same on a device, within rounding: products are fused with sums in other places there, and
/// margins of up to 60 differ by units of theirs, `steep` times.
template <class T, class Kernel, class OnHost, class OnDevice>
void pairs(const zm::cuda& gpu, const data<T>& x, const Kernel& kernel, double steep, OnHost host, OnDevice device) {
  std::vector<T> loss(n), for_chosen(n), for_rejected(n);
  zm::pair_sums expected, got;
  host([&](const auto&... options) {
    expected =
        zm::pair_loss(kernel, x.host[0], x.host[1], x.host[2], x.host[3], loss, for_chosen, for_rejected, options...);
  });
  const on_device<T> to_loss(n), to_chosen(n), to_rejected(n);
  const auto c = x.device[0].view(), r = x.device[1].view(), rc = x.device[2].view(), rr = x.device[3].view();
  const auto l = to_loss.view(), gc = to_chosen.view(), gr = to_rejected.view();
  device([&](const auto&... options) { got = zm::pair_loss(gpu, kernel, c, r, rc, rr, l, gc, gr, options...); });
  const double bound = 200 * steep * epsilon<T>();
  CHECK(distance(to_loss.get(), loss) <= bound);
  CHECK(distance(to_chosen.get(), for_chosen) <= bound);
  CHECK(distance(to_rejected.get(), for_rejected) <= bound);
  CHECK(std::fabs(got.loss - expected.loss) <= bound * static_cast<double>(n));
  CHECK(got.pairs == n);
  CHECK(got.correct == expected.correct);
}

struct without_options {
  template <class F>
  void operator()(F f) const {
    f();
  }
};

template <class T>
void all(const zm::cuda& gpu) {
  data<T> x;
  const without_options none;
  pairs(gpu, x, al::exo_pair{.beta = 0.3, .label_smoothing = 0.1}, 10, none, none);
  pairs(gpu, x, al::discopop{.beta = 0.3, .discopop_tau = 0.5}, 10, none, none);
  pairs(gpu, x, al::apo_down{.beta = 0.3}, 1, none, none);
  pairs(gpu, x, al::bco_pair{.beta = 0.3}, 1, none, none);
  pairs(gpu, x, al::f_dpo<al::f_divergence::jensen_shannon>{.beta = 0.3}, 1, none, none);
  const auto n_w = x.device[4].view(), n_l = x.device[5].view(), p = x.device[6].view(), q = x.device[7].view();
  pairs(
      gpu, x, al::mixture(al::part{1, al::dpo{}}, al::part{0.1, al::sft{}}), 1,
      [&](auto f) { f(zm::with_lengths(x.host[4], x.host[5])); }, [&](auto f) { f(zm::with_lengths(n_w, n_l)); });
  pairs(
      gpu, x, al::cream{.beta = 0.3}, 1, [&](auto f) { f(zm::alongside(x.host[6])); },
      [&](auto f) { f(zm::alongside(p)); });
  pairs(
      gpu, x, al::wpo{al::dpo{}}, 10, [&](auto f) { f(zm::alongside(x.host[6], x.host[7])); },
      [&](auto f) { f(zm::alongside(p, q)); });
  std::vector<T> slope(n), other(n);
  const on_device<T> to_slope(n), to_other(n);
  const auto s = to_slope.view(), o = to_other.view();
  pairs(
      gpu, x, al::tdpo1{.beta = 0.3}, 1,
      [&](auto f) { f(zm::alongside(x.host[6], x.host[7]), zm::also_into(slope, other)); },
      [&](auto f) { f(zm::alongside(p, q), zm::also_into(s, o)); });
  CHECK(distance(to_slope.get(), slope) <= 200 * epsilon<T>());
  CHECK(distance(to_other.get(), other) <= 200 * epsilon<T>());

  // Single responses, and a refusal by name.
  std::vector<T> label(n), loss(n), gradient(n);
  for (std::size_t k = 0; k < label.size(); ++k) label[k] = static_cast<T>(k % 3 == 0);
  on_device<T> device_label(label);
  const on_device<T> to_loss(n), to_gradient(n);
  const auto y = device_label.view(), l = to_loss.view(), g = to_gradient.view();
  const auto a = x.device[0].view(), b = x.device[2].view();
  const al::kto kto{.beta = 0.3, .baseline = al::kto_baseline(gpu, a, b)};
  const auto expected = zm::response_loss(kto, x.host[0], x.host[2], loss, gradient, zm::alongside(label));
  const auto got = zm::response_loss(gpu, kto, a, b, l, g, zm::alongside(y));
  CHECK(distance(to_loss.get(), loss) <= 50 * epsilon<T>());
  CHECK(distance(to_gradient.get(), gradient) <= 50 * epsilon<T>());
  CHECK(std::fabs(got.loss - expected.loss) <= 50 * epsilon<T>() * static_cast<double>(n));
  label[777] = 5;
  device_label.set(label);
  CHECK(refusal([&] { zm::response_loss(gpu, kto, a, b, l, g, zm::alongside(y)); }) == "labels[777]");

  std::vector<T> weight(n);
  const on_device<T> to_weight(n);
  const auto w = to_weight.view();
  al::bco_udm_weight(x.host[6], weight);
  al::bco_udm_weight(gpu, p, w);
  CHECK(distance(to_weight.get(), weight) <= 8 * epsilon<T>() * 10);
  const auto ranked = [&](const auto&... columns) {
    return al::ranking_accuracy(columns..., zm::discard, zm::discard, zm::discard, zm::discard, zm::discard,
                                zm::discard, zm::discard);
  };
  const auto c = x.device[1].view(), d = x.device[3].view();
  CHECK(ranked(gpu, a, c, b, d, n_w, n_l, p).correct ==
        ranked(zm::simd{}, x.host[0], x.host[1], x.host[2], x.host[3], x.host[4], x.host[5], x.host[6]).correct);
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  all<float>(gpu);
  all<double>(gpu);
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
