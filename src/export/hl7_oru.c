/* One HL7 v2.5.1 message ORU^R01 a case: MSH, PID, OBR, NTE, OBX; segments end with a carriage return. */
#include "src/base/decimal.h"
#include "src/base/publish.h"
#include "src/export/report_items.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

typedef struct message {
    GString    *text;
    const char *made; /* YYYYMMDDHHMMSS+ZZZZ, of the result */
    int         observations;
} message;

/* Text with the delimiters escaped (2.7.1 of the standard); line ends are spaces. */
static void append_escaped(GString *out, const char *text)
{
    static const char delimiters[] = "|^&~\\", letters[] = "FSTRE";

    for (const char *c = text != NULL ? text : ""; *c != '\0'; c++) {
        const char *d = strchr(delimiters, *c);
        if (d != NULL)
            g_string_append_printf(out, "\\%c\\", letters[d - delimiters]);
        else
            g_string_append_c(out, (guchar)*c < ' ' || *c == 0x7f ? ' ' : *c);
    }
}

static char *escaped(const char *text)
{
    GString *out = g_string_new(NULL);

    append_escaped(out, text);
    return g_string_free(out, FALSE);
}

/* The first group of a DICOM name, Family^Given^Middle^Prefix^Suffix, as XPN has it: suffix before prefix.  Unknown: name type U. */
static char *person_name(const char *dicom)
{
    g_autofree char *first = g_strdup(dicom != NULL ? dicom : "");

    first[strcspn(first, "=")] = '\0';
    g_auto(GStrv) parts = g_strsplit(first, "^", 5);
    static const int order[] = {0, 1, 2, 4, 3};
    GString         *name = g_string_new(NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        if (i > 0)
            g_string_append_c(name, '^');
        if ((guint)order[i] < g_strv_length(parts))
            append_escaped(name, parts[order[i]]);
    }
    while (name->len > 0 && name->str[name->len - 1] == '^')
        g_string_truncate(name, name->len - 1);
    if (name->len == 0)
        g_string_append(name, "^^^^^^U");
    return g_string_free(name, FALSE);
}

static void append_header(message *m, const mt_handover_case *c)
{
    g_autofree char *control = mt_handover_uid(c, "message");

    /* MSH-10 takes 20 characters, MSH-18 names the character set */
    g_string_append_printf(m->text, "MSH|^~\\&|MICROTOME||||%s||ORU^R01^ORU_R01|%.20s|P|2.5.1||||||UNICODE UTF-8\r", m->made,
                           control + strlen("2.25."));
}

static void append_patient(message *m, const mt_dicom_identity *who)
{
    g_autofree char *id = escaped(who->patient_id), *issuer = escaped(who->patient_id_issuer), *name = person_name(who->patient_name);
    g_autofree char *born = escaped(who->birth_date), *sex = escaped(who->sex);

    g_string_append_printf(m->text, "PID|1||%s%s%s||%s||%s|%s\r", id, *issuer != '\0' ? "^^^" : "", issuer, name, born, sex);
}

/* DICOM's date and time as HL7 writes them: no fractions. */
static char *study_time(const mt_dicom_identity *who)
{
    const char *time = who->study_date != NULL && who->study_time != NULL ? who->study_time : "";
    size_t      digits = strspn(time, "0123456789");

    return g_strdup_printf("%s%.*s", who->study_date != NULL ? who->study_date : "", (int)(digits >= 6 ? 6 : digits >= 4 ? 4 : 0), time);
}

static void append_order(message *m, const mt_handover_case *c, const mt_report_items *report)
{
    g_autofree char *accession = escaped(c->identity->accession), *id = escaped(c->id), *when = study_time(c->identity);
    const char      *service = report->pathology ? "11526-1^Pathology study^LN" : "18748-4^Diagnostic imaging study^LN";

    /* OBR-3 filler number, 4 service, 7 time of the study, 18 placer's field, 22 time of the result, 24 section, 25 preliminary */
    g_string_append_printf(m->text, "OBR|1|%s|%s|%s|||%s|||||||||||%s||||%s||%s|P\r", accession, *accession != '\0' ? accession : id,
                           service, when, accession, m->made, report->pathology ? "SP" : "RAD");
    g_autofree char *note = escaped(report->research);
    g_string_append_printf(m->text, "NTE|1|L|%s\r", note);
}

/* `value` and `units` stand as they are.  OBX-8 H: a score that reaches its threshold; OBX-18: who observed. */
static void append_observation(message *m, const char *type, const char *key, const char *name, const char *value, const char *units,
                               double threshold, bool above)
{
    g_autofree char *words = escaped(name);
    char             digits[MT_DECIMAL_BYTES] = "";
    const char      *flag = isfinite(threshold) ? above ? "H" : "N" : "";

    if (isfinite(threshold))
        mt_decimal_text(threshold, digits);
    g_string_append_printf(m->text, "OBX|%d|%s|%s^%s^L||%s|%s|%s%s|%s|||P|||%s||||MICROTOME^" MT_VERSION "\r", ++m->observations, type, key,
                           words, value, units, *digits != '\0' ? "<" : "", digits, flag, m->made);
}

static void append_item(message *m, const mt_report_item *item)
{
    char digits[MT_DECIMAL_BYTES];

    if (item->text != NULL) {
        g_autofree char *text = escaped(item->text);
        append_observation(m, "TX", item->key, item->name, text, "", NAN, false);
        return;
    }
    g_autofree char *unit = escaped(item->unit), *units = g_strconcat(unit, "^", unit, "^UCUM", NULL);
    append_observation(m, "NM", item->key, item->name, mt_decimal_text(item->value, digits), units, item->threshold,
                       item->value >= item->threshold);
}

/* Of the result's file: the same result gives the same bytes. */
static char *time_made(const mt_handover_case *c)
{
    GStatBuf about = {0};
    g_autoptr(GDateTime) made = g_stat(mt_result_path(c->result), &about) == 0 ? g_date_time_new_from_unix_utc(about.st_mtime) : NULL;

    return made != NULL ? g_date_time_format(made, "%Y%m%d%H%M%S+0000") : g_strdup("19700101000000+0000");
}

bool mt_hl7_oru_write(const mt_handover_case *c, const char *path, GError **error)
{
    g_autoptr(mt_report_items) report = mt_report_check_patient(c, error) ? mt_report_items_new(c, error) : NULL;
    g_autofree char *made = time_made(c);

    if (report == NULL)
        return false;
    g_autoptr(GString) text = g_string_new(NULL);
    message m = {.text = text, .made = made};
    append_header(&m, c);
    append_patient(&m, c->identity);
    append_order(&m, c, report);
    if (c->identity->study_uid != NULL)
        append_observation(&m, "TX", "study_uid", "DICOM study", c->identity->study_uid, "", NAN, false);
    for (int i = 0; i < report->n; i++)
        append_item(&m, &report->items[i]);
    g_autofree char *base64 = g_base64_encode((const guchar *)report->words, strlen(report->words));
    g_autofree char *data = g_strconcat("MICROTOME^TEXT^PLAIN^Base64^", base64, NULL);
    append_observation(&m, "ED", "report", "the case in words", data, "", NAN, false);
    return mt_publish_text(path, text->str, c->replace, error);
}
