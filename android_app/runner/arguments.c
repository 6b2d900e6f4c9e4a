#include "arguments.h"

#include "number.h"

enum {
    MAX_RUNS = 1000000,
    MAX_MS = 7 * 24 * 3600 * 1000,
    MAX_THREADS = 1024,
    MAX_PARTITIONS = 1000000,
    MAX_TOKEN = 64,
};

enum key {
    KEY_MANIFEST, KEY_DEADLINE_MS, KEY_ENGINE, KEY_ENGINE_LIBRARY, KEY_ENGINE_FOLDER,
    KEY_MODEL, KEY_SIGNATURE, KEY_BACKEND, KEY_THREADS, KEY_PRECISION, KEY_CORE_MASK,
    KEY_MODE, KEY_WARMUPS, KEY_RUNS, KEY_MIN_RUNS, KEY_MAX_MS, KEY_INPUTS, KEY_OUTPUTS,
    KEY_IMAGE_OUTPUT, KEY_OUT, KEY_ROUNDING, KEY_OUTPUT_FORMAT, KEY_GPU_BACKEND,
    KEY_GPU_PREFERENCE, KEY_MAX_PARTITIONS, KEY_CACHE, KEY_CACHE_DIR, KEY_CACHE_TOKEN,
    KEY_IN, /* in0 */
    KEYS = KEY_IN + MAX_TENSORS
};

static const char *const NAMES[KEY_IN] = {
    "manifest", "deadline_ms", "engine", "engine_library", "engine_folder",
    "model", "signature", "backend", "threads", "precision", "core_mask",
    "mode", "warmups", "runs", "min_runs", "max_ms", "inputs", "outputs",
    "image_output", "out", "rounding", "output_format", "gpu_backend",
    "gpu_preference", "max_partitions", "cache", "cache_dir", "cache_token",
};

enum { NAME = 24 };

static void key_name(size_t key, char name[NAME]) {
    if (key < KEY_IN) {
        snprintf(name, NAME, "%s", NAMES[key]);
    } else {
        snprintf(name, NAME, "in%u", (unsigned)(key - KEY_IN));
    }
}

static bool collect(int count, char **words, const char *values[KEYS],
                    struct failure *failure) {
    memset(values, 0, KEYS * sizeof values[0]);
    for (int i = 2; i < count; i++) {
        const char *equals = strchr(words[i], '=');
        size_t length = equals == NULL ? 0 : (size_t)(equals - words[i]);
        size_t key = 0;
        for (; key < KEYS; key++) {
            char name[NAME];
            key_name(key, name);
            if (equals != NULL && strlen(name) == length &&
                strncmp(words[i], name, length) == 0) {
                break;
            }
        }
        if (key == KEYS) {
            return fail(failure, FAILURE_USAGE, "unknown argument %.200s", words[i]);
        }
        if (values[key] != NULL) {
            return fail(failure, FAILURE_USAGE, "given twice: %.200s", words[i]);
        }
        values[key] = equals + 1;
    }
    return true;
}

static bool wrong(size_t key, const char *value, struct failure *failure) {
    char name[NAME];
    key_name(key, name);
    return fail(failure, FAILURE_USAGE, "%s=%.200s is not a value of %s", name, value, name);
}

static bool take_text(const char *const values[KEYS], enum key key, const char **text,
                      struct failure *failure) {
    *text = values[key];
    return values[key][0] != '\0' || wrong(key, values[key], failure);
}

static bool take_number(const char *const values[KEYS], enum key key, uint64_t min, uint64_t max,
                        uint64_t *number, struct failure *failure) {
    return (parse_unsigned(values[key], max, number) && *number >= min) ||
           wrong(key, values[key], failure);
}

static bool take_size(const char *const values[KEYS], enum key key, uint64_t min, uint64_t max,
                      size_t *size, struct failure *failure) {
    uint64_t number;
    if (!take_number(values, key, min, max, &number, failure)) {
        return false;
    }
    *size = (size_t)number;
    return true;
}

/* `choices` ends with NULL; the place of the word is its enum value. */
static bool take_choice(const char *const values[KEYS], enum key key, const char *const *choices,
                        int *choice, struct failure *failure) {
    for (*choice = 0; choices[*choice] != NULL; (*choice)++) {
        if (strcmp(values[key], choices[*choice]) == 0) {
            return true;
        }
    }
    return wrong(key, values[key], failure);
}

static bool take_choices(const char *const values[KEYS], struct arguments *arguments,
                         struct failure *failure) {
    static const char *const BACKEND[] = {"xnnpack", "cpu", "gpu", NULL};
    static const char *const PRECISION[] = {"default", "fp16", "fp32", NULL};
    static const char *const MODE[] = {"time", "images", NULL};
    static const char *const ROUNDING[] = {"half_even", "half_up", "truncate", NULL};
    static const char *const FORMAT[] = {"u8", "f32", NULL};
    int backend, precision, mode, rounding, format;
    if (!take_choice(values, KEY_BACKEND, BACKEND, &backend, failure) ||
        !take_choice(values, KEY_PRECISION, PRECISION, &precision, failure) ||
        !take_choice(values, KEY_MODE, MODE, &mode, failure) ||
        !take_choice(values, KEY_ROUNDING, ROUNDING, &rounding, failure) ||
        !take_choice(values, KEY_OUTPUT_FORMAT, FORMAT, &format, failure)) {
        return false;
    }
    arguments->setup.backend = (enum backend)backend;
    arguments->setup.backend_name = BACKEND[backend];
    arguments->setup.precision = (enum precision)precision;
    arguments->mode = (enum mode)mode;
    arguments->rounding = (enum rounding)rounding;
    arguments->output_format = (enum output_format)format;
    return true;
}

