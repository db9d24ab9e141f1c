/* A session from the inside: a list of steps over buffers.  A backend appends both; the session plans the memory, runs the
 * steps in order and keeps their times. */
#ifndef MT_SESSION_PRIVATE_H
#define MT_SESSION_PRIVATE_H

#include <microtome/model.h>

#include "kernels/graph/compiled.h"
#include "kernels/graph/graph.h"

typedef struct mt_buffer mt_buffer;
typedef struct mt_step   mt_step;

typedef enum mt_buffer_kind {
    MT_BUFFER_ARENA,    /* lives between two steps, placed by the plan */
    MT_BUFFER_INPUT,    /* the caller's memory, another at each run */
    MT_BUFFER_CONSTANT, /* a tensor or packed weights, known from the start */
} mt_buffer_kind;

struct mt_buffer {
    mt_buffer_kind kind;
    size_t         bytes;
    int            input;       /* MT_BUFFER_INPUT: which */
    int            first, last; /* steps that touch it; first > last: none yet */
    mt_buffer     *shared;      /* in place: the buffer whose memory this one takes over */
    void          *data;        /* known after the plan; of an input: during a run */
};

/* One unit of work.  `bind` is called once all arena and constant buffers have their data. */
struct mt_step {
    const char *implementation; /* static, or of the library */
    char       *name;           /* of the node */
    void       *context;
    bool (*bind)(mt_step *step, mt_session *session, GError **error);
    bool (*run)(mt_step *step, mt_session *session, GError **error);
    void (*free)(void *context);
    size_t     scratch_bytes;         /* wanted from the session while it runs */
    GPtrArray *reads, *writes;        /* mt_buffer * */
    mt_buffer *reuse_from, *reuse_to; /* may compute in place: `to` takes the memory of `from` if that dies here */
    double     seconds;

    const mt_node *node;   /* being lowered when the step was made; NULL: for an output */
    const char    *reason; /* why nothing faster runs, NULL where it does */
    double         flop;
};

struct mt_session {
    mt_model    *model;
    mt_compiled *compiled; /* the model's; NULL on the reference backend */
    mt_graph    *graph;    /* own clone, bound and rewritten */
    mt_backend   backend;
    mt_precision precision;
    int          threads;
    bool         profile;
    mt_port     *outputs;
    int          n_inputs, n_outputs;
    double       flop;
    GPtrArray   *buffers; /* owned mt_buffer * */
    GPtrArray   *steps;   /* owned mt_step * */
    mt_buffer  **inputs;  /* one per graph input */
    mt_buffer  **results; /* one per graph output, row-major */
    size_t      *result_offsets;
    void        *arena, *scratch;
    size_t       arena_bytes, scratch_bytes;
    void        *backend_data; /* engine, descriptors, ... of the backend */
    void (*backend_free)(void *);
    int n_runs;

    const mt_node *lowering; /* the node that steps are being made for */
    GHashTable    *declined; /* node -> reason, interned */
};

/* A fresh arena buffer. */
mt_buffer *mt_session_buffer(mt_session *session, size_t bytes);
/* The buffer of bytes that outlive the session. */
mt_buffer *mt_session_constant(mt_session *session, const void *data, size_t bytes);
/* Appends a step that owns `context`. */
mt_step *mt_session_step(mt_session *session, const char *name, const char *implementation, void *context, void (*free_context)(void *));
void     mt_step_reads(mt_session *session, mt_step *step, mt_buffer *buffer);
void     mt_step_writes(mt_session *session, mt_step *step, mt_buffer *buffer);
/* Appends a step that runs `node` through its operator's definition, over row-major data; an entry is NULL where the node
 * has no such input or output.  Constant inputs are read from their tensors. */
bool mt_session_reference_step(mt_session *session, const mt_node *node, mt_buffer *const *inputs, const size_t *offsets,
                               mt_buffer *const *outputs, GError **error);

/* Why a better implementation does not take `node`; the last one said counts. */
void mt_session_decline(mt_session *session, const mt_node *node, const char *reason);
/* Gives each node's work to the step that does it; once all steps are there. */
void mt_session_note_work(mt_session *session);

/* The backends: fill steps, inputs, results. */
bool mt_reference_lower(mt_session *session, GError **error);
bool mt_onednn_lower(mt_session *session, GError **error); /* kernels/onednn/lowering.c */

#endif
