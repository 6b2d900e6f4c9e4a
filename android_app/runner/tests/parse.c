#include "../arguments.h"
#include "../delegation.h"
#include "../manifest.h"
#include "check.h"

void test_tensors(void) {
    struct tensor_spec spec;
    struct failure failure = {0};
    struct shape shape = {2, {SIZE_MAX / 2, 3}};
    size_t elements;
    char text[SHAPE_TEXT];
    CHECK(tensor_spec_parse("in0", "1x8x9x3:float32:-1:1:0:0", false, &spec, &failure));
    CHECK(spec.shape.rank == 4 && spec.shape.dims[2] == 9 && spec.low == -1 && spec.high == 1);
    shape_text(&spec.shape, text);
    CHECK_TEXT(text, "1x8x9x3");
    CHECK(tensor_spec_parse("in0", "4:int8:0:1:0.5:-128", false, &spec, &failure));
    CHECK(spec.zero == -128 && spec.scale == 0.5 && spec.type == TYPE_INT8);
    CHECK(tensor_spec_parse("out", "-:uint8:0:255:0:0", true, &spec, &failure) && spec.any_shape);
    CHECK(!shape_elements(&shape, &elements));
    static const char *const WRONG[] = {
        "", ":::::", "-:uint8:0:1:0:0", "1x:float32:0:1:0:0", "x1:float32:0:1:0:0",
        "0x4:float32:0:1:0:0", "1x-1:float32:0:1:0:0", "1x2x3x4x5x6x7x8x9:float32:0:1:0:0",
        "2147483648:float32:0:1:0:0", "2147483647x2147483647x2147483647:uint8:0:1:0:0",
        "1:float64:0:1:0:0", "1:other:0:1:0:0", "1:float32:1:1:0:0", "1:float32:0:nan:0:0",
        "1:float32:0:1:0.5:0", "1:int8:0:1:0:0", "1:int8:0:1:-1:0", "1:uint8:0:1:0:5",
        "1:int8:0:1:0.5:2147483648", "1:float32:0:1:0:0:0", "1:float32:0:1:0",
        "1:float32:-1e308:1e308:0:0", NULL};
    for (size_t i = 0; WRONG[i] != NULL; i++) {
        failure.code = FAILURE_NONE;
        check(!tensor_spec_parse("in0", WRONG[i], false, &spec, &failure), __FILE__, __LINE__,
              WRONG[i]);
        CHECK(failure.code == FAILURE_USAGE);
    }
}

enum { WORDS = 31 };

static void good_words(char *words[WORDS]) {
    static char *const WORDS_OF[WORDS] = {
        "runner", "2", "manifest=w/a", "deadline_ms=1000", "engine=litert", "engine_library=l=x",
        "engine_folder=f", "model=m", "signature=0", "backend=gpu", "threads=2",
        "precision=fp16", "core_mask=f0", "mode=time", "warmups=0", "runs=5", "min_runs=2",
        "max_ms=10", "inputs=1", "outputs=2", "in0=1x2:float32:0:1:0:0", "image_output=1",
        "out=-:uint8:0:1:0:0", "rounding=half_up", "output_format=f32", "gpu_backend=opencl",
        "gpu_preference=sustained_speed", "max_partitions=3", "cache=cold", "cache_dir=c",
        "cache_token=0af"};
    memcpy(words, WORDS_OF, sizeof WORDS_OF);
}

/* Argument `place` replaced by `word` must be refused. */
static void check_refused(size_t place, char *word, enum failure_code code) {
    char *words[WORDS];
    struct arguments arguments;
    struct failure failure = {0};
    good_words(words);
    words[place] = word;
    check(!arguments_parse(WORDS, words, &arguments, &failure) && failure.code == code, __FILE__,
          __LINE__, word);
}