static bool take_gpu(const char *const values[KEYS], struct engine_setup *setup,
                     struct failure *failure) {
    static const char *const API[] = {"auto", "opencl", "opengl", "webgpu", NULL};
    static const char *const PREFERENCE[] = {"fast_single_answer", "sustained_speed", NULL};
    static const char *const CACHE[] = {"none", "cold", "warm", NULL};
    int api, preference, cache;
    if (!take_choice(values, KEY_GPU_BACKEND, API, &api, failure) ||
        !take_choice(values, KEY_GPU_PREFERENCE, PREFERENCE, &preference, failure) ||
        !take_choice(values, KEY_CACHE, CACHE, &cache, failure) ||
        !take_size(values, KEY_MAX_PARTITIONS, 1, MAX_PARTITIONS, &setup->max_partitions,
                   failure) ||
        !take_text(values, KEY_CACHE_DIR, &setup->cache_dir, failure) ||
        !take_text(values, KEY_CACHE_TOKEN, &setup->cache_token, failure)) {
        return false;
    }
    setup->gpu_api = (enum gpu_api)api;
    setup->gpu_preference = (enum gpu_preference)preference;
    setup->cache = (enum cache_use)cache;
    if (cache != CACHE_NONE && strcmp(setup->cache_dir, "-") == 0) {
        return wrong(KEY_CACHE_DIR, values[KEY_CACHE_DIR], failure);
    }
    const char *token = setup->cache_token;
    bool none = cache == CACHE_NONE && strcmp(token, "-") == 0;
    return none || is_hexadecimal(token, MAX_TOKEN) ||
           wrong(KEY_CACHE_TOKEN, token, failure);
}

static bool take_numbers(const char *const values[KEYS], struct arguments *arguments,
                         struct failure *failure) {
    struct engine_setup *setup = &arguments->setup;
    /* `images` has no use for the four of `time`; there they only have to be numbers. */
    uint64_t least = arguments->mode == MODE_TIME ? 1 : 0;
    if (!take_number(values, KEY_DEADLINE_MS, 1, MAX_MS, &arguments->deadline_ms, failure) ||
        !take_size(values, KEY_SIGNATURE, 0, 65535, &setup->signature, failure) ||
        !take_size(values, KEY_THREADS, 1, MAX_THREADS, &setup->threads, failure) ||
        !take_size(values, KEY_WARMUPS, 0, MAX_RUNS, &arguments->warmups, failure) ||
        !take_size(values, KEY_RUNS, least, MAX_RUNS, &arguments->runs, failure) ||
        !take_size(values, KEY_MIN_RUNS, least, MAX_RUNS, &arguments->min_runs, failure) ||
        !take_number(values, KEY_MAX_MS, least, MAX_MS, &arguments->max_ms, failure) ||
        !take_size(values, KEY_INPUTS, 1, MAX_TENSORS, &setup->inputs, failure) ||
        !take_size(values, KEY_OUTPUTS, 1, MAX_TENSORS, &setup->outputs, failure) ||
        !take_size(values, KEY_IMAGE_OUTPUT, 0, setup->outputs - 1, &arguments->image_output,
                   failure)) {
        return false;
    }
    if (arguments->mode == MODE_TIME && arguments->min_runs > arguments->runs) {
        return wrong(KEY_MIN_RUNS, values[KEY_MIN_RUNS], failure);
    }
    return parse_hexadecimal(values[KEY_CORE_MASK], &arguments->core_mask) ||
           wrong(KEY_CORE_MASK, values[KEY_CORE_MASK], failure);
}

static bool take_tensors(const char *const values[KEYS], struct arguments *arguments,
                         struct failure *failure) {
    for (size_t i = 0; i < MAX_TENSORS; i++) {
        char name[NAME];
        key_name(KEY_IN + i, name);
        bool wanted = i < arguments->setup.inputs;
        if (wanted != (values[KEY_IN + i] != NULL)) {
            return fail(failure, FAILURE_USAGE, "%s is %s with inputs=%s", name,
                        wanted ? "missing" : "unknown", values[KEY_INPUTS]);
        }
        if (wanted && !tensor_spec_parse(name, values[KEY_IN + i], false,
                                         &arguments->setup.input[i], failure)) {
            return false;
        }
    }
    return tensor_spec_parse("out", values[KEY_OUT], true, &arguments->out, failure);
}

bool arguments_parse(int count, char **words, struct arguments *arguments,
                     struct failure *failure) {
    const char *values[KEYS];
    memset(arguments, 0, sizeof *arguments);
    if (count < 2 || strcmp(words[1], RUNNER_PROTOCOL_TEXT) != 0) {
        return fail(failure, FAILURE_PROTOCOL_MISMATCH, "protocol %.40s asked for, this is %d",
                    count < 2 ? "none" : words[1], RUNNER_PROTOCOL);
    }
    if (!collect(count, words, values, failure)) {
        return false;
    }
    for (size_t key = 0; key < KEY_IN; key++) {
        if (values[key] == NULL) {
            return fail(failure, FAILURE_USAGE, "%s is missing", NAMES[key]);
        }
    }
    return take_text(values, KEY_MANIFEST, &arguments->manifest, failure) &&
           take_text(values, KEY_ENGINE, &arguments->engine, failure) &&
           take_text(values, KEY_ENGINE_LIBRARY, &arguments->engine_library, failure) &&
           take_text(values, KEY_ENGINE_FOLDER, &arguments->setup.folder, failure) &&
           take_text(values, KEY_MODEL, &arguments->setup.model, failure) &&
           take_choices(values, arguments, failure) &&
           take_gpu(values, &arguments->setup, failure) &&
           take_numbers(values, arguments, failure) &&
           take_tensors(values, arguments, failure);
}
