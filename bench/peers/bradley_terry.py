# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Bradley-Terry fits by choix, evalica and zermelo on the same battles; ./run bench --peers starts it.

Every time is the least of the repetitions, in seconds of one core (CPU time, so that other work on the machine does not
count), one process at a time. "max difference" is between the strengths
(log scale, centred) and those of zermelo, whose relative gradient is below 1e-10: what is large there was stopped early.
evalica's loops are compiled (Rust); choix is Python over NumPy. Packages are asked as their documentation does, with
defaults, and evalica's once more with a tolerance that reaches the optimum.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import choix
import evalica
import numpy
import pandas

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "peers"
ITEMS = 100


def battles(count, ties):
    """Battles between items drawn at random; log-strengths are spread evenly over three units."""
    draw = numpy.random.default_rng(1929)
    strength = draw.permutation(numpy.linspace(-1.5, 1.5, ITEMS))
    first = draw.integers(ITEMS, size=count)
    second = (first + 1 + draw.integers(ITEMS - 1, size=count)) % ITEMS
    wins = draw.random(count) < 1 / (1 + numpy.exp(strength[second] - strength[first]))
    outcome = numpy.where(draw.random(count) < ties, "tie", numpy.where(wins, "model_a", "model_b"))
    label = numpy.array([f"model-{i:02d}" + ("" if i % 3 == 0 else "-instr") for i in range(ITEMS)])
    return pandas.DataFrame({"model_a": label[first], "model_b": label[second], "winner": outcome}), first, second


def least(repetitions, work):
    seconds = float("inf")
    for _ in range(repetitions):
        start = time.process_time()
        result = work()
        seconds = min(seconds, time.process_time() - start)
    return seconds, result


def compile_driver():
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "zermelo_bradley_terry"
    eigen = ["-isystem", "/usr/include/eigen3", "-isystem", "/usr/local/include/eigen3"]
    source = pathlib.Path(__file__).with_name("zermelo_bradley_terry.cpp")
    subprocess.run(
        ["c++", "-std=c++20", "-O2", "-march=native", "-pthread", "-I", ROOT / "include", *eigen, source, "-o", program],
        check=True,
    )
    return program


def centred(strength):
    return strength - strength.mean()


class Table:
    def __init__(self, title, reference, fit_seconds):
        self.reference = centred(reference)
        self.fit_seconds = fit_seconds
        print(f"\n{title}\n{'':58}{'CPU seconds':>12}{'ratio':>12}{'max difference':>18}")

    def row(self, name, seconds, strength=None, ratio_to=None):
        difference = ""
        if strength is not None:
            difference = f"{(centred(strength).reindex(self.reference.index) - self.reference).abs().max():.1e}"
        ratio = "" if ratio_to is None else f"{seconds / ratio_to:,.1f}"
        print(f"{name:58}{seconds:12.6f}{ratio:>12}{difference:>18}", flush=True)


def compare(program, count, ties, slow):
    frame, first, second = battles(count, ties)
    path = BUILD / f"battles_{count}_{round(100 * ties)}.csv"
    frame.to_csv(path, index=False)
    repetitions = 3 if count <= 1_000_000 else 1
    ours = json.loads(subprocess.run([program, path, "5"], check=True, capture_output=True).stdout)
    from_labels = ours["parse"] + ours["count"] + ours["fit"]
    from_ids = ours["count"] + ours["fit"]
    table = Table(
        f"{count:,} battles between {ITEMS} items, {100 * ties:.0f} % ties",
        pandas.Series(ours["strength"]),
        from_ids,
    )

    table.row("zermelo: read the file", ours["parse"])
    table.row("zermelo: count ids, fit", from_ids, pandas.Series(ours["strength"]), from_ids)
    table.row("zermelo: file to strengths", from_labels, None, from_labels)
    table.row("zermelo: Wald intervals", ours["infer"])
    table.row("zermelo: 100 bootstrap refits", ours["bootstrap"])

    seconds, read = least(repetitions, lambda: pandas.read_csv(path))
    table.row("pandas: read the file", seconds, None, ours["parse"])
    winners = [
        {"model_a": evalica.Winner.X, "model_b": evalica.Winner.Y, "tie": evalica.Winner.Draw}[w] for w in read["winner"]
    ]
    for name, xs, ys, index in (
        ("labels", read["model_a"], read["model_b"], None),
        ("ids", first, second, None),
    ):
        labels = None if name == "labels" else sorted(set(read["model_a"]))
        for method in ("bradley_terry", "newman"):
            if ties and method == "newman":
                continue  # its ties are a parameter of another model
            for how, options in (("", {}), (", to 1e-10", {"tolerance": 1e-10, "limit": 100_000})):
                seconds, result = least(
                    repetitions, lambda: getattr(evalica, method)(xs, ys, winners, index=index, **options)
                )
                scores = numpy.log(result.scores)
                if labels is not None:
                    scores.index = [labels[i] for i in scores.index]
                table.row(
                    f"evalica {method}, {name}{how} ({result.iterations} iterations)", seconds, scores, from_ids
                )

    if ties:
        return  # choix takes lists of (winner, loser)
    names = sorted(set(read["model_a"]))
    winner_first = (read["winner"] == "model_a").to_numpy()
    won, lost = numpy.where(winner_first, first, second), numpy.where(winner_first, second, first)
    pairs = list(zip(won.tolist(), lost.tolist()))
    methods = [("ilsr_pairwise", {})]
    if slow:
        methods += [("mm_pairwise", {}), ("opt_pairwise", {})]
    for name, options in methods:
        function = getattr(choix, name.split(",")[0])
        seconds, strength = least(1, lambda: function(ITEMS, pairs, **options))
        table.row(f"choix {name}", seconds, pandas.Series(strength, index=names), from_ids)
    wins = numpy.zeros((ITEMS, ITEMS))
    numpy.add.at(wins, (won, lost), 1.0)
    seconds, strength = least(repetitions, lambda: choix.ilsr_pairwise_dense(wins))
    table.row("choix ilsr_pairwise_dense, counted before", seconds, pandas.Series(strength, index=names), ours["fit"])


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--large", action="store_true", help="also ten million battles: minutes")
    large = arguments.parse_args().large
    program = compile_driver()
    print(f"choix {choix.__version__ if hasattr(choix, '__version__') else '0.4.1'}, evalica {evalica.__version__}, "
          f"numpy {numpy.__version__}, pandas {pandas.__version__}, Python {sys.version.split()[0]}")
    print("ratio: to zermelo's time for the same work, counts and fit from ids unless the row reads a file")
    compare(program, 10_000, 0.0, slow=True)
    compare(program, 100_000, 0.0, slow=False)
    compare(program, 100_000, 0.2, slow=False)
    compare(program, 1_000_000, 0.0, slow=False)
    compare(program, 1_000_000, 0.2, slow=False)
    if large:
        compare(program, 10_000_000, 0.2, slow=False)


if __name__ == "__main__":
    main()
