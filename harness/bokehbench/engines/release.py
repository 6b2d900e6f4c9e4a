"""Files that Google publishes by version: fetched over HTTPS, whole or not at all."""

import http.client
import ipaddress
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from bokehbench import __version__
from bokehbench.engines.catalog import Item, catalog
from bokehbench.engines.effort import Effort
from bokehbench.engines.files import LIMIT_BYTES, copy
from bokehbench.errors import EngineError, UsageError

SILENCE_SECONDS = 30.0
"""A server that says nothing for so long is given up."""

# Those of TLS, of timeouts and of addresses are OSErrors.
_NETWORK_ERRORS = (OSError, http.client.HTTPException)


def release_url(item: Item, version: str, abi: str, file: str, address: str | None) -> str:
    """Where a release file is; `address` stands in place of the catalog's own.

    Raises:
        EngineError: it is not published for this ABI.
        UsageError: the address is none, or not safe.
    """
    place = item.place(version)
    if place is None or abi not in place.folders:
        raise EngineError(
            f"{item.name} {version}: not published for {item.platform} {abi}; give a build of "
            "your own with --from FILE"
        )
    base = address or catalog().addresses[place.address]
    try:
        parts = urlsplit(base)
    except ValueError as error:
        raise UsageError(f"--release-url {base}: not an address: {error}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise UsageError(
            f"--release-url {base}: not an https:// address; what came over it could be anything"
        )
    path = place.path.format(version=version, folder=place.folders[abi], file=file)
    return f"{base.rstrip('/')}/{path}"


def fetch_url(url: str, target: Path, effort: Effort) -> None:
    """Fetch a file.

    Raises:
        EngineError: unreachable, refused, cut short or too large; `target` is then no file
            that could be taken for a whole one.
    """
    name = url.rsplit("/", 1)[-1]
    # Not compressed on the way: the length has to be the file's.
    headers = {"User-Agent": f"bokehbench/{__version__}", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers)
    effort.tell(name)
    try:
        response = urllib.request.urlopen(request, timeout=min(SILENCE_SECONDS, effort.remaining()))
    except urllib.error.HTTPError as error:
        raise EngineError(_refusal(url, error)) from error
    except _NETWORK_ERRORS as error:
        raise _unreachable(url, error) from error
    with response:
        _same_safety(url, response.geturl())
        total = response.length
        if total is not None and total > LIMIT_BYTES:
            raise EngineError(f"{url}: {total} bytes, more than {LIMIT_BYTES}; refused")
        with open(target, "wb") as sink:
            done = copy(_AsItComes(url, response), sink, effort, name, total)
    if total is not None and done != total:
        raise EngineError(
            f"{url}: ended after {done} of {total} bytes; nothing was installed; try again"
        )


class _AsItComes:
    """A response whose read() returns what is there, so that a slow server meets a deadline.

    The link's errors are told apart here from those of the disk that is written to.
    """

    def __init__(self, url: str, response: http.client.HTTPResponse) -> None:
        self._url = url
        self._response = response

    def read(self, size: int, /) -> bytes:
        try:
            return self._response.read1(size)
        except _NETWORK_ERRORS as error:
            raise _unreachable(self._url, error) from error


def _unreachable(url: str, error: Exception) -> EngineError:
    return EngineError(
        f"{url}: can't be fetched: {_reason(error)}; nothing was installed; on a machine "
        "without network give the file with --from FILE"
    )


def _refusal(url: str, error: urllib.error.HTTPError) -> str:
    if error.code in (403, 404):
        return (
            f"{url}: not published (HTTP {error.code}); nothing was installed; name another "
            "--version, or give the file with --from FILE"
        )
    return f"{url}: HTTP {error.code} {error.reason}; nothing was installed; try again later"


def _reason(error: BaseException) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(inner).split()) or type(inner).__name__


def _same_safety(url: str, final: str) -> None:
    if url.startswith("https:") and not final.startswith("https:"):
        raise EngineError(f"{url}: leads to {final}, which is not https; refused")


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
