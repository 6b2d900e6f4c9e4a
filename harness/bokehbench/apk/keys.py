"""The key that APKs are signed with: one per user, made on first use, kept from everybody else."""

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bokehbench.errors import ApkError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 3072
"""Size of new keys."""

MIN_BITS, MAX_BITS = 2048, 3072
"""Sizes that are signed with: for longer keys Android wants another digest."""

_MAX_FILE_BYTES = 1 << 20
_MODE = 0o600


@dataclass(frozen=True)
class SigningKey:
    """An RSA key with its certificate; RSA signatures of PKCS #1 v1.5 have no random part, so
    the same bytes always get the same signature."""

    private: "RSAPrivateKey"
    certificate: "x509.Certificate"
    path: Path

    @cached_property
    def certificate_der(self) -> bytes:
        """The certificate in DER, as it stands in an APK."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.certificate.public_bytes(Encoding.DER)

    @cached_property
    def certificate_pem(self) -> str:
        """The certificate in PEM, which anybody may see."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def cert_sha256(self) -> str:
        """The certificate's fingerprint, as `apksigner verify --print-certs` writes it."""
        return hashlib.sha256(self.certificate_der).hexdigest()

    def sign(self, data: bytes) -> bytes:
        """An RSA signature of PKCS #1 v1.5 with SHA-256."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.private.sign(data, PKCS1v15(), SHA256())

    def public_der(self) -> bytes:
        """The public key in DER (SubjectPublicKeyInfo)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )


def default_key_path() -> Path:
    """Where the user's own key is kept."""
    from platformdirs import user_data_path

    return user_data_path("bokehbench") / "apk-signing-key.pem"


def load_key(path: Path | None = None) -> SigningKey:
    """The key of a PEM file; without a path the user's own, made if there is none yet.

    The file holds an RSA key without a password and, if it shall not be the one made from the
    key, its certificate.

    Raises:
        ApkError: the file is missing, broken, of another kind, or others can read it.
    """
    if path is None:
        path = default_key_path()
        if not path.exists():
            return create_key(path)
    return _parse(_read(path), path)


def create_key(path: Path) -> SigningKey:
    """Make a key in a new file that its owner alone can read; what is there is kept and loaded.

    Raises:
        ApkError: the file can't be written, or what another process put there is no key.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        if path.parent.exists() and not path.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp makes files of mode 0600. A link appears whole and never replaces another
        # process's key.
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(number, "wb") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(name, path)
        finally:
            Path(name).unlink()
    except OSError as error:
        raise ApkError(
            f"key {path}: can't be made: {error.strerror}; name a file of yours with --key"
        ) from error
    return _parse(_read(path), path)


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK a pipe is waited for until somebody writes into it.
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NONBLOCK)) as stream:
            about = os.fstat(stream.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ApkError(f"key {path}: not a file; give a PEM file")
            if about.st_mode & 0o077:
                mode = stat.S_IMODE(about.st_mode)
                raise ApkError(
                    f"key {path}: others can read it (mode {mode:04o}); if nobody has, "
                    f"`chmod {_MODE:o}` it, else make a new one"
                )
            data = stream.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise ApkError(
            f"key {path}: no such file; `bokehbench apk key --create --key {path}` makes one"
        ) from error
    except OSError as error:
        raise ApkError(f"key {path}: can't be read: {error.strerror}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise ApkError(f"key {path}: larger than 1 MiB, so no key; give a PEM file")
    return data


def _parse(data: bytes, path: Path) -> SigningKey:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ApkError(
            f"key {path}: it has a password; `openssl pkey -in {path}` writes it without"
        ) from error
    # The library tells broken files by exceptions of several kinds, its own among them.
    except Exception as error:
        raise ApkError(
            f"key {path}: not a private key in PEM; give another file, or move this one away "
            "and have a new one made (installed apps of the old key then have to be removed)"
        ) from error
    if not isinstance(private, RSAPrivateKey):
        raise ApkError(f"key {path}: not an RSA key; signatures of other kinds differ every time")
    if not MIN_BITS <= private.key_size <= MAX_BITS:
        raise ApkError(
            f"key {path}: RSA of {private.key_size} bits; give one of {MIN_BITS} to {MAX_BITS}"
        )
    if b"-----BEGIN CERTIFICATE-----" not in data:
        return SigningKey(private, _own_certificate(private), path)
    try:
        certificate = x509.load_pem_x509_certificates(data)[0]
        same = certificate.public_key() == private.public_key()
    except Exception as error:
        raise ApkError(
            f"key {path}: its certificate is broken; leave it out to use ours"
        ) from error
    if not same:
        raise ApkError(f"key {path}: its first certificate is of another key; put the key's first")
    return SigningKey(private, certificate, path)


def _own_certificate(private: "RSAPrivateKey") -> "x509.Certificate":
    """A certificate of the key by itself, the same every time: nothing in it but the key varies."""
    from datetime import UTC, datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bokehbench")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        # Later dates take another form, which nobody needs; Android looks at neither.
        .not_valid_after(datetime(2049, 12, 31, tzinfo=UTC))
        .sign(private, SHA256())
    )
