"""Which profile fits a device, and why each does or does not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bokehbench.errors import ProfileError
from bokehbench.facts import DeviceFacts
from bokehbench.profile.schema import DeviceProfile, Match

Specificity = tuple[int, ...]


@dataclass(frozen=True)
class Fit:
    """One profile against one device. `specificity` compares profiles that match."""

    profile: DeviceProfile
    matches: bool
    why: str
    specificity: Specificity = ()


@dataclass(frozen=True)
class _Evidence:
    """One thing that a device says of itself, and how profiles compare it."""

    key: str
    called: str
    said: Callable[[DeviceFacts], str | None]
    same: Callable[[str, str], bool]


def _equal(said: str, wanted: str) -> bool:
    return said == wanted


def _begins(said: str, wanted: str) -> bool:
    return said.startswith(wanted)


def _holds(said: str, wanted: str) -> bool:
    return wanted in said


_EVIDENCE = (
    _Evidence("soc_model", "ro.soc.model", lambda f: f.soc_model, _equal),
    _Evidence("soc_machine", "soc0/machine", lambda f: f.soc_machine, _equal),
    _Evidence("board_platform", "ro.board.platform", lambda f: f.board_platform, _begins),
    _Evidence("chipname", "ro.hardware.chipname", lambda f: f.chipname, _begins),
    _Evidence("hardware", "ro.hardware", lambda f: f.hardware, _begins),
    _Evidence("cpu_hardware", "Hardware of /proc/cpuinfo", lambda f: f.cpu_hardware, _holds),
)
"""What tells a SoC, best first."""


def explain(profile: DeviceProfile, facts: DeviceFacts) -> Fit:
    """Whether a profile fits a device, and why."""
    match = profile.match
    refusal = _unmet(match, facts)
    if refusal:
        return Fit(profile, False, refusal)
    wanted = {e.key: [w.lower() for w in getattr(match, e.key)] for e in _EVIDENCE}
    rank, length, why = 0, 0, _conditions(match)
    for place, evidence in enumerate(_EVIDENCE):
        said = evidence.said(facts)
        if not wanted[evidence.key] or not said:
            continue
        found = [w for w in wanted[evidence.key] if evidence.same(said.lower(), w)]
        if not found:
            names = ", ".join(getattr(match, evidence.key))
            return Fit(profile, False, f"{evidence.called} is {said}, not {names}")
        rank, length = len(_EVIDENCE) - place, max(map(len, found))
        why = f"{evidence.called} is {said}"
        break
    if not rank and any(wanted.values()):
        names = ", ".join(e.called for e in _EVIDENCE if wanted[e.key])
        return Fit(profile, False, f"the device does not say: {names}")
    specificity = (
        bool(match.device_id),
        _longest(match.model, facts.model),
        rank,
        length,
        match.emulator,
        bool(match.abi),
        bool(match.platform),
    )
    return Fit(profile, True, why, specificity)


def explain_all(profiles: Mapping[str, DeviceProfile], facts: DeviceFacts) -> list[Fit]:
    """All profiles against a device: those that match first, the best one first of all."""
    fits = [explain(profile, facts) for profile in profiles.values()]
    by_name = sorted(fits, key=lambda fit: fit.profile.name)
    return sorted(by_name, key=lambda fit: (fit.matches, fit.specificity), reverse=True)


def match_profile(profiles: Mapping[str, DeviceProfile], facts: DeviceFacts) -> DeviceProfile:
    """The profile that says most about this device.

    Raises:
        ProfileError: none fits, or two fit equally well.
    """
    fits = [fit for fit in explain_all(profiles, facts) if fit.matches]
    if not fits:
        raise ProfileError(f"{facts.address}: {_nothing_fits(facts)}")
    equal = [fit for fit in fits if fit.specificity == fits[0].specificity]
    if len(equal) > 1:
        names = " and ".join(sorted(fit.profile.name for fit in equal))
        raise ProfileError(
            f"{facts.address}: profiles {names} fit equally well ({fits[0].why}); choose one with "
            "--profile NAME, or say more in [match] of one of them"
        )
    return fits[0].profile


def _nothing_fits(facts: DeviceFacts) -> str:
    if facts.platform == "android" and facts.abis and not any("64" in abi for abi in facts.abis):
        return (
            f"runs 32-bit programs only ({', '.join(facts.abis)}); "
            "a device that runs 64-bit programs is needed"
        )
    return (
        f"no profile for platform {facts.platform}, ABI {facts.abi}; write one (docs/profiles.md) "
        "or choose one with --profile NAME"
    )


def _unmet(match: Match, facts: DeviceFacts) -> str:
    """The condition of a profile that a device does not meet, or an empty text."""
    if match.platform and facts.platform not in match.platform:
        return f"platform is {facts.platform}, not {', '.join(match.platform)}"
    if match.abi and facts.abi not in match.abi:
        return f"ABI is {facts.abi}, not {', '.join(match.abi)}"
    if match.emulator and facts.emulator is not True:
        return "the device is no emulator"
    if facts.emulator is True and not match.emulator:
        return "the device is an emulator"
    if match.device_id and facts.device_id not in match.device_id:
        return f"serial number is {facts.device_id}, not {', '.join(match.device_id)}"
    if match.model and not _longest(match.model, facts.model):
        return f"model is {facts.model or 'not said'}, not {', '.join(match.model)}"
    for evidence in _EVIDENCE[:5]:
        said = evidence.said(facts) or ""
        for name in match.never:
            if said.lower().startswith(name.lower()):
                return f"{evidence.called} is {said}, which is another device"
    return ""


def _longest(names: Sequence[str], said: str | None) -> int:
    """Length of the longest of these that `said` begins with; 0 where none does."""
    text = (said or "").lower()
    return max((len(name) for name in names if text.startswith(name.lower())), default=0)


def _conditions(match: Match) -> str:
    """Why a profile fits that names no SoC."""
    parts = [
        *(["serial number"] if match.device_id else []),
        *(["model"] if match.model else []),
        *(["an emulator"] if match.emulator else []),
        *([f"ABI {', '.join(match.abi)}"] if match.abi else []),
        *([f"platform {', '.join(match.platform)}"] if match.platform else []),
    ]
    return ", ".join(parts) or "any device"
