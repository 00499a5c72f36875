// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <limits>
#include <vector>
#include <zermelo/core/random.hpp>

#include "alignment/list_kernels.hpp"
#include "catch.hpp"

namespace zm = zermelo;
using list_kernels::batch;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("ragged lists in scalar code, padded lists in vector units and lists alone give the same losses") {
  list_kernels::for_each([](const char* name, const auto& kernel) {
    // Runs of equally long lists, which share vectors, and others, padded to 6 by rubbish.
    std::vector<std::int64_t> sizes(19, 5);
    sizes.insert(sizes.end(), {4, 0, 1, 6, 6, 2});
    sizes.insert(sizes.end(), 17, 3);
    const auto lists = static_cast<std::int64_t>(sizes.size());
    batch padded(lists, 6, 11);
    std::vector<double> policy, reference, labels, lengths, mask(padded.policy.size(), 0);
    std::vector<std::int64_t> offsets{0};
    const double rubbish[] = {std::nan(""), infinity, -infinity, 1e30};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      for (std::size_t k = 0; k < 6; ++k) {
        const std::size_t at = i * 6 + k;
        if (k < static_cast<std::size_t>(sizes[i])) {
          mask[at] = 1;
          policy.push_back(padded.policy[at]), reference.push_back(padded.reference[at]);
          labels.push_back(padded.labels[at]), lengths.push_back(padded.lengths[at]);
        } else {
          padded.policy[at] = padded.labels[at] = padded.lengths[at] = rubbish[at % 4];
        }
      }
      offsets.push_back(static_cast<std::int64_t>(policy.size()));
    }
    std::vector<double> losses(sizes.size()), gradient(policy.size());
    const auto ragged = zm::list_loss(zm::serial{}, kernel, policy, reference, labels, losses, gradient,
                                      zm::segmented_by(offsets), zm::item_lengths(lengths));
    const auto dirty = zm::list_loss(kernel, padded.as_matrix(padded.policy), padded.as_matrix(padded.reference),
                                     padded.as_matrix(padded.labels), padded.losses, padded.as_matrix(padded.gradient),
                                     zm::item_lengths(padded.lengths), zm::counted_where(mask));
    INFO(name);
    CHECK(ragged.lists == lists - 1);
    CHECK(dirty.lists == lists - 1);
    CHECK(losses[20] == 0);
    // Products are fused in other places: a few units of terms of at most 20.
    const auto close = [](double x, double y) { return std::abs(x - y) <= 1e-13 * (20 + std::abs(x)); };
    for (std::size_t i = 0; i < sizes.size(); ++i) CHECK(close(losses[i], padded.losses[i]));
    std::size_t at = 0;
    for (std::size_t k = 0; k < mask.size(); ++k) CHECK(close(padded.gradient[k], mask[k] == 1 ? gradient[at++] : 0.0));
    double alone = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == 0) continue;
      const auto from = static_cast<std::ptrdiff_t>(offsets[i]), to = static_cast<std::ptrdiff_t>(offsets[i + 1]);
      const std::vector<double> p(policy.begin() + from, policy.begin() + to),
          r(reference.begin() + from, reference.begin() + to), y(labels.begin() + from, labels.begin() + to),
          n(lengths.begin() + from, lengths.begin() + to);
      const std::vector<std::int64_t> whole{0, sizes[i]};
      std::vector<double> loss(1), slope(p.size());
      alone +=
          zm::list_loss(zm::serial{}, kernel, p, r, y, loss, slope, zm::segmented_by(whole), zm::item_lengths(n)).loss;
      CHECK(loss[0] == losses[i]);
    }
    CHECK(alone == Approx(ragged.loss).epsilon(1e-13));
  });
}
