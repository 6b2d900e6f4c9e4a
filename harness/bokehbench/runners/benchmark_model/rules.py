"""What the tools print, as a table: a literal that finds the line, and a pattern that reads it.

Read off the public sources: TensorFlow Lite's tools/benchmark, tools/delegates, delegates/*,
minimal_logging, profiling and core/subgraph of 2018-2026, LiteRT's tools/benchmark_litert_model
(C++ and Python) and run_model. A rule's key is found anywhere in a line, so a prefix that nobody
foresaw hides no fact.
"""

import re
from typing import Final, Literal, NamedTuple

NUMBER: Final = r"(-?\d[\d.]{0,24}(?:[eE][+-]?\d{1,3})?|-?nan|-?inf)"
WHOLE: Final = r"(-?\d{1,18})(?!\d)"


FailureKind = Literal[
    "model_missing",
    "model_invalid",
    "op_unsupported",
    "delegate_failed",
    "input_mismatch",
    "out_of_memory",
    "killed",
    "timeout",
    "usage",
    "crash",
    "unknown",
]
"""The closed list of ways in which a run of the tool fails."""

Weight = Literal["fatal", "cause", "hint"]
Where = Literal["key", "near", "message"]


class Verdict(NamedTuple):
    """What a line of failure means, and how surely (see `failures`)."""

    kind: FailureKind
    weight: Weight


class Rule(NamedTuple):
    """One thing that a tool prints.

    `pattern` is matched where `key` begins (`key`), looked for around it (`near`), or matched at
    the start of the message, behind all prefixes (`message`).
    """

    key: str
    kind: str
    pattern: re.Pattern[str]
    where: Where = "key"
    verdict: Verdict | None = None


Entry = tuple[str, str] | str
"""A key and its pattern; a key alone is its own pattern."""


def rules(
    kind: str, *entries: Entry, where: Where = "key", verdict: Verdict | None = None
) -> list[Rule]:
    """One rule for each entry."""
    made = []
    for entry in entries:
        key, pattern = (entry, re.escape(entry)) if isinstance(entry, str) else entry
        made.append(Rule(key, kind, re.compile(pattern), where, verdict))
    return made


