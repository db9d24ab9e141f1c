/* Which output of an ONNX head is what. */
#ifndef MT_ONNX_PORTS_H
#define MT_ONNX_PORTS_H

#include <microtome/head.h>

/* An output bound to `n` tiles. */
typedef enum mt_port_form {
    MT_PORT_OTHER,
    MT_PORT_VECTOR,        /* `width` values for the slide */
    MT_PORT_TILES,         /* (n, width) with ones around */
    MT_PORT_TILES_FLIPPED, /* (width, n) */
} mt_port_form;

typedef struct mt_port_role {
    const char  *name;
    mt_port_form form;
    int64_t      width;
} mt_port_role;

typedef struct mt_head_ports {
    int  logits, attention, embedding; /* indices, -1: none */
    bool probabilities;                /* the logits output gives probabilities */
} mt_head_ports;

mt_port_role mt_port_role_of(const mt_port *port, int64_t n);
/* Choose among n_roles outputs.  MT_ERROR_MODEL with the candidates' names when nothing or too much fits. */
bool mt_head_ports_choose(const mt_port_role *roles, int n_roles, const mt_head_card *card, mt_head_ports *ports, GError **error);

#endif
