"""What is measured: a model, a device, an engine, a runner, and how images meet tensors."""

from typing import Literal

import msgspec

Dtype = str
Channels = Literal["rgb", "rgbd", "gray"]


class TensorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One input or output tensor of a model's signature.

    `shape` holds -1 where a dimension is dynamic. `scale` is 0.0 for a tensor that is
    not quantised per tensor; else real = scale * (q - zero_point).
    """

    name: str
    shape: tuple[int, ...]
    dtype: Dtype
    scale: float = 0.0
    zero_point: int = 0


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A .tflite file as data. `ops` counts operators of all subgraphs by name."""

    name: str
    file_name: str
    sha256: str
    size_bytes: int
    signature: str | None
    signature_index: int
    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    ops: dict[str, int]
    weights_bytes: int
    framework: str = "TensorFlow Lite"


class InputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How one input tensor is made from the images of a pair.

    `source` is a folder of the dataset (`original`, `original_depth`). `channels` `rgbd`
    takes the depth image as the fourth channel. `range` gives the real values of bytes 0
    and 255. `size` is the tensor's height and width over the image's.
    """

    tensor: int
    source: str = "original"
    channels: Channels = "rgb"
    range: tuple[float, float] = (0.0, 1.0)
    size: float = 1.0


class OutputSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which output tensor is the image, its value range, and its size over the image's."""

    tensor: int
    range: tuple[float, float] = (0.0, 1.0)
    size: float = 1.0


class IoSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How images meet the tensors of a model. `source` says where this was written."""

    inputs: tuple[InputSpec, ...]
    output: OutputSpec
    source: str = "default"


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A device as it described itself; None is "the device does not say".

    `platform` is `linux` or `android`; `abi` is the name the runner's builds use
    (`x86_64`, `aarch64`, `arm64-v8a`). `soc_machine` is what `/sys/devices/soc0/machine` says,
    `cpu_hardware` the `Hardware` line of `/proc/cpuinfo`, `gles` and `vulkan` the drivers as
    the system names them. `rooted` is whether a root shell can be had, `uid` who commands run as.
    """

    address: str
    device_id: str
    platform: str
    abi: str
    manufacturer: str | None = None
    model: str | None = None
    soc: str | None = None
    cpu: str | None = None
    cores: int | None = None
    core_max_khz: tuple[int | None, ...] = ()
    memory_bytes: int | None = None
    gpu: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    kernel: str | None = None
    fingerprint: str | None = None
    emulator: bool | None = None
    profile: str | None = None
    abis: tuple[str, ...] = ()
    sdk: int | None = None
    soc_manufacturer: str | None = None
    soc_model: str | None = None
    soc_machine: str | None = None
    board_platform: str | None = None
    hardware: str | None = None
    chipname: str | None = None
    cpu_hardware: str | None = None
    gles: str | None = None
    vulkan: str | None = None
    harmony_version: str | None = None
    build_type: str | None = None
    debuggable: bool | None = None
    rooted: bool | None = None
    uid: int | None = None


class EngineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An inference library: its version and the sha256 of the file that was loaded."""

    name: str
    version: str
    library_sha256: str
    accelerators: dict[str, str] = {}


class RunnerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The program that ran the model: protocol, build target, sha256 of it and of its sources.

    `name` is `bokehbench` for the runner of this project, else the tool's, whose `protocol` is 0;
    `flags` are those that the user gave it beside what bokehbench says.
    """

    protocol: int
    target: str
    sha256: str
    build: str | None = None
    engine_abi: str | None = None
    name: str = "bokehbench"
    flags: tuple[str, ...] = ()


class Factsheet(msgspec.Struct, frozen=True, kw_only=True):
    """What a team says of its submission, from the factsheet.toml beside its model.

    `framework` is what the model was trained with. A `baseline` is the organisers' own: shown
    last, never ranked.
    """

    team: str
    author: str
    framework: str
    affiliation: str | None = None
    url: str | None = None
    extra_data: str | None = None
    notes: str | None = None
    baseline: bool = False
