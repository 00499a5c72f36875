# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Losses, token log-probabilities and the head of a language model by PyTorch, Liger-Kernel and zermelo, on one core.

Needs PyTorch in build/peers, which the other peers do without, since its wheel for Linux comes with 5 GB of CUDA:

    build/peers/bin/python -m pip install torch==2.15.0
    build/peers/bin/python -m pip install --no-deps liger-kernel==0.8.5   # if wanted; its chunked losses are PyTorch's own
    build/peers/bin/python bench/peers/losses.py

./run bench --peers starts it too, if PyTorch is there. zermelo is a shared library that works on PyTorch's tensors, in the same
process and in turn with the others. Every time is the least of the repetitions, in milliseconds of one core (CPU time, so that
other work on the machine does not count); what is compiled was compiled before. All allocate what they return; "in place"
writes to memory that exists. malloc keeps what is freed, so that no one is timed while it waits for fresh pages. "error" is the
largest difference from PyTorch in double, of values from 1 on and of gradients relative to the largest one. "extra" is the peak
of resident memory in a process of its own, less inputs and results.
"""

import ctypes
import functools
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "peers"
KEEP = {"MALLOC_MMAP_THRESHOLD_": str(1 << 33), "MALLOC_TRIM_THRESHOLD_": str(1 << 35)}
# what is freed goes back at once, and counts when it is asked for anew
RETURN = {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_TRIM_THRESHOLD_": "100000"}
os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")}
os.environ |= {"TORCHINDUCTOR_CACHE_DIR": str(BUILD / "inductor"), "CUDA_VISIBLE_DEVICES": ""}

try:
    import torch
    from torch.nn import functional as F
except ImportError:
    print("losses: skipped, as PyTorch (about 5 GB with CUDA) is not in build/peers; to compare with it: "
          "build/peers/bin/python -m pip install torch==2.15.0")
    sys.exit()
try:
    from liger_kernel.chunked_loss import LigerFusedLinearDPOLoss
except ImportError:
    LigerFusedLinearDPOLoss = None

BETA = 0.1


def load_library():
    BUILD.mkdir(parents=True, exist_ok=True)
    library = BUILD / "zermelo_losses.so"
    source = pathlib.Path(__file__).with_name("zermelo_losses.cpp")
    if "--peak" not in sys.argv:
        eigen = ["-isystem", "/usr/include/eigen3", "-isystem", "/usr/local/include/eigen3"]
        subprocess.run(["c++", "-std=c++20", "-O2", "-march=native", "-shared", "-fPIC", "-I", ROOT / "include", *eigen, source,
                        "-o", library], check=True)
    functions = ctypes.CDLL(str(library))
    functions.dpo.restype = functions.linear_dpo.restype = ctypes.c_double
    return functions


def call(function, *arguments):
    kinds = {int: ctypes.c_int64, float: ctypes.c_double, torch.Tensor: lambda t: ctypes.c_void_p(t.data_ptr())}
    return function(*(kinds[type(a)](a) for a in arguments))


def compiled(function):
    return torch.compile(function, dynamic=False)


def like(tensor):
    return torch.empty_like(tensor, requires_grad=False)


class Problem:
    """Contenders, and what is exact: functions without arguments that return the value or values, then gradients."""

    def __init__(self, title, exact, **contenders):
        self.title, self.exact = title, functools.cache(exact)
        self.contenders = {name.replace("_", " "): work for name, work in contenders.items()}

    def error(self, results):
        def relative(k, ours, exact):
            scale = exact.abs().max().clamp(min=1) if k == 0 else exact.abs().max()
            return float((ours.double().reshape(exact.shape) - exact).abs().max() / scale)
        return max(relative(k, torch.as_tensor(r), e) for k, (r, e) in enumerate(zip(results, self.exact())))


def dpo_pairs(zermelo, pairs):
    """The loss of TRL's DPOTrainer, "sigmoid", summed, and gradients by the policy's log-probabilities."""
    logps = -30 * torch.rand(4, pairs) - 0.01

    def loss(policy, reference):
        chosen_logratios = policy[0] - reference[0]
        rejected_logratios = policy[1] - reference[1]
        return -F.logsigmoid(BETA * (chosen_logratios - rejected_logratios))

    def with_gradient(f, logps):
        policy = logps[:2].detach().requires_grad_()
        losses = f(policy, logps[2:])
        return losses.detach(), *torch.autograd.grad(losses.sum(), policy)

    def ours(losses, gradients):
        call(zermelo.dpo, pairs, logps, BETA, losses, gradients)
        return losses, gradients

    kept = torch.empty(pairs), torch.empty(2, pairs)
    fast = compiled(loss)
    return Problem(f"DPO, {pairs} pairs, losses and gradients", lambda: with_gradient(loss, logps.double()),
                   zermelo=lambda: ours(torch.empty(pairs), torch.empty(2, pairs)),
                   zermelo_in_place=lambda: ours(*kept),
                   torch_eager=lambda: with_gradient(loss, logps),
                   torch_compile=lambda: with_gradient(fast, logps))


def gathered(logits, targets):
    return logits.log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def by_cross_entropy(logits, targets):
    return -F.cross_entropy(logits, targets, reduction="none")


def selected(logits, targets):
    """As TRL's selective_log_softmax: rows one by one, to save memory."""
    normalisers = torch.stack([row.logsumexp(-1) for row in logits])
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - normalisers


