#include "tflite_session.h"

static bool describe(const struct tflite_api *api, const void *tensor, struct tensor_info *info,
                     struct failure *failure) {
    if (tensor == NULL) {
        return fail(failure, FAILURE_MODEL_INVALID, "a tensor of the graph's ends is missing");
    }
    const char *name = api->TensorName(tensor);
    snprintf(info->name, sizeof info->name, "%s", name == NULL ? "" : name);
    int type = api->TensorType(tensor);
    info->type = tflite_type(type);
    info->dtype = tflite_type_name(type);
    struct tflite_quantisation quantisation = api->TensorQuantizationParams(tensor);
    info->has_quantisation = true;
    info->scale = (double)quantisation.scale;
    info->zero = quantisation.zero;
    int32_t rank = api->TensorNumDims(tensor);
    if (rank < 0 || rank > MAX_RANK) {
        return fail(failure, FAILURE_INPUT_MISMATCH, "tensor %s has rank %d", info->name,
                    (int)rank);
    }
    info->shape.rank = (size_t)rank;
    for (int32_t i = 0; i < rank; i++) {
        int32_t side = api->TensorDim(tensor, i);
        if (side < 0) {
            return fail(failure, FAILURE_INPUT_MISMATCH, "tensor %s has dimension %d left open",
                        info->name, (int)i);
        }
        info->shape.dims[i] = (size_t)side;
    }
    return true;
}

static bool resize(struct tflite_session *session, size_t index, const struct shape *wanted,
                   const char *name, struct failure *failure) {
    int dims[MAX_RANK];
    char text[SHAPE_TEXT];
    for (size_t i = 0; i < wanted->rank; i++) {
        dims[i] = (int)wanted->dims[i];
    }
    int status = session->api.InterpreterResizeInputTensor(session->interpreter, (int32_t)index,
                                                           dims, (int32_t)wanted->rank);
    if (status != TFLITE_OK) {
        shape_text(wanted, text);
        return fail_status(failure, FAILURE_INPUT_MISMATCH, status,
                           "input %s can't be resized to %s", name, text);
    }
    return true;
}

bool tflite_set_inputs(struct tflite_session *session, const struct engine_setup *setup,
                       struct engine_report *report, bool *resized, struct failure *failure) {
    const struct tflite_api *api = &session->api;
    int32_t inputs = api->InterpreterGetInputTensorCount(session->interpreter);
    int32_t outputs = api->InterpreterGetOutputTensorCount(session->interpreter);
    *resized = false;
    if (inputs < 0 || outputs < 0 || (size_t)inputs != setup->inputs ||
        (size_t)outputs != setup->outputs) {
        return fail(failure, FAILURE_INPUT_MISMATCH,
                    "the graph has %d inputs and %d outputs, the host expects %u and %u",
                    (int)inputs, (int)outputs, (unsigned)setup->inputs,
                    (unsigned)setup->outputs);
    }
    session->inputs = (size_t)inputs;
    session->outputs = (size_t)outputs;
    for (size_t i = 0; i < session->inputs; i++) {
        struct tensor_info *info = &report->input[i];
        const void *tensor = api->InterpreterGetInputTensor(session->interpreter, (int32_t)i);
        if (!describe(api, tensor, info, failure)) {
            return false;
        }
        if (info->type != setup->input[i].type) {
            return fail(failure, FAILURE_INPUT_MISMATCH, "input %s is %s, in%u says %s",
                        info->name, info->dtype, (unsigned)i, type_name(setup->input[i].type));
        }
        if (!shapes_equal(&info->shape, &setup->input[i].shape)) {
            if (!resize(session, i, &setup->input[i].shape, info->name, failure)) {
                return false;
            }
            *resized = true;
        }
    }
    return true;
}

