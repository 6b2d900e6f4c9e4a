"""The names that the APK, the app inside it and the host agree on."""

PACKAGE = "org.bokehbench.runner"
"""The app's package name."""

ACTIVITY = "android.app.NativeActivity"
"""The activity's class, which is Android's own: the app brings no Java code."""

COMPONENT = f"{PACKAGE}/{ACTIVITY}"
"""What `am start -n` takes."""

LIBRARY_NAME = "bokehbench_app"
"""The native part as the activity's meta-data `android.app.lib_name` names it."""

LIBRARY_FILE = f"lib{LIBRARY_NAME}.so"
"""The native part as a file: `lib/<ABI>/<this>` in an APK, `<target>/<this>` among the runners."""

SOCKET_NAME = f"bokehbench.{PACKAGE}"
"""The abstract unix socket that the app listens on, without the leading zero byte:
`adb forward tcp:0 localabstract:<this>`."""

ABIS = ("arm64-v8a", "x86_64")
"""The Android ABIs that there is a native part for."""

MIN_SDK = 24
"""The oldest API level that the app is installed on: that of the runner, and of signatures v2."""

TARGET_SDK = 34
"""The API level whose rules the app asks for; newer devices refuse to install much older ones."""

OPTIONAL_LIBRARIES = ("libOpenCL.so", "libOpenCL-pixel.so", "libOpenCL-car.so")
"""The vendor's libraries that the app may load where there are any, in the order that TensorFlow
Lite's GPU delegate looks for them."""
