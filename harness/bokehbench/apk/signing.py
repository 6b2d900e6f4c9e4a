"""APK Signature Scheme v2 (Android 7) and v3 (Android 9): writing and checking.

Source: the pages "APK Signature Scheme v2" and "v3" of AOSP. All numbers are little-endian, and
all parts are led by their length in 4 bytes.
"""

import struct
from dataclasses import dataclass

from bokehbench.apk.keys import SigningKey
from bokehbench.apk.sections import Sections, split
from bokehbench.errors import ApkError
from bokehbench.facts.app import MIN_SDK

V2_ID, V3_ID = 0x7109871A, 0xF05368C0
RSA_PKCS1_SHA256 = 0x0103

V3_MIN_SDK = 28
_NO_MAX_SDK = 0x7FFFFFFF
# In v2: "there is a v3 signature too", so that nobody can take that one away unnoticed.
_STRIPPING_PROTECTION = 0xBEEFF00D


@dataclass(frozen=True)
class Signature:
    """What a checked signature says: the scheme, and the certificate's DER."""

    scheme: int
    certificate: bytes


def sign(archive: bytes, key: SigningKey) -> bytes:
    """The APK that an unsigned archive becomes: the same bytes with a signing block inside."""
    sections = split(archive)
    digest = sections.digest()
    protection = _framed(struct.pack("<II", _STRIPPING_PROTECTION, 3))
    v2 = _signer(_signed_data(digest, key, b"", protection), key, b"")
    sdks = struct.pack("<II", max(MIN_SDK, V3_MIN_SDK), _NO_MAX_SDK)
    v3 = _signer(_signed_data(digest, key, sdks, b""), key, sdks)
    return sections.with_block({V2_ID: v2, V3_ID: v3})


def verify(apk: bytes) -> tuple[Signature, ...]:
    """Check both signatures of an APK that `sign` made.

    Raises:
        ApkError: one is missing or wrong, or the file is not what was signed.
    """
    sections = split(apk)
    if not sections.block:
        raise ApkError("not signed")
    unknown = sections.block.keys() - {V2_ID, V3_ID}
    if unknown:
        raise ApkError(f"not one of ours: its signing block holds 0x{min(unknown):08x} as well")
    found = []
    for scheme, number in ((2, V2_ID), (3, V3_ID)):
        if number not in sections.block:
            raise ApkError(f"it has no signature of scheme v{scheme}")
        try:
            certificate = _check(sections, sections.block[number], scheme)
        except ApkError:
            raise
        # The library tells broken keys and certificates by exceptions of several kinds.
        except Exception as error:
            raise ApkError(f"signature v{scheme} is broken: {error}") from error
        found.append(Signature(scheme, certificate))
    if len({signature.certificate for signature in found}) != 1:
        raise ApkError("its signatures are of different keys")
    return tuple(found)


def _framed(*parts: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def _signed_data(digest: bytes, key: SigningKey, sdks: bytes, attributes: bytes) -> bytes:
    digests = _framed(struct.pack("<I", RSA_PKCS1_SHA256) + _framed(digest))
    certificates = _framed(key.certificate_der)
    return _framed(digests, certificates) + sdks + _framed(attributes)


def _signer(signed: bytes, key: SigningKey, sdks: bytes) -> bytes:
    signatures = _framed(struct.pack("<I", RSA_PKCS1_SHA256) + _framed(key.sign(signed)))
    signer = _framed(signed) + sdks + _framed(signatures, key.public_der())
    return _framed(_framed(signer))


class _Reader:
    """Parts of a block, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) != size:
            raise ValueError("a part is cut")
        self._at += size
        return part

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def part(self) -> bytes:
        return self.take(self.number())

    def only_part(self) -> bytes:
        """The one part of a list."""
        inner = _Reader(self.part())
        part = inner.part()
        inner.end()
        return part

    def end(self) -> None:
        if self._at != len(self._data):
            raise ValueError("there is more than there should be")


def _check(sections: Sections, value: bytes, scheme: int) -> bytes:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_der_public_key,
    )

    outer = _Reader(value)
    signer = _Reader(outer.only_part())
    outer.end()
    signed = signer.part()
    sdks = signer.take(8) if scheme == 3 else b""
    signature = _algorithm(signer.only_part())
    public_der = signer.part()
    signer.end()
    public = load_der_public_key(public_der)
    if not isinstance(public, RSAPublicKey):
        raise ValueError("not an RSA key")
    try:
        public.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise ApkError(f"signature v{scheme} is wrong: the signed data was altered") from error

    data = _Reader(signed)
    digest = _algorithm(data.only_part())
    certificate = data.only_part()
    same_sdks = data.take(len(sdks)) == sdks
    attributes = data.part()
    data.end()
    own = x509.load_der_x509_certificate(certificate).public_key()
    if own.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public_der:
        raise ApkError(f"signature v{scheme} is wrong: its certificate is of another key")
    if not same_sdks:
        raise ApkError(f"signature v{scheme} is wrong: the levels signed are other ones")
    if scheme == 2 and attributes != _framed(struct.pack("<II", _STRIPPING_PROTECTION, 3)):
        raise ApkError("signature v2 is wrong: it does not ask for v3")
    if digest != sections.digest():
        raise ApkError(f"the file was altered: its digest is not what v{scheme} signed")
    return certificate


def _algorithm(part: bytes) -> bytes:
    reader = _Reader(part)
    if reader.number() != RSA_PKCS1_SHA256:
        raise ValueError("another algorithm than RSA with SHA-256")
    value = reader.part()
    reader.end()
    return value
