/* Where an object lies by the parts of the body that the same map shows: lobes of the lung, lobes of the liver, quadrants. */
#ifndef MT_OBJECT_PLACES_H
#define MT_OBJECT_PLACES_H

#include "src/result/objects.h"

typedef struct mt_object_place {
    int     label;       /* index into mt_objects.labels; its own objects are left as they are */
    uint8_t members[32]; /* values of the map that are it */
} mt_object_place;

/* The location of each mask or box becomes the name ("_" as a blank) of the place that holds most of the voxels in it and up to 5 mm (5 voxels
 * where lengths are unknown) round its box; else up to 20; else it stays what it was.  Of equal places the first. */
void mt_objects_place(mt_objects *objects, const uint8_t *map, const mt_object_place *places, int n);

#endif