def tokens(zermelo, n, v, backward):
    logits, targets, upstream = 3 * torch.randn(n, v), torch.randint(v, (n,)), -torch.rand(n)

    def run(f, logits=logits):
        if not backward:
            with torch.no_grad():
                return (f(logits, targets),)
        leaf = logits.detach().requires_grad_()
        logps = f(leaf, targets)
        return logps.detach(), *torch.autograd.grad(logps, leaf, upstream.to(logits.dtype))

    def ours(gradient=None):
        logps, normalisers = torch.empty(n), torch.empty(n, dtype=torch.double)
        call(zermelo.token_logprobs, n, v, logits, targets, logps, normalisers)
        if not backward:
            return (logps,)
        gradient = like(logits) if gradient is None else gradient
        call(zermelo.token_logprobs_gradient, n, v, logits, targets, upstream, normalisers, gradient)
        return logps, gradient

    fast = compiled(gathered)
    kept = {"zermelo_in_place": lambda kept=like(logits): ours(kept)} if backward else {}
    what = "forward and backward" if backward else "forward"
    return Problem(f"log-probabilities of {n} tokens of {v} from logits, {what}",
                   lambda: run(gathered, logits.double()),
                   zermelo=ours, **kept,
                   torch_eager_log_softmax=lambda: run(gathered),
                   torch_compile_log_softmax=lambda: run(fast),
                   torch_cross_entropy=lambda: run(by_cross_entropy),
                   torch_as_TRL_does=lambda: run(selected))


def head(zermelo, n, d, v, backward):
    hidden, weight = torch.randn(n, d), torch.randn(v, d) / 8
    targets, upstream = torch.randint(v, (n,)), torch.ones(n)

    def logps(hidden, weight):
        return gathered(F.linear(hidden, weight), targets)

    def chunked(hidden, weight):
        return -F.linear_cross_entropy(hidden, weight, targets, reduction="sum", options=torch.nn.LinearCrossEntropyOptions())

    def run(f, hidden=hidden, weight=weight):
        if not backward:
            with torch.no_grad():
                return (f(hidden, weight),)
        leaves = hidden.detach().requires_grad_(), weight.detach().requires_grad_()
        result = f(*leaves)
        return result.detach(), *torch.autograd.grad(result.sum(), leaves)

    def ours(for_hidden=None, for_weight=None):
        logps, normalisers = torch.empty(n), torch.empty(n, dtype=torch.double)
        call(zermelo.head, n, d, v, hidden, weight, targets, logps, normalisers)
        if not backward:
            return (logps,)
        for_hidden, for_weight = (like(hidden), like(weight)) if for_weight is None else (for_hidden, for_weight)
        call(zermelo.head_gradient, n, d, v, hidden, weight, targets, normalisers, upstream, for_hidden, for_weight)
        return logps, for_hidden, for_weight

    fast = compiled(logps)
    kept = {"zermelo_in_place": lambda kept=(like(hidden), like(weight)): ours(*kept)} if backward else {}
    what = "forward and backward" if backward else "forward"
    problem = Problem(f"head and log-probabilities, N = {n}, D = {d}, V = {v}, {what}",
                      lambda: run(logps, hidden.double(), weight.double()), zermelo=ours, **kept,
                      torch_eager=lambda: run(logps), torch_compile=lambda: run(fast),
                      torch_linear_cross_entropy=lambda: run(chunked))
    plain = problem.error  # the chunked one knows but the sum

    def error(results):
        if results[0].ndim:
            return plain(results)
        exact = problem.exact()
        whole = exact[0].sum()
        return max(float((results[0].double() - whole).abs() / whole.abs()), plain((exact[0], *results[1:])))
    problem.error = error
    return problem


