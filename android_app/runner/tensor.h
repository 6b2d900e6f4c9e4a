/* Tensors as the host describes them on the command line and as the engine reports them. */
#ifndef BOKEHBENCH_TENSOR_H
#define BOKEHBENCH_TENSOR_H

#include "failure.h"

enum {
    MAX_RANK = 8,
    MAX_TENSORS = 16,
    TENSOR_NAME = 128,
};

/* The three that images come in; the rest can be reported and never filled. */
enum element_type { TYPE_FLOAT32, TYPE_UINT8, TYPE_INT8, TYPE_OTHER };

struct shape {
    size_t rank;
    size_t dims[MAX_RANK];
};

/* SHAPE:TYPE:LOW:HIGH:SCALE:ZERO */
struct tensor_spec {
    bool any_shape; /* SHAPE was `-` */
    struct shape shape;
    enum element_type type;
    double low;   /* real value of image byte 0 */
    double high;  /* real value of image byte 255 */
    double scale; /* 0: not quantised */
    int32_t zero;
};

struct tensor_info {
    char name[TENSOR_NAME];
    struct shape shape;
    enum element_type type;
    const char *dtype; /* as events name it; types outside enum element_type too */
    bool has_quantisation; /* the two below hold what the engine says */
    double scale;
    int32_t zero;
    size_t elements;
    size_t size_bytes;
};

enum { SHAPE_TEXT = 176 }; /* eight numbers of twenty digits and the letters between */

const char *type_name(enum element_type type);
size_t type_size(enum element_type type); /* 0 for TYPE_OTHER */

/* Types as TFLite's C interface numbers them (TfLiteType), which LiteRT took over. */
const char *tflite_type_name(int32_t number);
enum element_type tflite_type(int32_t number);

bool shapes_equal(const struct shape *a, const struct shape *b);
void shape_text(const struct shape *shape, char text[SHAPE_TEXT]);
/* False when the product does not fit a size_t. */
bool shape_elements(const struct shape *shape, size_t *elements);

/* `key` names the argument in the message. */
bool tensor_spec_parse(const char *key, const char *text, bool may_be_any,
                       struct tensor_spec *spec, struct failure *failure);

#endif
