"""The app as an APK, written, aligned and signed on this host without any Android SDK.

    key = load_key()                       # or load_key(path): the user's own, made on first use
    apk = build_apk(                       # 0.3 s; the same bytes for the same libraries and key
        out_path,
        abi="arm64-v8a",                   # one of facts.app.ABIS
        app_library=bundled_app_library("arm64-v8a"),
        engine_libraries=[engine.library, *engine.accelerators],
        key=key,
    )                                      # -> ApkFile
    apk.sha256                             # of the file; the installed base.apk has the same bytes
    apk.version_name                       # 16 hex digits of the content and the key: what
                                           # `dumpsys package org.bokehbench.runner` prints too
    apk.cert_sha256                        # the key: another one can't update an installed app
    apk.libraries                          # PackedLibrary(name, sha256, align_bytes), ...
    check_apk(path)                        # -> CheckedApk: signatures and alignment of a file

`version_code` is 1 for every build, so that no update is a downgrade. All errors are ApkError
(exit code 2), but for a missing native part of the app, which is EngineError (4).
"""

from bokehbench.apk.build import ApkFile, PackedLibrary, build_apk
from bokehbench.apk.inspect import CheckedApk, check_apk
from bokehbench.apk.keys import SigningKey, create_key, default_key_path, load_key
from bokehbench.apk.library import bundled_app_library, require_abi

__all__ = [
    "ApkFile",
    "CheckedApk",
    "PackedLibrary",
    "SigningKey",
    "build_apk",
    "bundled_app_library",
    "check_apk",
    "create_key",
    "default_key_path",
    "load_key",
    "require_abi",
]
