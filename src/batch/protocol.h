/* What supervisor and worker both spell: timings on the wire. */
#ifndef MT_PROTOCOL_H
#define MT_PROTOCOL_H

#include <microtome/pipeline.h>

#include <jansson.h>

/* One line; takes the reference.  False when the other end is gone, or `object` is NULL (text that is not UTF-8). */
bool    mt_protocol_write(int fd, json_t *object);
json_t *mt_protocol_timings_to_json(const mt_timings *timings);
void    mt_protocol_timings_from_json(const json_t *object, mt_timings *timings);

#endif