void test_arguments(void) {
    char *words[WORDS + 1];
    struct arguments arguments;
    struct failure failure = {0};
    good_words(words);
    CHECK(arguments_parse(WORDS, words, &arguments, &failure));
    CHECK_TEXT(arguments.engine_library, "l=x");
    CHECK(arguments.setup.backend == BACKEND_GPU && arguments.setup.precision == PRECISION_FP16);
    CHECK(arguments.core_mask == 0xf0 && arguments.runs == 5 && arguments.image_output == 1);
    CHECK(arguments.rounding == ROUND_HALF_UP && arguments.output_format == FORMAT_F32);
    CHECK(arguments.setup.input[0].shape.dims[1] == 2 && arguments.out.any_shape);
    CHECK(arguments.setup.gpu_api == GPU_API_OPENCL && arguments.setup.max_partitions == 3);
    CHECK(arguments.setup.gpu_preference == GPU_SUSTAINED_SPEED);
    CHECK(arguments.setup.cache == CACHE_COLD);
    CHECK_TEXT(arguments.setup.cache_token, "0af");
    for (int count = 2; count < WORDS; count++) { /* the last ones missing */
        CHECK(!arguments_parse(count, words, &arguments, &failure));
        CHECK(failure.code == FAILURE_USAGE);
    }
    CHECK(!arguments_parse(1, words, &arguments, &failure));
    CHECK(failure.code == FAILURE_PROTOCOL_MISMATCH);
    CHECK(!arguments_parse(0, words, &arguments, &failure));
    words[WORDS] = "in1=1x2:float32:0:1:0:0";
    CHECK(!arguments_parse(WORDS + 1, words, &arguments, &failure));
    check_refused(1, "1", FAILURE_PROTOCOL_MISMATCH);
    check_refused(1, "02", FAILURE_PROTOCOL_MISMATCH);
    check_refused(2, "manifest=", FAILURE_USAGE);
    check_refused(2, "manifes", FAILURE_USAGE);
    check_refused(2, "=x", FAILURE_USAGE);
    check_refused(2, "", FAILURE_USAGE);
    check_refused(3, "deadline_ms=0", FAILURE_USAGE);
    check_refused(3, "deadline_ms=99999999999", FAILURE_USAGE);
    check_refused(9, "backend=npu", FAILURE_USAGE);
    check_refused(9, "model=m", FAILURE_USAGE); /* twice */
    check_refused(10, "threads=0", FAILURE_USAGE);
    check_refused(11, "precision=bf16", FAILURE_USAGE);
    check_refused(12, "core_mask=0x3", FAILURE_USAGE);
    check_refused(13, "mode=TIME", FAILURE_USAGE);
    check_refused(14, "warmups=-1", FAILURE_USAGE);
    check_refused(15, "runs=0", FAILURE_USAGE);
    check_refused(15, "runs=1", FAILURE_USAGE); /* below min_runs */
    check_refused(15, "runs=1000001", FAILURE_USAGE);
    check_refused(16, "min_runs=0", FAILURE_USAGE);
    check_refused(17, "max_ms=0", FAILURE_USAGE);
    check_refused(18, "inputs=17", FAILURE_USAGE);
    check_refused(18, "inputs=2", FAILURE_USAGE);
    check_refused(20, "in0=1x2:float32:0:1:0", FAILURE_USAGE);
    check_refused(20, "in16=1x2:float32:0:1:0:0", FAILURE_USAGE);
    check_refused(21, "image_output=2", FAILURE_USAGE);
    check_refused(24, "output_format=png", FAILURE_USAGE);
    check_refused(25, "gpu_backend=metal", FAILURE_USAGE);
    check_refused(26, "gpu_preference=fast", FAILURE_USAGE);
    check_refused(27, "max_partitions=0", FAILURE_USAGE);
    check_refused(27, "max_partitions=1000001", FAILURE_USAGE);
    check_refused(28, "cache=hot", FAILURE_USAGE);
    check_refused(29, "cache_dir=", FAILURE_USAGE);
    check_refused(29, "cache_dir=-", FAILURE_USAGE); /* with a cache asked for */
    check_refused(30, "cache_token=-", FAILURE_USAGE);
    check_refused(30, "cache_token=", FAILURE_USAGE);
    check_refused(30, "cache_token=0AF", FAILURE_USAGE);
    check_refused(30, "cache_token=0a/", FAILURE_USAGE);
    good_words(words);
    words[28] = "cache=none";
    words[29] = "cache_dir=-";
    words[30] = "cache_token=-";
    CHECK(arguments_parse(WORDS, words, &arguments, &failure));
}

