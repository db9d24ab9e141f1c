/* What a case cost, as JSON: between processes, in logs and in answers. */
#ifndef MT_TIMINGS_H
#define MT_TIMINGS_H

#include <microtome/pipeline.h>

#include <jansson.h>

json_t *mt_timings_to_json(const mt_timings *timings);
void    mt_timings_from_json(const json_t *object, mt_timings *timings);

#endif
