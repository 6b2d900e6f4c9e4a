"""The key: made once, kept from others, refused where it is unfit."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from bokehbench.apk import SigningKey, create_key, default_key_path, load_key
from bokehbench.errors import ApkError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def pem(key: PrivateKey, encryption: KeySerializationEncryption | None = None) -> bytes:
    """A key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def put(path: Path, data: bytes) -> Path:
    """Write a file that its owner alone can read."""
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def test_the_own_key_is_made_once_for_its_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    first = load_key()
    path = default_key_path()
    assert path == first.path == tmp_path / "data" / "bokehbench" / "apk-signing-key.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert load_key().certificate_der == first.certificate_der
    assert first.private.key_size == 3072


def test_two_processes_at_once_get_one_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    code = "import sys, pathlib; from bokehbench.apk import create_key\n"
    code += "print(create_key(pathlib.Path(sys.argv[1])).cert_sha256)"
    words = [sys.executable, "-c", code, str(path)]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    prints = {process.communicate(timeout=120)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert prints == {load_key(path).cert_sha256}
    assert [p.name for p in tmp_path.iterdir()] == ["key.pem"]


def test_the_certificate_comes_from_the_key_alone(key: SigningKey, tmp_path: Path) -> None:
    copy = put(tmp_path / "copy.pem", key.path.read_bytes())
    assert load_key(copy).certificate_der == key.certificate_der
    assert x509.load_pem_x509_certificate(key.certificate_pem.encode()) == key.certificate
    assert key.certificate.subject.rfc4514_string() == "CN=bokehbench"


def test_a_certificate_in_the_file_is_taken(key: SigningKey, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.hashes import SHA512

    name = x509.Name.from_rfc4514_string("CN=Ours")
    made = (
        x509.CertificateBuilder(name, name, key.private.public_key(), 77)
        .not_valid_before(key.certificate.not_valid_before_utc)
        .not_valid_after(key.certificate.not_valid_after_utc)
        .sign(key.private, SHA512())
    )
    data = key.path.read_bytes() + made.public_bytes(Encoding.PEM)
    found = load_key(put(tmp_path / "both.pem", data))
    assert found.certificate == made
    assert found.cert_sha256 != key.cert_sha256


def test_unfit_files_are_refused(key: SigningKey, other_key: SigningKey, tmp_path: Path) -> None:
    short = rsa.generate_private_key(65537, 1024)
    own = key.path.read_bytes()
    cases = {
        b"": "not a private key in PEM",
        own[:-400]: "not a private key in PEM",
        own.replace(b"M", b"!", 9): "not a private key in PEM",
        key.certificate_pem.encode(): "not a private key in PEM",
        b"\xff" * 4000: "not a private key in PEM",
        b"x" * (2 << 20): "larger than 1 MiB",
        pem(ec.generate_private_key(ec.SECP256R1())): "not an RSA key",
        pem(short): "RSA of 1024 bits; give one of 2048 to 3072",
        pem(key.private, BestAvailableEncryption(b"secret")): "has a password",
        own + other_key.certificate_pem.encode(): "certificate is of another key",
        own + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": "is broken",
    }
    for number, (data, words) in enumerate(cases.items()):
        path = put(tmp_path / f"{number}.pem", data)
        with pytest.raises(ApkError, match=words) as caught:
            load_key(path)
        assert str(caught.value).startswith(f"key {path}: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_key_that_others_can_reach_is_refused(mode: int, key: SigningKey, tmp_path: Path) -> None:
    path = put(tmp_path / "key.pem", key.path.read_bytes())
    path.chmod(mode)
    with pytest.raises(ApkError, match=rf"others can .* \(mode 0{mode:o}\).*chmod 600"):
        load_key(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ApkError, match=r"no such file; .*--create"):
        load_key(tmp_path / "missing.pem")
    with pytest.raises(ApkError, match="can't be read: Is a directory"):
        load_key(tmp_path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ApkError, match="not a file; give a PEM file"):
        load_key(tmp_path / "pipe")
    (tmp_path / "file").touch()
    with pytest.raises(ApkError, match="can't be made: Not a directory"):
        create_key(tmp_path / "file" / "key.pem")


def test_a_key_is_never_replaced(key: SigningKey, tmp_path: Path) -> None:
    path = put(tmp_path / "key.pem", key.path.read_bytes())
    assert create_key(path).cert_sha256 == key.cert_sha256
    assert path.read_bytes() == key.path.read_bytes()