static bool parse(const char *text, size_t length, size_t inputs, struct manifest *manifest) {
    struct failure failure = {0};
    char *copy = malloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    bool good = manifest_parse(copy, length, inputs, manifest, &failure);
    CHECK(good == (failure.code == FAILURE_NONE));
    CHECK(good || failure.code == FAILURE_MANIFEST_INVALID);
    return good;
}

static void check_manifest(const char *text, size_t inputs, bool want) {
    struct manifest manifest;
    check(parse(text, strlen(text), inputs, &manifest) == want, __FILE__, __LINE__, text);
    manifest_free(&manifest);
}

#define HEAD "bokehbench-manifest\t1\n"

void test_manifest(void) {
    struct manifest manifest;
    static const char GOOD[] = HEAD "item\t7\tfile:o-1_A.png\tfile:a.raw\tseed:18446744073709551615\n"
                                    "item\t8\tnone\tfile:a.raw\tseed:0\n";
    CHECK(parse(GOOD, sizeof GOOD - 1, 2, &manifest));
    CHECK(manifest.count == 2 && manifest.items[0].index == 7);
    CHECK_TEXT(manifest.items[0].output, "o-1_A.png");
    CHECK_TEXT(manifest.items[1].inputs[0].file, "a.raw");
    CHECK(manifest.items[1].output == NULL && manifest.items[0].inputs[1].file == NULL);
    CHECK(manifest.items[0].inputs[1].seed == UINT64_MAX);
    manifest_free(&manifest);
    for (size_t cut = 0; cut < sizeof GOOD - 1; cut++) { /* every truncation */
        bool whole_line = cut > sizeof HEAD && GOOD[cut - 1] == '\n';
        CHECK(parse(GOOD, cut, 2, &manifest) == whole_line);
        manifest_free(&manifest);
    }
    check_manifest(HEAD "item\t0\tnone\tseed:1\n", 1, true);
    check_manifest(HEAD "item\t0\tnone\tseed:1\n", 2, false);
    check_manifest(HEAD "item\t0\tnone\tseed:1\tseed:2\n", 1, false);
    check_manifest(HEAD "item\t0\tnone\tseed:1\t\n", 1, false);
    check_manifest(HEAD, 1, false);
    check_manifest(HEAD "\n", 1, false);
    check_manifest(HEAD "item\t0\tnone\tseed:1\r\n", 1, false);
    check_manifest(HEAD "item\t-1\tnone\tseed:1\n", 1, false);
    check_manifest(HEAD "item\t0\tnone\tseed:18446744073709551616\n", 1, false);
    check_manifest(HEAD "item\t0\tnone\tseed:\n", 1, false);
    check_manifest(HEAD "item\t0\tNONE\tseed:1\n", 1, false);
    check_manifest("bokehbench-manifest\t2\nitem\t0\tnone\tseed:1\n", 1, false);
    check_manifest("item\t0\tnone\tseed:1\n" HEAD, 1, false);
    check_manifest(HEAD "item\t0\tfile:../x\tseed:1\n", 1, false);
    check_manifest(HEAD "item\t0\tfile:a/b\tseed:1\n", 1, false);
    check_manifest(HEAD "item\t0\tfile:.hidden\tseed:1\n", 1, false);
    check_manifest(HEAD "item\t0\tfile:\tseed:1\n", 1, false);
    check_manifest(HEAD "item\t0\tfile:a b\tseed:1\n", 1, false);
    check_manifest(HEAD "item\t0\tnone\tfile:\xc3\xa9\n", 1, false);
    check_manifest(HEAD "item\t0\tfile:x\tfile:x\n", 1, false); /* output over its input */
    check_manifest(HEAD "item\t0\tfile:x\tseed:1\nitem\t1\tfile:x\tseed:1\n", 1, false);
    check_manifest(HEAD "item\t0\tfile:x\tseed:1\nitem\t1\tnone\tfile:x\n", 1, false);
    check_manifest(HEAD "item\t0\tnone\tseed:1\nitem\t0\tnone\tseed:1\n", 1, false);
    CHECK(!parse(HEAD "item\t0\tno\0e\tseed:1\n", sizeof(HEAD "item\t0\tno\0e\tseed:1\n") - 1, 1,
                 &manifest));
    manifest_free(&manifest);
    char name[512];
    memset(name, 'a', sizeof name);
    memcpy(name, HEAD "item\t0\tfile:", sizeof HEAD + 11);
    memcpy(name + sizeof HEAD + 11 + 201, "\tseed:1\n", 9);
    check_manifest(name, 1, false); /* 201 letters */
}

