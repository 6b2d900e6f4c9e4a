"""What a process says when it fails -> kinds of the closed list, and how surely each is the end.

`fatal` lines end the process or make its numbers worthless; `cause` lines say why, and count only
when it failed; `hint` lines occur in good runs as well and decide nothing alone.
"""

from typing import Final

from bokehbench.runners.benchmark_model.rules import (
    Entry,
    FailureKind,
    Rule,
    Verdict,
    Weight,
    rules,
)

_TABLE: Final[tuple[tuple[FailureKind, Weight, tuple[Entry, ...]], ...]] = (
    (
        "usage",
        "fatal",
        (
            "Please specify the name of your TF Lite input file",
            "unrecognized arguments:",
            "the following arguments are required:",
            ("error: argument ", r"error: argument -"),
            "Model filename is empty",
            "iterations should be large than zero",
            "Failed to parse flag",
            "Required flag not provided",
            "Unknown command line flag",
            "is not supported. Supported values are:",
            "Requesting full delegation and CPU acceleration are incompatible",
            ('Signature "', r'Signature "[^"]{0,200}" not found'),
            "mean requires at least one data point",
            "must match the number of items in",
            "Any unknown sizes in the shapes",
            "Incorrect size string specified",
            "Cannot find the corresponding input_layer name",
            "Wrong input value",
            "Wrong low and high value of the input value range",
            "Failed to read the input_layer_value_file",
            "They are listed below:",
        ),
    ),
    ("model_missing", "fatal", ("Model file not found",)),
    (
        "model_missing",
        "cause",
        (
            ("Could not open '", r"Could not open '"),
            ("could not open file", r"could not open file"),
            ("Failed to open", r"Failed to open (?:model|graph)"),
        ),
    ),
    (
        "out_of_memory",
        "cause",
        (
            "std::bad_alloc",
            "Out of memory",
            "out of memory",
            "Cannot allocate memory",
            ("Mmap of", r"Mmap of .{0,600} failed with error '12'"),
            "MemoryError",
            "CL_OUT_OF_HOST_MEMORY",
            "CL_OUT_OF_RESOURCES",
            "CL_MEM_OBJECT_ALLOCATION_FAILURE",
            "VK_ERROR_OUT_OF_",
        ),
    ),
    (
        "op_unsupported",
        "cause",
        (
            "Didn't find op for builtin opcode",
            "Encountered unresolved custom op",
            "Encountered an unresolved custom op",
            "TensorFlow ops are not supported by this interpreter",
            "Select TensorFlow op(s)",
            "Op builtin_code out of range",
        ),
    ),
    (
        "model_invalid",
        "cause",
        (
            "Model provided has model identifier",
            "Model provided must have at least",
            "Model provided is schema version",
            "No subgraph in the model",
            "Signature does not refer to a valid subgraph",
            "The model is not a valid Flatbuffer",
            "The model allocation is null",
            "mmap of size 0 requested",
            "is over the length of file",
            "Failed to build flatbuffer",
            "Failed to load model from file",
            ("Mmap of", r"Mmap of .{0,600} failed"),
            "Failed to construct interpreter",
            "Failed to initialize the interpreter",
            "Unsupported data type",
            "Invalid tensor index",
            "Input array not provided for operator",
        ),
    ),
    (
        "input_mismatch",
        "cause",
        (
            ("Input tensor #", r"Input tensor #\s?\d+ should have \d+ dimensions"),
            "Inputs mismatch:",
            ("The size of ", r"The size of .{1,600}? is -?\d+ bytes. It should be"),
            "The number of string in the input_layer_value_file",
        ),
    ),
    (
        "delegate_failed",
        "cause",
        (
            ("Failed to apply ", r"Failed to apply (?!compiler plugins).{0,80}?delegate"),
            "Disallowed CPU fallback detected",
            "Failed to load stable ABI delegate",
            "Some ops are not accelerated",
            "Model is not fully accelerated but",
            "Delegate kernel initialization failed",
            "TfLiteGpuDelegate Init:",
            "TfLiteGpuDelegate Prepare:",
            "TfLiteGpuDelegate Invoke:",
            ("Failed to get or create delegate", r"Failed to get or create delegate"),
            ("Failed to initialize ", r"Failed to initialize \w{1,20} environment"),
            "Failed to create a dispatch delegate kernel",
            "Restored original execution plan after delegate application failure",
        ),
    ),
    (
        "delegate_failed",
        "hint",
        ("OpenCL library not loaded", "Unable to load external delegate", "Can not open OpenCL"),
    ),
    ("unknown", "fatal", ("Benchmarking failed", "Run failed", "Failed to invoke")),
    (
        "unknown",
        "cause",
        (
            "Failed to mmap model",
            ("Failed to load model", r"Failed to load model(?! from cache)"),
            "Failed to allocate tensors",
            "Failed to compile model",
            "Traceback (most recent call last)",
            "Failed to set thread number",
        ),
    ),
    (
        "crash",
        "fatal",
        (
            "Segmentation fault",
            "Bus error",
            "Illegal instruction",
            "Floating point exception",
            ("Aborted", r"Aborted(?:$|\)|[ ]{2,}| \(core dumped)"),
            "uncaught target signal",
            "Fatal signal ",
            ("terminate called", r"terminate called(?!.*bad_alloc)"),
            "core dumped",
            "*** stack smashing detected",
            ("Check failed", r"Check failed: "),
            "libc++abi: terminating",
        ),
    ),
    ("timeout", "fatal", ("timeout: sending signal",)),
    (
        "killed",
        "fatal",
        (
            ("Killed", r"Killed(?:\s*$|\s{2,}\S| process )"),
            ("Terminated", r"Terminated(?:\s*$|\s{2,}\S)"),
            "lowmemorykiller: Kill",
            "lmkd    : Kill",
        ),
    ),
)
ORDER: Final[tuple[FailureKind, ...]] = (
    "usage",
    "model_missing",
    "out_of_memory",
    "op_unsupported",
    "input_mismatch",
    "model_invalid",
    "delegate_failed",
    "timeout",
    "killed",
    "crash",
    "unknown",
)
"""Of several causes the one that says most: a bad model also fails to be loaded."""

NODE_FAILED: Final = "node_failed"
"""Rule kind of `Node number N (NAME) failed to prepare|invoke`."""

FAILURE_RULES: Final[tuple[Rule, ...]] = (
    *rules(
        NODE_FAILED,
        ("Node number ", r"Node number \d{1,9} \(([^()]{0,200})\) failed to (prepare|invoke)"),
    ),
    *rules(
        "failure", ("usage: ", r"usage: \S"), where="message", verdict=Verdict("usage", "fatal")
    ),
    *(
        rule
        for kind, weight, entries in _TABLE
        for rule in rules("failure", *entries, verdict=Verdict(kind, weight))
    ),
)
