"""The error tree: every failure that a user can cause or meet, with its exit code.

    BokehbenchError
    |-- UsageError            2   a wrong word, option or file given by the user
    |   |-- ModelError        2   a .tflite file that is broken or hostile
    |   |-- IoSpecError       2   how images meet tensors is not said, or said wrongly
    |   |-- DatasetError      2   a folder of image pairs that can't be used
    |   |-- RatingsError      2   a file of opinion scores with rows that can't be used
    |   |-- SubmissionError   2   a challenge submission with a wrong factsheet or model
    |   |-- ZooError          2   a model of the zoo that can't be built or exported as asked
    |   |-- StoreError        2   a store that can't be opened, read or written
    |   |   `-- NoStoreYet    2   it was to be read, and is not there
    |   |-- ApkError          2   files that no APK can be made of, a signing key, a broken APK
    |   `-- ProfileError      2   a device profile with a wrong key or value
    |-- DeviceError           3   the device is unknown, unreachable or unusable
    |   |-- DeviceLost        3   the link broke in the middle of something
    |   |-- DeadlineExceeded  3   an operation did not end within its deadline
    |   |-- TransferError     3   a file did not arrive whole
    |   `-- AppTrouble        3   the app can't be installed, started or talked to
    `-- RunError              4   the engine or the runner is missing or failed
        |-- EngineError       4   no usable inference library
        |   `-- EngineMissing 4   it is not installed; installing it may help
        `-- ProtocolError     4   the runner said something that can't be believed

A message names the file or option, the problem and the cure, in one line. Foreign
exceptions are translated where they enter: `phone/` for devices, `store` for
databases, `fidelity/` for images, `model/` for flatbuffers.
"""


class BokehbenchError(Exception):
    """Base of all errors that end a command with a message and no traceback."""

    exit_code = 4


class UsageError(BokehbenchError):
    """The words, options or files of a command can't be used."""

    exit_code = 2


class ModelError(UsageError):
    """A .tflite file is missing, broken, hostile or of a kind that can't be run."""


class IoSpecError(UsageError):
    """The mapping between images and tensors is missing or contradicts the model."""


class DatasetError(UsageError):
    """A dataset folder holds no usable pairs."""


class RatingsError(UsageError):
    """A file of opinion scores can't be used as it is."""


class SubmissionError(UsageError):
    """A submission's folder, factsheet or model can't be used; `problems` lists all of it."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class ZooError(UsageError):
    """A model of the zoo has no such name, size, weights or file."""


class StoreError(UsageError):
    """A store can't be opened, read or written."""


class NoStoreYet(StoreError):
    """A store was to be read before anything made it."""


class ApkError(UsageError):
    """An APK is broken, or can't be made of these files with this key."""


class ProfileError(UsageError):
    """A device profile has an unknown key or a value of the wrong kind."""


class DeviceError(BokehbenchError):
    """The device is unknown, unreachable or unusable."""

    exit_code = 3


class DeviceLost(DeviceError):
    """The link to the device broke in the middle of an operation."""


class DeadlineExceeded(DeviceError):
    """An operation on a device did not end within its deadline."""


class TransferError(DeviceError):
    """A file could not be put on, or taken from, a device whole."""


class AppTrouble(DeviceError):
    """The app can't be installed, started or talked to, or it ended by itself."""


class RunError(BokehbenchError):
    """The engine or the runner is missing or failed."""

    exit_code = 4


class EngineError(RunError):
    """No usable inference library was found."""


class EngineMissing(EngineError):
    """The inference library or tool is not installed here."""


class ProtocolError(RunError):
    """The runner's output can't be believed: cut, altered or of another protocol."""