/* With memory behind it of just the size that its shape says. */
static bool take(const struct tflite_api *api, const void *tensor, struct tensor_info *info,
                 struct failure *failure) {
    if (!describe(api, tensor, info, failure)) {
        return false;
    }
    info->size_bytes = api->TensorByteSize(tensor);
    if (!shape_elements(&info->shape, &info->elements) || info->elements > SIZE_MAX / 8) {
        return fail(failure, FAILURE_INPUT_MISMATCH, "tensor %s is too large", info->name);
    }
    if (api->TensorData(tensor) == NULL) {
        return fail(failure, FAILURE_INPUT_MISMATCH,
                    "tensor %s has no memory: its shape is known after a run only", info->name);
    }
    if (info->type != TYPE_OTHER && info->size_bytes != info->elements * type_size(info->type)) {
        return fail(failure, FAILURE_INTERNAL, "tensor %s has %llu bytes for %llu elements",
                    info->name, (unsigned long long)info->size_bytes,
                    (unsigned long long)info->elements);
    }
    return true;
}

bool tflite_take_tensors(struct tflite_session *session, const struct engine_setup *setup,
                         struct engine_report *report, struct failure *failure) {
    const struct tflite_api *api = &session->api;
    for (size_t i = 0; i < session->inputs; i++) {
        session->input[i] = api->InterpreterGetInputTensor(session->interpreter, (int32_t)i);
        if (!take(api, session->input[i], &report->input[i], failure)) {
            return false;
        }
        if (!shapes_equal(&report->input[i].shape, &setup->input[i].shape)) {
            return fail(failure, FAILURE_INPUT_MISMATCH, "input %s did not take the shape of in%u",
                        report->input[i].name, (unsigned)i);
        }
    }
    for (size_t i = 0; i < session->outputs; i++) {
        session->output[i] = api->InterpreterGetOutputTensor(session->interpreter, (int32_t)i);
        if (!take(api, session->output[i], &report->output[i], failure)) {
            return false;
        }
        session->output_bytes[i] = report->output[i].size_bytes;
    }
    return true;
}

static bool is_own_input(const struct tflite_session *session, const void *tensor) {
    for (size_t i = 0; i < session->inputs; i++) {
        if (session->input[i] == tensor) {
            return true;
        }
    }
    return false;
}

bool tflite_check_signature(struct tflite_session *session, size_t signature,
                            struct failure *failure) {
    const struct tflite_api *api = &session->api;
    const char *(*key_of)(void *, int32_t) = api->InterpreterGetSignatureKey != NULL
                                                 ? api->InterpreterGetSignatureKey
                                                 : api->InterpreterGetSignatureName;
    if (api->InterpreterGetSignatureCount == NULL || key_of == NULL ||
        api->InterpreterGetSignatureRunner == NULL ||
        api->SignatureRunnerGetInputCount == NULL || api->SignatureRunnerGetInputName == NULL ||
        api->SignatureRunnerGetInputTensor == NULL) {
        return signature == 0 ||
               fail(failure, FAILURE_ENGINE_UNSUPPORTED,
                    "signature %u asked for, and this library knows of no signatures",
                    (unsigned)signature);
    }
    int32_t count = api->InterpreterGetSignatureCount(session->interpreter);
    if (count <= 0 && signature == 0) {
        return true; /* a model without signatures has one graph */
    }
    if (count < 0 || signature >= (size_t)count) {
        return fail(failure, FAILURE_INPUT_MISMATCH, "signature %u asked for, the model has %d",
                    (unsigned)signature, (int)count);
    }
    void *runner = api->InterpreterGetSignatureRunner(
        session->interpreter, key_of(session->interpreter, (int32_t)signature));
    bool same = runner != NULL && api->SignatureRunnerGetInputCount(runner) == session->inputs;
    for (size_t i = 0; same && i < session->inputs; i++) {
        const char *name = api->SignatureRunnerGetInputName(runner, (int32_t)i);
        same = name != NULL &&
               is_own_input(session, api->SignatureRunnerGetInputTensor(runner, name));
    }
    return same || fail(failure, FAILURE_ENGINE_UNSUPPORTED,
                        "signature %u is not of the model's first graph, the only one that the "
                        "tflite engine runs; the litert engine runs the others",
                        (unsigned)signature);
}