def linear_dpo(zermelo, pairs, length, d, v):
    """From hidden states to the gradients of DPO, with a reference that shares the head; Liger's fused linear DPO."""
    hidden, weight = torch.randn(2 * pairs, length, d), torch.randn(v, d) / 8
    reference = hidden + 0.1 * torch.randn(hidden.shape)
    targets = torch.randint(v, (2 * pairs, length))

    def loss(hidden, weight, reference):
        policy = gathered(F.linear(hidden, weight), targets).sum(-1)
        with torch.no_grad():
            before = gathered(F.linear(reference, weight), targets).sum(-1)
        ratios = policy - before
        return -F.logsigmoid(BETA * (ratios[:pairs] - ratios[pairs:])).mean()

    def run(f, hidden=hidden, weight=weight, reference=reference):
        leaves = hidden.detach().requires_grad_(), weight.detach().requires_grad_()
        value = f(*leaves, reference)
        return value.detach(), *torch.autograd.grad(value, leaves)

    def ours(for_hidden=None, for_weight=None):
        for_hidden, for_weight = (like(hidden), like(weight)) if for_weight is None else (for_hidden, for_weight)
        value = call(zermelo.linear_dpo, pairs, length, d, v, hidden, reference, weight, targets, BETA, for_hidden, for_weight)
        return torch.tensor(value, dtype=torch.double), for_hidden, for_weight

    fast, more = compiled(loss), {}
    if LigerFusedLinearDPOLoss:
        fused = LigerFusedLinearDPOLoss(beta=BETA)
        more["liger_fused_linear_DPO"] = lambda: run(lambda hidden, weight, reference: fused(
            weight, hidden, targets, ref_input=reference, ref_weight=weight)[0])
    return Problem(f"head and DPO, {pairs} pairs of 2 × {length} tokens, D = {d}, V = {v}, loss and gradients",
                   lambda: run(loss, hidden.double(), weight.double(), reference.double()),
                   zermelo=ours, zermelo_in_place=lambda kept=(like(hidden), like(weight)): ours(*kept),
                   torch_eager=lambda: run(loss), torch_compile=lambda: run(fast), **more)


PROBLEMS = {
    "pairs20": lambda z: dpo_pairs(z, 1 << 20),
    "pairs22": lambda z: dpo_pairs(z, 1 << 22),
    "tokens": lambda z: tokens(z, 512, 32000, False),
    "tokens_backward": lambda z: tokens(z, 512, 32000, True),
    "head": lambda z: head(z, 256, 512, 32000, False),
    "head_backward": lambda z: head(z, 256, 512, 32000, True),
    "head_2048": lambda z: head(z, 2048, 512, 32000, False),
    "head_2048_backward": lambda z: head(z, 2048, 512, 32000, True),
    "linear_dpo": lambda z: linear_dpo(z, 4, 128, 512, 32000),
}


def peak(problem, contender):
    """Prints by how many MB calls raise the resident memory at most, less their results."""
    def status(field):
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])

    work = problem.contenders[contender]
    work()
    raised = 0
    for _ in range(3):
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak until now
        before = status("VmRSS")
        results = work()
        returned = 0 if "in place" in contender else sum(r.numel() * r.element_size() for r in results)
        raised = max(raised, status("VmHWM") - before - returned)
        del results
    print(raised / 1e6)


def compare(library, key, budget=12.0):
    torch.manual_seed(1847)
    problem = PROBLEMS[key](library)
    print(f"\n{problem.title}\n{'':32}{'ms':>12}{'ratio':>10}{'error':>12}{'extra, MB':>12}", flush=True)
    least, error, failed = {}, {}, {}
    for name, work in problem.contenders.items():  # compiles what compiles
        try:
            error[name] = problem.error(work())
            work()
        except Exception as failure:  # what a package does not manage is a row as well
            failed[name] = type(failure).__name__
    began = time.monotonic()
    for repetition in range(100):
        for name, work in problem.contenders.items():
            if name not in failed:
                start = time.process_time()
                results = work()
                least[name] = min(least.get(name, float("inf")), time.process_time() - start)
                del results
        if repetition >= 3 and time.monotonic() - began > budget:
            break
    for name in problem.contenders:
        if name in failed:
            print(f"{name:32}{'failed: ' + failed[name]:>22}")
            continue
        memory = subprocess.run([sys.executable, __file__, "--peak", key, name], env=os.environ | RETURN, text=True,
                                capture_output=True)
        extra = f"{float(memory.stdout.split()[-1]):12.1f}" if memory.returncode == 0 else f"{'?':>12}"
        print(f"{name:32}{1e3 * least[name]:12.2f}{least[name] / least['zermelo']:10.2f}{error[name]:12.0e}{extra}", flush=True)


def main():
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:  # malloc reads it when a process begins
        return subprocess.run([sys.executable, *sys.argv], env=os.environ | KEEP, check=True)
    torch.set_num_threads(1)
    library = load_library()
    if sys.argv[1:2] == ["--peak"]:
        return peak(PROBLEMS[sys.argv[2]](library), sys.argv[3])
    liger = "no Liger-Kernel"
    if LigerFusedLinearDPOLoss:
        liger = "Liger-Kernel " + importlib.metadata.version("liger-kernel")
    print(f"torch {torch.__version__}, {liger}, Python {sys.version.split()[0]}, one thread; ratio: to zermelo's time")
    for key in sys.argv[1:] or PROBLEMS:
        compare(library, key)


if __name__ == "__main__":
    main()
