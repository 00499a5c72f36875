// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>

#include "reliability/kernels.hpp"
#include "zermelo/alignment/dpo.hpp"
#include "zermelo/alignment/ipo.hpp"

namespace {

using namespace registry;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A loss of the margin: value and slope, the slope being the derivative of the value.
template <class Loss>
struct margin_loss {
  static constexpr std::size_t count = 2;
  static Loss make(const values& p) {
    if constexpr (requires { Loss{}.beta; })
      return {.beta = p[0], .label_smoothing = p[1]};
    else
      return {.tau = p[0]};
  }
  template <class V>
  static std::array<V, count> outputs(Loss loss, V margin) {
    const auto t = loss(margin);
    return {t.value, t.slope};
  }
};

template <class Loss, class T>
function margin_function(std::string name, std::vector<parameter> parameters, std::vector<limit> limits) {
  auto f = kernel_function<margin_loss<Loss>, T>(std::move(name), {"value", "slope"}, {.name = "margin"},
                                                 std::move(parameters));
  f.kernel->derivatives = {{0, 0, 1, 1}};
  f.kernel->limits = std::move(limits);
  return f;
}

const std::vector<limit> dpo_limits = {
    {{infinity}, {infinity, 0.05}}, {{-infinity}, {infinity, -0.45}}, {{0}, {std::log(2.0), -0.2}}};
const registration dpo_in_double(margin_function<zm::alignment::dpo, double>(
    "DPO", {{"beta", 0.5, 0.6}, {"label_smoothing", 0.1, 0.2}}, dpo_limits));
const registration dpo_in_float(margin_function<zm::alignment::dpo, float>(
    "DPO in float", {{"beta", 0.5, 0.6}, {"label_smoothing", 0.1, 0.2}}, dpo_limits));
const registration ipo_in_double(margin_function<zm::alignment::ipo, double>(
    "IPO", {{"tau", 0.25, 0.5}}, {{{infinity}, {infinity, infinity}}, {{2}, {0, 0}}, {{0}, {4, -4}}}));

}  // namespace
