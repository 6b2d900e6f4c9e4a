"""A stand-in for benchmark_model: a shell script that says what a capture says.

It takes the flags as the real one does, and with input and output files it is a model that gives
back what it gets.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

CAPTURES = Path(__file__).parents[1] / "runners" / "captures"

TFLITE_FLAGS = [
    "num_runs",
    "min_secs",
    "max_secs",
    "run_delay",
    "num_threads",
    "warmup_runs",
    "warmup_min_secs",
    "verbose",
    "dry_run",
    "report_peak_memory_footprint",
    "graph",
    "signature_to_run_for",
    "input_layer",
    "input_layer_shape",
    "input_layer_value_range",
    "input_layer_value_files",
    "allow_fp16",
    "require_full_delegation",
    "enable_op_profiling",
    "op_profiling_output_mode",
    "output_filepath",
    "result_file_path",
    "help",
    "max_delegated_partitions",
    "delegate_serialize_dir",
    "delegate_serialize_token",
    "external_delegate_path",
    "external_delegate_options",
    "use_gpu",
    "gpu_precision_loss_allowed",
    "gpu_backend",
    "gpu_inference_for_sustained_speed",
    "use_hexagon",
    "hexagon_lib_path",
    "use_nnapi",
    "nnapi_accelerator_name",
    "nnapi_allow_fp16",
    "use_xnnpack",
]
LITERT_FLAGS = [
    "num_runs",
    "min_secs",
    "max_secs",
    "num_threads",
    "warmup_runs",
    "warmup_min_secs",
    "graph",
    "signature_to_run_for",
    "use_cpu",
    "use_gpu",
    "use_npu",
    "dispatch_library_path",
    "require_full_delegation",
    "gpu_backend",
    "allow_fp16",
    "result_file_path",
]


def usage(flags: list[str]) -> str:
    """Help as tensorflow/lite/tools/command_line_flags.cc prints it."""
    lines = [f"\t--{flag}=0          \tstring\toptional\tabout --{flag}=X" for flag in flags]
    return "\n".join(["usage: ./benchmark_model <flags>", "Flags:", *lines, ""])


def capture(name: str) -> bytes:
    """A capture of benchmark_model by the start of its name, without the line about its source."""
    [path] = (CAPTURES / "benchmark_model").glob(f"{name}*.txt")
    data = path.read_bytes()
    return data.partition(b"\n")[2] if data.startswith(b"# source") else data


def write_standin(
    path: Path,
    log: bytes,
    *,
    exit_code: int = 0,
    flags: list[str] = TFLITE_FLAGS,
    result: bytes = b"",
    before: str = "",
    image_log: bytes | None = None,
    kernels: bool = True,
) -> Path:
    """Write the script.

    Args:
        log: what it prints.
        result: what it writes to `--result_file_path`.
        before: shell text that runs first.
        image_log: what it prints in place of `log` where it is given an input; no result file.
        kernels: a serialization folder gets a file, as the GPU delegate leaves one.
    """
    octal = "".join(f"\\{byte:03o}" for byte in result)
    script = f"""#!/bin/sh
case "$1" in --help) cat <<'END_OF_HELP'
{usage(flags)}END_OF_HELP
exit 1;; esac
for word in "$@"; do
  case "$word" in
    --*=*) ;;
    *) echo "not a flag: $word"; exit 9;;
  esac
  name=${{word%%=*}}; name=${{name#--}}; value=${{word#*=}}
  case " {" ".join(flags)} " in
    *" $name "*) ;;
    *) echo "Unconsumed cmdline flags: $word"; exit 1;;
  esac
  case "$name" in
    graph) graph=$value;;
    input_layer_value_files) input=${{value#*:}};;
    output_filepath) output=$value;;
    result_file_path) result=$value;;
    delegate_serialize_dir) kernels=$value;;
  esac
done
echo "$@" > "${{result%/*}}/said" 2>/dev/null
[ -s "$graph" ] || exit 8
{before}
[ -z "$input" ] || cat "$input" > "$output" || exit 7
{'[ -z "$input" ] || result=' if image_log is not None else ""}
[ -z "$result" ] || [ -z '{octal}' ] || printf '{octal}' > "$result"
{'[ -z "$kernels" ] || echo kernels > "$kernels/gpuv2"' if kernels else ""}
"""
    parts = [script.encode()]
    for text, test in ((image_log, '[ -n "$input" ]'), (log, "true")):
        if text is not None:
            end = b"" if text.endswith(b"\n") else b"\n"
            parts.append(f"if {test}; then cat <<'END_OF_LOG'\n".encode() + text + end)
            parts.append(f"END_OF_LOG\nexit {exit_code}; fi\n".encode())
    path.write_bytes(b"".join(parts))
    path.chmod(0o755)
    return path


def _field(number: int, kind: int, data: bytes) -> bytes:
    return bytes([number << 3 | kind]) + data


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def encode_result(groups: Mapping[int, Mapping[int, float | int]]) -> bytes:
    """A BenchmarkResult: fields by number in groups by number; int is a varint, float 32 bits."""
    out = b""
    for number, fields in groups.items():
        inner = b"".join(
            _field(field, 0, _varint(value))
            if isinstance(value, int)
            else _field(field, 5, struct.pack("<f", value))
            for field, value in fields.items()
        )
        out += _field(number, 2, _varint(len(inner)) + inner)
    return out
