"""Protocols by name and from files, and every way in which a file can be wrong."""

from pathlib import Path

import pytest

from bokehbench.errors import UsageError
from bokehbench.fidelity import find_protocol, get_protocol
from bokehbench.fidelity.metrics import GAUSSIAN, MS_SSIM_WEIGHTS, UNIFORM
from bokehbench.fidelity.protocols import PROTOCOL_NAMES, summary

SHIPPED = Path(__file__).parents[2] / "harness" / "bokehbench" / "fidelity" / "protocol_files"


def test_unknown_protocols_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown fidelity protocol 'mai23': use one of mai22"):
        find_protocol("mai23")


def test_every_file_is_listed_under_its_own_name() -> None:
    assert {path.stem for path in SHIPPED.glob("*.toml")} == set(PROTOCOL_NAMES)
    for name in PROTOCOL_NAMES:
        rules = get_protocol(name)
        assert rules.name == name
        assert rules.sources
        assert rules.lpips is not None
        assert rules.lpips.range == (-1.0, 1.0)
        assert summary(rules)


def test_what_the_shipped_ones_say() -> None:
    mai22, pynet, val294, ntire23, quirk = map(get_protocol, PROTOCOL_NAMES)
    assert mai22.ssim == pynet.ssim == GAUSSIAN
    assert val294.ssim == ntire23.ssim == quirk.ssim == UNIFORM
    assert [rules.values for rules in (mai22, pynet, val294)] == ["uint8", "float", "uint8"]
    assert [rules.crop for rules in (mai22, pynet, val294, ntire23)] == [0, 32, 0, 0]
    assert pynet.ms_ssim is not None
    assert pynet.ms_ssim.weights == MS_SSIM_WEIGHTS
    assert mai22.ms_ssim is val294.ms_ssim is None
    peaks = [rules.psnr.peak for rules in (mai22, pynet, val294, ntire23, quirk)]
    assert peaks == ["range"] * 4 + ["prediction_maximum"]


MINE = (SHIPPED / "mai22.toml").read_text(encoding="utf-8").replace('"mai22"', '"mine"')


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace("crop = 0", "crop = 7"))
    rules = find_protocol(str(path))
    assert (rules.name, rules.crop) == ("mine", 7)
    assert rules.ssim == GAUSSIAN
    assert "7 px cut from each edge" in summary(rules)
    # Without an ending, a word with a slash is a file too.
    path.rename(tmp_path / "mine")
    assert find_protocol(str(tmp_path / "mine")) == rules


def test_metrics_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINE[: MINE.index("[lpips]")])
    assert find_protocol(str(path)).lpips is None


def test_a_copy_of_a_shipped_one_is_that_one(tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    path.write_text((SHIPPED / "mai22.toml").read_text())
    assert find_protocol(str(path)) == get_protocol("mai22")
    path.write_text((SHIPPED / "mai22.toml").read_text().replace("crop = 0", "crop = 7"))
    with pytest.raises(UsageError, match="'mai22' is a shipped protocol with other rules"):
        find_protocol(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size = 11", 'size = "x"', r"line 20: ssim\.size: Expected `int`, got `str`"),
        ("size = 11", "siz = 11", r"line 20: ssim\.siz: unknown key; allowed: window, size"),
        ("size = 11", "", r"line 18: ssim\.size: missing"),
        ("size = 11", "size = 12", r"line 20: ssim\.size: give an odd number from 3 to 65"),
        ("size = 11", "size = 67", r"line 20: ssim\.size: give an odd number"),
        ("sigma = 1.5", "sigma = inf", r"line 21: ssim\.sigma: give a number from 0\.1 to 100"),
        ("sigma = 1.5", "", r"line 18: ssim\.sigma: missing: a Gaussian window has one"),
        ('"gaussian"', '"uniform"', r"line 21: ssim\.sigma: a uniform window has none"),
        ('"population"', '"sample"', r"line 22: ssim\.covariance: 'sample' belongs to a uniform"),
        ('"population"', '"unbiased"', r'give one of "population", "sample"'),
        ("sigma = 1.5", "sigma = 1.5\nk1 = 0.0", r"line 22: ssim\.k1: give a number above 0"),
        ("crop = 0", "crop = -1", r"line 12: crop: give the pixels to cut"),
        ("crop = 0", "crop = 0.5", r"line 12: crop: Expected `int`"),
        ('values = "uint8"', 'values = "u8"', r'line 8: values: give one of "uint8", "float"'),
        ("data_range = 255.0", "data_range = nan", r"line 9: data_range: give a number above 0"),
        ("data_range = 255.0", "data_range = 1.0", r"line 9: data_range: uint8 values have"),
        ('"half_even"', '"even"', r'give one of "half_even", "half_up", "truncate"'),
        ("range = [-1.0, 1.0]", "range = [1.0, -1.0]", r"line 27: lpips\.range: give \[LOW"),
        ("range = [-1.0, 1.0]", "range = [1.0]", r"line 27: lpips\.range: Expected `array`"),
        ('net = "alex"', 'net = "vgg"', r"line 25: lpips\.net"),
        ("[ssim]", "[ssimm]", r"line 18: ssimm: unknown key; allowed: name"),
        ("sources = [", "sources = [1,", r"line 3: sources: Expected `str`, got `int`"),
        ('name = "mine"', 'name = "a b"', r"line 1: name: give up to 64 letters"),
        ('name = "mine"', 'name = "mine', r"no valid TOML: .*line 1"),
        ('name = "mine"', "", r"name: missing"),
        (
            "[lpips]",
            "[ms_ssim]\nweights = [0.5, -1.0]\n[lpips]",
            r"line 25: ms_ssim\.weights: give 1 to 8 numbers above 0",
        ),
        ("[lpips]", "[ms_ssim]\nweights = []\n[lpips]", r"ms_ssim\.weights: give 1 to 8"),
    ],
)
def test_errors_name_line_key_and_cure(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MINE
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace(old, new, 1))
    with pytest.raises(UsageError, match=message) as caught:
        find_protocol(str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    with pytest.raises(UsageError, match=r"can't be read \(No such file or directory\)"):
        find_protocol(str(path))
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(UsageError, match="byte 8 is no UTF-8"):
        find_protocol(str(path))
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        find_protocol(str(path))
    path.write_text("x = " + "[" * 3000)
    with pytest.raises(UsageError, match="no valid TOML"):
        find_protocol(str(path))
    with pytest.raises(UsageError, match=r"can't be read \(Is a directory\)"):
        find_protocol(f"{tmp_path}/")