#define CHECK_LINE(line, want)                                                                 \
    CHECK((line).length == sizeof(want) - 1 &&                                                 \
          memcmp((line).text, want, sizeof(want) - 1) == 0)

void test_delegation(void) {
    struct delegation delegation;
    struct replacement nodes;
    static const char PHONE[] =
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\r\n"
        "VERBOSE: Replacing 11 out of 35 node(s) with delegate (TfLiteGpuDelegateV2) node, "
        "yielding 2 partitions for subgraph 0 (main).\n"
        "VERBOSE: Replacing 20 out of 26 node(s) with delegate (TfLiteXNNPackDelegate) node, "
        "yielding 5 partitions for the whole graph.\n"
        "11 operations will run on the GPU, and the remaining 24 operations will run on the CPU.\n"
        "nothing to tell\n"
        "I0000 x.cc:5] Selected adapter: Mali-G78, arch=valhall";
    delegation_read(PHONE, sizeof PHONE - 1, &delegation);
    CHECK(delegation.replacements == 2 && delegation.lines == 5 && delegation.talks);
    CHECK(delegation.split && delegation.gpu_nodes == 11 && delegation.cpu_nodes == 24);
    CHECK(delegation_nodes(&delegation, "xnnpack", false, &nodes));
    CHECK(nodes.replaced == 11 && nodes.total == 35 && nodes.partitions == 2 && nodes.has_total);
    CHECK_TEXT(nodes.delegate, "TfLiteGpuDelegateV2");
    CHECK(delegation_nodes(&delegation, "xnnpack", true, &nodes) && nodes.replaced == 20);
    CHECK_TEXT(delegation.adapter, "Mali-G78, arch=valhall");
    CHECK(delegation.xnnpack && !delegation.unsupported && !delegation.no_accelerator);

    static const char AGAIN[] =
        "Replacing 3 out of 4 node(s) with delegate (A) node, yielding 1 partitions for subgraph 0\n"
        "Replacing 2 out of 4 node(s) with delegate (A) node, yielding 1 partitions for subgraph 0\n"
        "Replacing 1 out of 1 node(s) with delegate (A) node, yielding 1 partitions for subgraph 7\n";
    delegation_read(AGAIN, sizeof AGAIN - 1, &delegation);
    CHECK(delegation_nodes(&delegation, "a", true, &nodes) && nodes.replaced == 3);
    CHECK(nodes.total == 5 && nodes.partitions == 2);

    static const char SECOND[] = "5 operations will run on the GPU, and the remaining 1 operations\n"
                                 "Replacing 3 out of 4 node(s) with delegate (GPU) node, yielding\n"
                                 NEXT_ATTEMPT "\n";
    delegation_read(SECOND, sizeof SECOND - 1, &delegation);
    CHECK(!delegation.split && delegation.replacements == 0 && delegation.lines == 2);

    static const char LISTED[] =
        "ERROR: Following operations are not supported by GPU delegate:\n"
        "GATHER: Operation is not supported.\n"
        "RESIZE_BILINEAR: Max version supported: 2. Requested version 3.\n"
        "PAD\n"
        "1 operations will run on the GPU, and the remaining 3 operations will run on the CPU.\n"
        "INFO: Initialized OpenCL-based API from serialized data.\n"
        "Following operations are not supported by GPU delegate:\r\n"
        "GATHER: Operation is not supported.\r\n"
        "ERROR: Falling back to OpenGL\n"
        "SUM: not in the list\n"
        "VERBOSE: Replacing 1 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 3 "
        "partitions.\n";
    delegation_read(LISTED, sizeof LISTED - 1, &delegation);
    CHECK(delegation.unsupported_ops == 3 && delegation.from_cache == CACHE_TAKEN);
    CHECK_LINE(delegation.unsupported_op[0].op, "GATHER");
    CHECK_LINE(delegation.unsupported_op[0].reason, "Operation is not supported.");
    CHECK_LINE(delegation.unsupported_op[1].reason,
               "Max version supported: 2. Requested version 3.");
    CHECK_LINE(delegation.unsupported_op[2].op, "PAD");
    CHECK(delegation.unsupported_op[2].reason.length == 0);
    CHECK_TEXT(delegation_gpu_api(&delegation), "OpenCL");
    CHECK(delegation_nodes(&delegation, "xnnpack", false, &nodes) && nodes.replaced == 1);
    CHECK(!nodes.has_total && nodes.has_partitions && nodes.partitions == 3);

    static const char FELL_BACK[] = "INFO: Initialized OpenCL-based API.\nERROR: Falling back to "
                                    "OpenGL\nINFO: Initialized OpenGL-based API.\n";
    delegation_read(FELL_BACK, sizeof FELL_BACK - 1, &delegation);
    CHECK_TEXT(delegation_gpu_api(&delegation), "OpenGL");
    CHECK(delegation.from_cache == CACHE_LEFT);
    static const char VULKAN[] = "I0000 x.cc:984] Initializing WebGPU-based API from graph.";
    delegation_read(VULKAN, sizeof VULKAN - 1, &delegation);
    CHECK_TEXT(delegation_gpu_api(&delegation), "WebGPU");

    static const char NONE[] = "No operations will run on the GPU, and all 9 operations will run "
                               "on the CPU.\nERROR: No adapters found\nFOO: unsupported\n";
    delegation_read(NONE, sizeof NONE - 1, &delegation);
    CHECK(delegation.split && delegation.gpu_nodes == 0 && delegation.cpu_nodes == 9);
    CHECK(delegation.no_accelerator && delegation.unsupported && !delegation.talks);

    static const char BROKEN[] =
        "Replacing out of node(s) with delegate (\nReplacing 99999999999999999999999 out of 1 with "
        "delegate (X\nwith delegate (\n operations will run on the GPU\nSelected adapter: \n";
    delegation_read(BROKEN, sizeof BROKEN - 1, &delegation);
    CHECK(!delegation.split);
    delegation_read("", 0, &delegation);
    CHECK(delegation.lines == 0);
    char *many = malloc(60000);
    memset(many, 'e', 60000);
    for (size_t i = 0; i < 60000; i += 600) {
        memcpy(many + i, "\nERROR delegate ", 16);
    }
    delegation_read(many, 60000, &delegation);
    CHECK(delegation.lines == MAX_LOG_LINES && delegation.line[3].length == MAX_LOG_LINE);
    CHECK(delegation_gpu_api(&delegation) == NULL);
    size_t used = (size_t)snprintf(many, 60000, "operations are not supported by x:\n");
    for (unsigned i = 0; i < 1000; i++) {
        used += (size_t)snprintf(many + used, 60000 - used, "OP%u: no\n", i);
    }
    delegation_read(many, used, &delegation);
    CHECK(delegation.unsupported_ops == MAX_UNSUPPORTED);
    free(many);
}
