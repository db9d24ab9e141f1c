/* HTTP codes, and the lists of stored and failed objects of a STOW-RS answer. */
#include "src/export/dicom_stow_answer.h"

#include <jansson.h>
#include <string.h>

#define FAILED_SEQUENCE "00081198"
#define REFERENCED_SEQUENCE "00081199"
#define REFERENCED_INSTANCE "00081155"
#define FAILURE_REASON "00081197"
#define WARNING_REASON "00081196"

static json_t *first_value(json_t *item, const char *tag)
{
    return json_array_get(json_object_get(json_object_get(item, tag), "Value"), 0);
}

/* The item of the sequence that names the object; NULL: none. */
static json_t *item_of(json_t *root, const char *sequence, const char *sop_instance)
{
    json_t *items = json_object_get(json_object_get(root, sequence), "Value"), *item;
    size_t  i;

    json_array_foreach(items, i, item)
    {
        const char *uid = json_string_value(first_value(item, REFERENCED_INSTANCE));
        if (uid != NULL && strcmp(uid, sop_instance) == 0)
            return item;
    }
    return NULL;
}

/* A number, or a string of one, as some servers write it; -1: none. */
static long number_of(json_t *value)
{
    const char *text = json_string_value(value);
    double      number = json_is_number(value) ? json_number_value(value) : text != NULL ? g_ascii_strtod(text, NULL) : -1;

    return number >= 0 && number <= 0xffff ? (long)number : -1;
}

static bool judge_json(const char *body, const char *sop_instance, mt_dicom_answer *answer)
{
    json_t *root = json_loads(body, 0, NULL), *set = json_is_array(root) ? json_array_get(root, 0) : root;
    json_t *stored = item_of(set, REFERENCED_SEQUENCE, sop_instance), *failed = item_of(set, FAILED_SEQUENCE, sop_instance);

    if (failed != NULL) {
        long reason = number_of(first_value(failed, FAILURE_REASON));
        if (reason > 0 && reason <= 0xffff)
            mt_dicom_answer_status(answer, (unsigned)reason);
        else
            mt_dicom_answer_set(answer, MT_DICOM_DOUBTED, "named as failed, without a reason");
    } else if (stored != NULL) {
        long warning = number_of(first_value(stored, WARNING_REASON));
        mt_dicom_answer_status(answer, warning > 0 && warning <= 0xffff && (warning & 0xf000) == 0xb000 ? (unsigned)warning : 0);
    }
    json_decref(root);
    return stored != NULL || failed != NULL;
}

/* Of the native DICOM model: the sequence of the stored ones holds the UID. */
static bool judge_xml(const char *body, const char *sop_instance, mt_dicom_answer *answer)
{
    g_autofree char *value = g_strdup_printf(">%s<", sop_instance);
    const char      *stored = strstr(body, "\"" REFERENCED_SEQUENCE "\""), *failed = strstr(body, "\"" FAILED_SEQUENCE "\"");
    const char      *named = strstr(body, value);

    if (named == NULL || (stored == NULL && failed == NULL))
        return false;
    bool in_failed = failed != NULL && named > failed && (stored == NULL || stored < failed || named < stored);
    if (in_failed)
        mt_dicom_answer_set(answer, MT_DICOM_DOUBTED, "named as failed");
    else
        mt_dicom_answer_status(answer, 0);
    return true;
}

static void judge_code(long http, mt_dicom_answer *answer)
{
    if (http == 401 || http == 403)
        mt_dicom_answer_set(answer, MT_DICOM_CLOSED, "HTTP %ld: the receiver wants another user or password (--user)", http);
    else if (http == 404 || http == 405 || (http >= 300 && http < 400))
        mt_dicom_answer_set(answer, MT_DICOM_CLOSED, "HTTP %ld: no STOW-RS service is at this URL", http);
    else if (http == 408 || http == 425 || http == 429 || http == 507 || http >= 500)
        mt_dicom_answer_set(answer, MT_DICOM_LATER, "HTTP %ld from the receiver", http);
    else if (http == 413)
        mt_dicom_answer_set(answer, MT_DICOM_REFUSED, "HTTP 413: the object is larger than the receiver takes");
    else if (http == 415 || http == 406)
        mt_dicom_answer_set(answer, MT_DICOM_REFUSED, "HTTP %ld: the receiver does not take this kind of object or answer", http);
    else if (http == 400 || http == 409 || http == 422)
        mt_dicom_answer_set(answer, MT_DICOM_REFUSED, "HTTP %ld: the receiver refuses the object", http);
    else
        mt_dicom_answer_set(answer, MT_DICOM_DOUBTED, "HTTP %ld without a list that names the object as stored", http);
}

void mt_dicom_stow_judge(long http, const char *body, const char *sop_instance, mt_dicom_answer *answer)
{
    bool listed = http == 200 || http == 202 || http == 409;

    if (!listed || (!judge_json(body, sop_instance, answer) && !judge_xml(body, sop_instance, answer)))
        judge_code(http, answer);
}
