// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Bradley–Terry fits on a device, against the same fits on the host.
#include <cmath>

#include "check.cuh"
#include "zermelo/preference/bradley_terry.hpp"

namespace {

namespace zp = zermelo::preference;
using zp::fit_method;

/// Everyone meets the next few both ways, so that a maximum exists.
zp::comparison_graph tournament(std::int64_t n, std::int64_t neighbours) {
  std::vector<std::int32_t> first, second;
  std::vector<double> wins, losses;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 1; k <= neighbours && k < n; ++k) {
      first.push_back(static_cast<std::int32_t>(i));
      second.push_back(static_cast<std::int32_t>((i + k) % n));
      const auto draw = [&](std::uint64_t stream) {
        return static_cast<double>(1 + zm::index_below(zm::random_bits(5, stream, static_cast<std::uint64_t>(i)), 9));
      };
      wins.push_back(draw(0)), losses.push_back(draw(1));
    }
  return zp::graph_from_records(first, second, wins, losses, n);
}

void fits(const zm::cuda& gpu, std::int64_t n, std::int64_t neighbours) {
  const auto graph = tournament(n, neighbours);
  for (const zp::strength_prior& prior : {zp::strength_prior(zp::no_prior{}), zp::strength_prior(zp::phantom_prior{}),
                                          zp::strength_prior(zp::pair_prior{.games = 0.5})}) {
    const zp::bradley_terry model{.prior = prior};
    const auto expected = zp::fit(model, graph);
    for (const auto method : {fit_method::newton, fit_method::lbfgs, fit_method::mm, fit_method::newman_parallel}) {
      const auto found = zp::fit(gpu, model, graph, {.method = method, .tolerance = 1e-9});
      CHECK(found.convergence.status == zm::status::converged);
      CHECK(found.certificate.gradient_norm <= 2e-9 * found.certificate.scale);
      CHECK(distance(found.strength, expected.strength) <= 1e-5);
      CHECK(std::fabs(found.log_likelihood - expected.log_likelihood) <= 1e-9 * std::fabs(expected.log_likelihood));
      const auto again = zp::fit(gpu, model, graph, {.method = method, .tolerance = 1e-9});
      CHECK(again.strength == found.strength);  // the same bits
    }
  }
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  fits(gpu, 5, 2);
  fits(gpu, 300, 40);
  fits(gpu, 5000, 20);
  CHECK(refusal([&] {
          zp::fit(gpu, zp::bradley_terry{}, tournament(5, 2), {.method = fit_method::newman});
        }).find("method") == 0);
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
