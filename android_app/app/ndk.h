/* Android's own interface: the NDK's headers where there are any, else our declarations of it. */
#ifndef BOKEHBENCH_NDK_H
#define BOKEHBENCH_NDK_H

#include "libc_app.h"

#if defined(__ANDROID__) && !defined(BOKEHBENCH_BIONIC)
#include <android/log.h>
#include <android/looper.h>
#include <android/native_activity.h>
#include <android/native_window.h>
#include <android/window.h>
#else
#include "../bionic/android.h"
#endif

#endif
