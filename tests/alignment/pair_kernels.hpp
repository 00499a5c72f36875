// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <zermelo/alignment/apo.hpp>
#include <zermelo/alignment/bco.hpp>
#include <zermelo/alignment/copg.hpp>
#include <zermelo/alignment/cream.hpp>
#include <zermelo/alignment/discopop.hpp>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/dpop.hpp>
#include <zermelo/alignment/exo.hpp>
#include <zermelo/alignment/f_dpo.hpp>
#include <zermelo/alignment/gpo.hpp>
#include <zermelo/alignment/inpo.hpp>
#include <zermelo/alignment/ipo.hpp>
#include <zermelo/alignment/mixture.hpp>
#include <zermelo/alignment/mm_dpo.hpp>
#include <zermelo/alignment/nca.hpp>
#include <zermelo/alignment/orpo.hpp>
#include <zermelo/alignment/rdpo.hpp>
#include <zermelo/alignment/seppo.hpp>
#include <zermelo/alignment/simpo.hpp>
#include <zermelo/alignment/slic.hpp>
#include <zermelo/alignment/sppo.hpp>
#include <zermelo/alignment/tdpo.hpp>
#include <zermelo/alignment/themis.hpp>
#include <zermelo/alignment/wpo.hpp>

/// Every kernel of pair_loss, for tests that hold of all of them.
namespace pair_kernels {

namespace al = zermelo::alignment;

/// How a kernel is called: with how many columns alongside, of which the first `slopes` have derivatives, drawn between
/// `least` and `most`; with what lengths; and how large the terms are that cancel in its slope.
struct form {
  const char* name;
  int columns = 0, slopes = 0;
  double least = -2, most = 2;
  bool divides = false;    ///< log-ratios are divided by lengths
  bool probable = false;   ///< log-probabilities are below zero, without reference
  bool infinities = true;  ///< a single infinity has a limit
  double cancelling = 0;   ///< terms in the slope, relative to 1
};

/// f(kernel, form) for the losses of the margin, with parameters that are not their defaults.
template <class F>
void for_each_of_margins(F&& f) {
  f(al::dpo{.beta = 0.3, .label_smoothing = 0.1}, form{.name = "DPO", .cancelling = 1});
  f(al::dpo{.beta = 0.7}, form{.name = "DPO by lengths", .divides = true});
  f(al::rdpo{.beta = 0.3, .label_smoothing = 0.2}, form{.name = "rDPO"});
  f(al::ipo{.tau = 0.25}, form{.name = "IPO"});
  f(al::dpo_hinge{.beta = 0.3}, form{.name = "hinge"});
  f(al::slic_hf{.delta = 2, .lambda = 0.3}, form{.name = "SLiC-HF", .columns = 1, .slopes = 1});
  f(al::gpo<al::gpo_link::logistic>{.beta = 0.3}, form{.name = "GPO, logistic"});
  f(al::gpo<al::gpo_link::exponential>{.beta = 0.3}, form{.name = "GPO, exponential"});
  f(al::gpo<al::gpo_link::hinge>{.beta = 0.3}, form{.name = "GPO, hinge"});
  f(al::gpo<al::gpo_link::truncated_quadratic>{.beta = 0.3}, form{.name = "GPO, truncated quadratic"});
  f(al::gpo<al::gpo_link::squared>{.beta = 0.3}, form{.name = "GPO, squared"});
  f(al::gpo<al::gpo_link::savage>{.beta = 0.3}, form{.name = "GPO, savage"});
  f(al::exo_pair{.beta = 0.3, .label_smoothing = 0.01}, form{.name = "EXO", .cancelling = 4});
  f(al::discopop{.beta = 0.3, .discopop_tau = 0.5}, form{.name = "DiscoPOP", .cancelling = 4});
  f(al::simpo{.beta = 2, .gamma = 0.7, .label_smoothing = 0.1},
    form{.name = "SimPO", .divides = true, .cancelling = 1});
  f(al::simpo_hinge{.beta = 2, .gamma = 0.7}, form{.name = "SimPO, hinge", .divides = true});
  f(al::tdpo1{.beta = 0.3}, form{.name = "TDPO1", .columns = 2, .slopes = 2, .least = 0});
  f(al::dno{.beta = 0.3}, form{.name = "DNO", .columns = 2, .cancelling = 1});
  f(al::copg{.beta = 0.3}, form{.name = "CoPG", .columns = 2});
  f(al::cream{.beta = 0.3}, form{.name = "CREAM", .columns = 1, .least = 0, .most = 1, .cancelling = 1});
  f(al::mm_dpo{.beta = 0.3, .weight = 0.5}, form{.name = "MM-DPO", .columns = 1});
  f(al::themis{.reward_weight = 0.5, .tool_weight = 0.2}, form{.name = "Themis", .columns = 3});
}

/// The same for the losses of both log-ratios, or of the whole pair.
template <class F>
void for_each_of_pairs(F&& f) {
  f(al::f_dpo<al::f_divergence::reverse_kl>{.beta = 0.3}, form{.name = "f-DPO, reverse KL"});
  f(al::f_dpo<al::f_divergence::forward_kl>{.beta = 0.3}, form{.name = "f-DPO, forward KL", .infinities = false});
  f(al::f_dpo<al::f_divergence::jensen_shannon>{.beta = 0.3}, form{.name = "f-DPO, Jensen-Shannon"});
  f(al::f_dpo<al::f_divergence::alpha>{.beta = 0.3, .alpha = 0.3}, form{.name = "f-DPO, alpha", .infinities = false});
  f(al::nca_pair{.beta = 0.3}, form{.name = "NCA", .cancelling = 1});
  f(al::bco_pair{.beta = 0.3}, form{.name = "BCO"});
  f(al::apo_zero{.beta = 0.3}, form{.name = "APO-zero"});
  f(al::apo_down{.beta = 0.3}, form{.name = "APO-down", .cancelling = 0.1});
  f(al::alphapo{.beta = 2, .gamma = 0.7, .alpha = 0.3}, form{.name = "AlphaPO", .divides = true, .infinities = false});
  f(al::alphapo{.beta = 2, .gamma = 0.7, .alpha = 0}, form{.name = "AlphaPO, straight", .divides = true});
  f(al::dpop{.beta = 0.3, .lambda = 5}, form{.name = "DPOP"});
  f(al::sppo_hard{.beta = 0.25}, form{.name = "SPPO, hard"});
  f(al::sppo_soft{.eta = 4}, form{.name = "SPPO, soft", .columns = 2, .least = 0, .most = 1});
  f(al::gpm_pair{.beta = 0.25, .log_z = 0.1}, form{.name = "GPM", .columns = 2});
  f(al::inpo{.eta = 0.5, .tau = 0.2}, form{.name = "INPO", .columns = 2, .cancelling = 10});
  f(al::seppo{.beta = 0.3}, form{.name = "SePPO"});
  f(al::orpo{.beta = 0.3, .nll_weight = 0.5}, form{.name = "ORPO", .probable = true});
  f(al::rpo{.beta = 0.3, .eta = 0.1}, form{.name = "RPO"});
  f(al::cpo{.beta = 0.3, .label_smoothing = 0.1, .nll_weight = 0.5}, form{.name = "CPO", .cancelling = 1});
  f(al::mixture(al::part{0.5, al::ipo{.tau = 0.25}}, al::part{2, al::apo_zero{}}, al::part{0.1, al::sft{}}),
    form{.name = "mixture", .cancelling = 1});
  f(al::wpo{al::ipo{.tau = 0.25}}, form{.name = "WPO", .columns = 2});
}

}  // namespace pair_kernels
