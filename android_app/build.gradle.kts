// For stepping through the app in Android Studio: the same C sources, through CMakeLists.txt and the
// NDK. What is measured with is built by build.py and packed by `bokehbench apk build`.
plugins {
    id("com.android.application") version "8.5.2"
}

android {
    namespace = "org.bokehbench.runner"
    compileSdk = 34

    defaultConfig {
        applicationId = "org.bokehbench.runner"
        minSdk = 24
        targetSdk = 34
        versionCode = 1
        versionName = "studio"
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
        externalNativeBuild {
            cmake {
                targets += "bokehbench_app"
                arguments += "-DANDROID_STL=none"
            }
        }
    }

    buildTypes {
        debug {
            // Another name, so that it stands beside an installed app of another key. The socket is
            // named after the process, so it is another one too.
            applicationIdSuffix = ".debug"
        }
    }

    externalNativeBuild {
        cmake {
            path = file("CMakeLists.txt")
        }
    }

    sourceSets["main"].manifest.srcFile("app/AndroidManifest.xml")

    packaging {
        jniLibs {
            // Libraries stay inside the APK, at the start of a page.
            useLegacyPackaging = false
        }
    }
}

dependencies {
    // The engine's libraries, of the version in harness/bokehbench/engines/catalog.toml.
    implementation("org.tensorflow:tensorflow-lite:2.16.1")
    implementation("org.tensorflow:tensorflow-lite-gpu:2.16.1")
}
