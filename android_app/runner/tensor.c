#include "tensor.h"

#include "number.h"

const char *type_name(enum element_type type) {
    static const char *const NAMES[] = {"float32", "uint8", "int8", "other"};
    return NAMES[type];
}

size_t type_size(enum element_type type) {
    return type == TYPE_FLOAT32 ? 4 : type == TYPE_OTHER ? 0 : 1;
}

const char *tflite_type_name(int32_t number) {
    static const char *const NAMES[] = {
        "none", "float32", "int32", "uint8", "int64", "string", "bool", "int16", "complex64",
        "int8", "float16", "float64", "complex128", "uint64", "resource", "variant", "uint32",
        "uint16", "int4", "bfloat16", "int2"};
    return number >= 0 && (size_t)number < sizeof NAMES / sizeof NAMES[0] ? NAMES[number]
                                                                          : "unknown";
}

enum element_type tflite_type(int32_t number) {
    return number == 1   ? TYPE_FLOAT32
           : number == 3 ? TYPE_UINT8
           : number == 9 ? TYPE_INT8
                         : TYPE_OTHER;
}

bool shapes_equal(const struct shape *a, const struct shape *b) {
    if (a->rank != b->rank) {
        return false;
    }
    for (size_t i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]) {
            return false;
        }
    }
    return true;
}

void shape_text(const struct shape *shape, char text[SHAPE_TEXT]) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < shape->rank && used < SHAPE_TEXT; i++) {
        int size = snprintf(text + used, SHAPE_TEXT - used, "%s%llu", i == 0 ? "" : "x",
                            (unsigned long long)shape->dims[i]);
        used += size < 0 ? SHAPE_TEXT : (size_t)size;
    }
}

bool shape_elements(const struct shape *shape, size_t *elements) {
    *elements = 1;
    for (size_t i = 0; i < shape->rank; i++) {
        if (!size_multiply(*elements, shape->dims[i], elements)) {
            return false;
        }
    }
    return true;
}

static bool parse_shape(char *text, struct shape *shape) {
    shape->rank = 0;
    for (char *at = text; at != NULL;) {
        char *next = strchr(at, 'x');
        if (next != NULL) {
            *next++ = '\0';
        }
        uint64_t dim;
        /* Engines count dimensions in 32 bits. */
        if (shape->rank == MAX_RANK || !parse_unsigned(at, INT32_MAX, &dim) || dim == 0) {
            return false;
        }
        shape->dims[shape->rank++] = (size_t)dim;
        at = next;
    }
    size_t elements;
    return shape_elements(shape, &elements) && elements <= SIZE_MAX / 8;
}

static bool parse_type(const char *text, enum element_type *type) {
    for (int i = TYPE_FLOAT32; i < TYPE_OTHER; i++) {
        if (strcmp(text, type_name((enum element_type)i)) == 0) {
            *type = (enum element_type)i;
            return true;
        }
    }
    return false;
}

static bool parse_fields(char *field[6], bool may_be_any, struct tensor_spec *spec) {
    int64_t zero;
    spec->any_shape = may_be_any && strcmp(field[0], "-") == 0;
    if (!(spec->any_shape || parse_shape(field[0], &spec->shape)) ||
        !parse_type(field[1], &spec->type) || !parse_real(field[2], &spec->low) ||
        !parse_real(field[3], &spec->high) || !parse_real(field[4], &spec->scale) ||
        !parse_integer(field[5], INT32_MIN, INT32_MAX, &zero)) {
        return false;
    }
    spec->zero = (int32_t)zero;
    double range = spec->high - spec->low;
    bool quantised = spec->scale > 0;
    return range != 0 && range - range == 0 && spec->scale >= 0 &&
           (quantised ? spec->type != TYPE_FLOAT32 : spec->type != TYPE_INT8 && zero == 0);
}

bool tensor_spec_parse(const char *key, const char *text, bool may_be_any,
                       struct tensor_spec *spec, struct failure *failure) {
    char copy[256];
    char *field[6];
    size_t fields = 0;
    memset(spec, 0, sizeof *spec);
    if (strlen(text) < sizeof copy) {
        memcpy(copy, text, strlen(text) + 1);
        for (char *at = copy; at != NULL && fields < 7; fields++) {
            if (fields < 6) {
                field[fields] = at;
            }
            at = strchr(at, ':');
            if (at != NULL) {
                *at++ = '\0';
            }
        }
    }
    if (fields != 6 || !parse_fields(field, may_be_any, spec)) {
        return fail(failure, FAILURE_USAGE,
                    "%s=%s is not SHAPE:TYPE:LOW:HIGH:SCALE:ZERO with float32 (scale 0), "
                    "uint8 or int8 (scale above 0) and LOW other than HIGH",
                    key, text);
    }
    return true;
}
