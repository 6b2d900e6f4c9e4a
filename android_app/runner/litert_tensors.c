#include "litert_session.h"

static bool take_layout(const struct litert_layout *layout, struct tensor_info *info,
                        struct failure *failure) {
    if (layout->rank > MAX_RANK) {
        return fail(failure, FAILURE_INPUT_MISMATCH, "tensor %s has rank %u", info->name,
                    (unsigned)layout->rank);
    }
    info->shape.rank = layout->rank;
    for (size_t i = 0; i < layout->rank; i++) {
        if (layout->dimensions[i] < 0) {
            return fail(failure, FAILURE_INPUT_MISMATCH, "tensor %s has dimension %lld left open",
                        info->name, (long long)layout->dimensions[i]);
        }
        info->shape.dims[i] = (size_t)layout->dimensions[i];
    }
    return true;
}

static bool describe(struct litert_session *session, enum direction direction, size_t index,
                     struct tensor_info *info, struct litert_tensor_type *type,
                     struct failure *failure) {
    const struct litert_api *api = &session->api;
    void *tensor = NULL;
    const char *name = NULL;
    int status = direction == INPUT
                     ? api->GetSignatureInputName(session->signature, index, &name)
                     : api->GetSignatureOutputName(session->signature, index, &name);
    if (status == LITERT_OK) {
        status = direction == INPUT
                     ? api->GetSignatureInputTensorByIndex(session->signature, index, &tensor)
                     : api->GetSignatureOutputTensorByIndex(session->signature, index, &tensor);
    }
    if (status == LITERT_OK) {
        status = api->GetRankedTensorType(tensor, type);
    }
    if (status != LITERT_OK) {
        return litert_failed(failure, FAILURE_MODEL_INVALID, status, "a tensor's description");
    }
    snprintf(info->name, sizeof info->name, "%s", name == NULL ? "" : name);
    info->type = tflite_type(type->element_type);
    info->dtype = tflite_type_name(type->element_type);
    return true;
}

/* The model's own shape stands when it is the wanted one; -1 means that a side is open. */
static bool needs_resize(const struct litert_layout *layout, const struct shape *wanted) {
    if (layout->rank != wanted->rank) {
        return true;
    }
    for (size_t i = 0; i < wanted->rank; i++) {
        if (layout->dimensions[i] != (int32_t)wanted->dims[i]) {
            return true;
        }
    }
    return false;
}

static bool resize(struct litert_session *session, size_t index, const struct shape *wanted,
                   const char *name, struct failure *failure) {
    int dims[MAX_RANK];
    char text[SHAPE_TEXT];
    for (size_t i = 0; i < wanted->rank; i++) {
        dims[i] = (int)wanted->dims[i];
    }
    /* The strict one refuses models whose sides were not declared open. */
    int status = session->api.CompiledModelResizeInputTensorNonStrict(
        session->compiled, session->signature_index, index, dims, wanted->rank);
    if (status != LITERT_OK) {
        shape_text(wanted, text);
        return fail_status(failure, FAILURE_INPUT_MISMATCH, status,
                           "input %s can't be resized to %s", name, text);
    }
    return true;
}

static bool set_inputs(struct litert_session *session, const struct engine_setup *setup,
                       struct engine_report *report, struct litert_tensor_type *types,
                       bool *resized, struct failure *failure) {
    *resized = false;
    for (size_t i = 0; i < session->inputs; i++) {
        struct tensor_info *info = &report->input[i];
        struct litert_layout layout;
        if (!describe(session, INPUT, i, info, &types[i], failure)) {
            return false;
        }
        if (info->type != setup->input[i].type) {
            return fail(failure, FAILURE_INPUT_MISMATCH, "input %s is %s, in%u says %s",
                        info->name, info->dtype, (unsigned)i, type_name(setup->input[i].type));
        }
        int status = session->api.GetCompiledModelInputTensorLayout(
            session->compiled, session->signature_index, i, &layout);
        if (status != LITERT_OK) {
            return litert_failed(failure, FAILURE_INTERNAL, status, "an input's layout");
        }
        if (needs_resize(&layout, &setup->input[i].shape)) {
            if (!resize(session, i, &setup->input[i].shape, info->name, failure)) {
                return false;
            }
            *resized = true;
        }
    }
    return true;
}