_COUNT = (
    rf"count={WHOLE}(?: first={WHOLE})?(?: curr={WHOLE})?(\(all same\))?"
    rf"(?: min={WHOLE} max={WHOLE} avg={NUMBER} std={WHOLE})?"
    rf"(?: p5={WHOLE} median={WHOLE} p95={WHOLE})?\s*$"
)
_TIMING: Final = [
    *rules("start", "STARTING!", "Log parameter values verbosely: ["),
    *rules("running", ("Running benchmark for ", rf"Running benchmark for (?:at least )?{WHOLE}")),
    *rules("count", ("count=", _COUNT)),
    *rules(
        "summary",
        ("Inference timings in us:", r"Inference timings in us:(.*)"),
        ("Average inference timings in us:", r"Average inference timings in us:(.*)"),
        # The report of the app for Firebase's game loop.
        ('"average time in us":', r'"average time in us": "([^"]*)"'),
    ),
    *rules("session", ("Initialized session in ", rf"Initialized session in {NUMBER}(ms|us|s)\b")),
    *rules("loaded", ("Loaded model ", r"Loaded model (.*)")),
    *rules("size", ("The input model file size", rf"The input model file size \(MB\): {NUMBER}")),
    *rules("peak", ("Peak memory footprint (MB)", rf".*? overall={NUMBER}")),
    *rules(
        "monitored",
        ("Overall peak memory footprint", rf"[^:]*: {NUMBER}\s*$"),
        ("Peak memory usage", rf"[^:]*periodic monitoring[^:]*: {NUMBER}"),
    ),
    *rules("delta", ("Memory footprint delta", rf".*? init={NUMBER} overall={NUMBER}")),
    *rules("param", (": [", r"([#A-Za-z][^\[\]]{0,100}?)[ ]*: \[(.*)\]\s*$"), where="message"),
    *rules(
        "version",
        (
            "ersion",
            r"(?:[Tt]ensor[Ff]low(?: Lite)?|TF ?Lite|TFLite|LiteRT)(?: runtime)?[ ]*[Vv]ersion"
            r"[ ]*[:=]?[ ]*v?(\d[\w.+-]{0,40})",
        ),
        where="near",
    ),
    *rules(
        "command",
        ("--use_", r"--use_(\w{1,40})(?:=(\w{1,10}))?"),
        ("--accelerator=", r"--accelerator=()([\w,]{1,40})"),
        ("--external_delegate_path=", r"--(external)_delegate_path=(\S{1,200})"),
    ),
]
_LITERT: Final = [
    *rules(
        "labelled",
        ("Model initialization:", rf"(Model initialization):[ ]+{NUMBER} ms"),
        ("Warmup (first):", rf"(Warmup \(first\)):[ ]+{NUMBER} ms"),
        ("Warmup (avg):", rf"(Warmup \(avg\)):[ ]+{NUMBER} ms \({WHOLE} runs?\)"),
        ("Inference (avg):", rf"(Inference \(avg\)):[ ]+{NUMBER} ms \({WHOLE} runs?\)"),
        (
            "Inference (",
            rf"(Inference \((?:min|max|median|std|p5|p95)\)):[ ]+{NUMBER}(?: ms)?\s*$",
        ),
        ("Peak memory:", rf"(Peak memory):[ ]+{NUMBER} MB"),
        ("Init footprint:", rf"(Init footprint):[ ]+{NUMBER} MB"),
        ("Overall footprint:", rf"(Overall footprint):[ ]+{NUMBER} MB"),
    ),
    *rules("no_runs", "No inference runs were performed"),
    *rules("heading", ("= BENCHMARK RESULTS", ""), ("BENCHMARK RESULTS", "")),
    *rules("accelerated", ("Fully accelerated:", r"Fully accelerated:[ ]+(True|False|true|false)")),
    *rules("litert_model", ("Model:  ", r"Model:[ ]{2,}(\S.*)")),
    *rules("litert_start", "Creating environment..."),
    *rules("accelerators", ("Accelerators:", r"Accelerators:[ ]+([A-Z|, ]+)")),
    *rules("litert_loaded", ("Model loaded (", rf"Model loaded \({NUMBER} ms\)")),
    *rules(
        "plugins",
        (" compiler plugins were applied", r"(\d{1,6}) compiler plugins were applied"),
        where="near",
    ),
    *rules("adapter", ("Selected adapter: ", r"Selected adapter: (\S.{0,200})")),
    *rules(
        "run_model",
        ("First run took ", rf"(First) run took {WHOLE} microseconds"),
        ("Slowest run took ", rf"(Slowest) run took {WHOLE} microseconds"),
        ("Fastest run took ", rf"(Fastest) run took {WHOLE} microseconds"),
        ("All runs took average ", rf"(All) runs took average {WHOLE} microseconds"),
        ("Run model for ", rf"(Run) model for {WHOLE} times"),
    ),
    *rules("run_done", "Model run completed"),
    *rules("run_graph", ("] Model: ", r"\] Model: (\S.*)")),
]
_JSON: Final = [
    # What the Python tool writes to --result_json.
    *rules(
        "json_value",
        (
            '_ms":',
            r'"((?:init|warmup_first|warmup_avg|avg|min|max|median|std|p5|p95)_ms)":[ ]*'
            + NUMBER
            + r"[ ]*,?\s*$",
        ),
        ('_runs":', rf'"(num_runs|num_warmup_runs)":[ ]*{WHOLE}[ ]*,?$'),
        where="near",
    ),
    *rules("json_end", ('"throughput_mb_s":', rf'"throughput_mb_s":[ ]*{NUMBER}[ ]*[,}}]?$')),
    *rules(
        "json_accelerator",
        *((f'"{name}"', rf'"({name})"[ ]*,?$') for name in ("CPU", "GPU", "NPU")),
    ),
    *rules("json", ('"latency": {', r'"latency": \{([^{}]{1,4000})\}')),
]
_NAME = r"([^()\[\]]{1,80}?)"
_DELEGATES: Final = [
    *rules(
        "replacing",
        (
            "Replacing ",
            r"Replacing (\d{1,9}) (?:out of (\d{1,9}) )?node\(s\) with delegate"
            r"(?:[ ]*\(([^()]{1,80})\))?(?: node)?"
            r"(?:,? yielding (\d{1,9}) partitions?)?(?:.*? for subgraph (\d{1,9}))?",
        ),
    ),
    *rules(
        "applied",
        (
            "Explicitly applied ",
            rf"Explicitly applied {_NAME} delegate"
            r"(?:, and the model graph will be (completely|partially) executed"
            r"(?: by the delegate)?(?: w/ (\d{1,9}) delegate kernels?)?)?",
        ),
        ("Applied ", rf"Applied {_NAME} delegate(?:, .*?(completely|partially))?()"),
    ),
    *rules("not_applied", ("Though ", rf"Though {_NAME} delegate is explicitly applied")),
    *rules(
        "node_counts",
        (
            "delegated out of ",
            r"(?:([\w. -]{1,80}?)(?: delegate)?: )?(\d{1,9}) nodes? delegated out of (\d{1,9})"
            r" nodes?(?:,? with (\d{1,9}) partitions?)?",
        ),
        where="near",
    ),
    *rules("unsupported", "operations are not supported by"),
    *rules(
        "split",
        (
            "operations will run on the ",
            r"(?:First )?(No|\d{1,9}) operations will run on the (\w{1,20}), "
            r"and (?:the remaining|all) (\d{1,9})",
        ),
        where="near",
    ),
    *rules(
        "refused",
        (
            " refused by ",
            r"Operator (\w{1,80})(?: \(v\d{1,4}\))? refused by (\w{1,40}) delegate:?[ ]*(.*)",
        ),
        (
            " is not supported by ",
            r"(?:Operator )?([A-Z][A-Z0-9_]{1,80}|CUSTOM \S{1,80})(?: [\[(][^\])]{0,40}[\])])?"
            r" is not supported by (?:TFLite )?(\w{1,40})(.*)",
        ),
        where="near",
    ),
    *rules(
        "created",
        ("Created TensorFlow Lite ", r"Created TensorFlow Lite (XNNPACK)? ?delegate for ([\w ]+)"),
    ),
    *rules(
        "unavailable",
        (
            " acceleration is unsupported on this platform",
            r"(\w[\w-]{0,40}) acceleration is unsupported on this platform",
        ),
        ("Could not create ", r"Could not create (\w[\w-]{0,40}) delegate"),
        ("Delegate is not supported", r"(\w{1,40}) Delegate is not supported"),
        ("Unable to load external delegate", r"Unable to load (external) delegate"),
        where="near",
    ),
    *rules("opengl", "Falling back to OpenGL"),
    *rules(
        "api",
        ("-based API", r"Initiali[sz](?:ed|ing) (OpenCL|OpenGL|WebGPU|Vulkan|Metal)-based API"),
        where="near",
    ),
    *rules(
        "kernels", ("GPU delegate kernels", r"Created (\d{1,9}) GPU delegate kernels"), where="near"
    ),
    *rules("unconsumed", ("Unconsumed cmdline flags:", r"Unconsumed cmdline flags:(.*)")),
]
_PROFILE: Final = [
    *rules("header", "[node type]", "[Node type]", ("node type, ", r"(node type, .*)")),
    *rules(
        "section",
        "Profiling Info for Benchmark Initialization",
        "Operator-wise Profiling Info for Regular Benchmark Runs",
        "Delegate internal:",
        "Primary graph profile",
        ("Subgraph (index: ", r"Subgraph \(index: (\d{1,9})[^)]*\) profile"),
        "= Run Order =",
        "= Top by ",
        "= Summary by node type =",
        "Number of nodes executed:",
        "Timings (microseconds):",
        "Memory (bytes):",
        "Summary of All Runs",
    ),
]
RULES: Final = (*_TIMING, *_LITERT, *_JSON, *_DELEGATES, *_PROFILE)