static bool make_buffer(struct litert_session *session, enum direction direction, size_t index,
                        struct tensor_info *info, struct litert_tensor_type *type,
                        struct failure *failure) {
    const struct litert_api *api = &session->api;
    void *requirements = NULL;
    void **buffer = direction == INPUT ? &session->input[index] : &session->output[index];
    size_t packed = 0;
    int status = direction == INPUT
                     ? api->GetCompiledModelInputBufferRequirements(
                           session->compiled, session->signature_index, index, &requirements)
                     : api->GetCompiledModelOutputBufferRequirements(
                           session->compiled, session->signature_index, index, &requirements);
    if (status == LITERT_OK) {
        status = api->CreateManagedTensorBufferFromRequirements(session->environment, type,
                                                                requirements, buffer);
    }
    if (status == LITERT_OK) {
        status = api->GetTensorBufferPackedSize(*buffer, &packed);
    }
    if (status != LITERT_OK) {
        return litert_failed(failure, FAILURE_OUT_OF_MEMORY, status, "a tensor's buffer");
    }
    if (!shape_elements(&info->shape, &info->elements) ||
        info->elements > SIZE_MAX / 8) {
        return fail(failure, FAILURE_INPUT_MISMATCH, "tensor %s is too large", info->name);
    }
    info->size_bytes = packed;
    if (info->type != TYPE_OTHER && packed != info->elements * type_size(info->type)) {
        return fail(failure, FAILURE_INTERNAL, "buffer of %s has %llu bytes for %llu elements",
                    info->name, (unsigned long long)packed, (unsigned long long)info->elements);
    }
    return true;
}

bool litert_make_tensors(struct litert_session *session, const struct engine_setup *setup,
                         struct engine_report *report, struct failure *failure) {
    struct litert_tensor_type inputs[MAX_TENSORS];
    struct litert_tensor_type outputs[MAX_TENSORS];
    struct litert_layout layouts[MAX_TENSORS];
    bool resized;
    if (!set_inputs(session, setup, report, inputs, &resized, failure)) {
        return false;
    }
    for (size_t i = 0; i < session->inputs; i++) {
        struct litert_layout *layout = &inputs[i].layout;
        int status = session->api.GetCompiledModelInputTensorLayout(
            session->compiled, session->signature_index, i, layout);
        if (status != LITERT_OK) {
            return litert_failed(failure, FAILURE_INTERNAL, status, "an input's layout");
        }
        layout->has_strides = 0;
        if (!take_layout(layout, &report->input[i], failure) ||
            !shapes_equal(&report->input[i].shape, &setup->input[i].shape)) {
            return fail(failure, FAILURE_INPUT_MISMATCH, "input %s did not take the shape of in%u",
                        report->input[i].name, (unsigned)i);
        }
    }
    memset(layouts, 0, sizeof layouts);
    /* With the allocation now, a model that can't be prepared fails here and not in a run. */
    int status = session->api.GetCompiledModelOutputTensorLayouts(
        session->compiled, session->signature_index, session->outputs, layouts, true);
    if (status != LITERT_OK) {
        return litert_failed(failure, resized ? FAILURE_INPUT_MISMATCH : FAILURE_MODEL_INVALID,
                             status, "preparing the model");
    }
    for (size_t i = 0; i < session->outputs; i++) {
        if (!describe(session, OUTPUT, i, &report->output[i], &outputs[i], failure) ||
            !take_layout(&layouts[i], &report->output[i], failure)) {
            return false;
        }
        outputs[i].layout = layouts[i];
        outputs[i].layout.has_strides = 0;
    }
    for (size_t i = 0; i < session->inputs; i++) {
        if (!make_buffer(session, INPUT, i, &report->input[i], &inputs[i], failure)) {
            return false;
        }
    }
    for (size_t i = 0; i < session->outputs; i++) {
        if (!make_buffer(session, OUTPUT, i, &report->output[i], &outputs[i], failure)) {
            return false;
        }
    }
    return true;
}
