/* STOW-RS by libcurl. */
#include "src/export/dicom_stow.h"

#include "src/base/limits.h"
#include "src/export/dicom_stow_answer.h"

#include <curl/curl.h>
#include <math.h>
#include <string.h>

#define SLOWEST_BYTES_PER_S 16384 /* a way that is slower than this for a whole object is broken */

struct mt_dicom_stow {
    CURL                 *curl;
    const mt_send_params *params;
    char                 *url;
    struct curl_slist    *headers;
    GString              *body; /* of the last answer */
    char                  message[CURL_ERROR_SIZE];
};

static bool check_url(const char *url, GError **error)
{
    bool             http = g_str_has_prefix(url, "http://") || g_str_has_prefix(url, "https://");
    g_autofree char *host = http ? g_strdup(strstr(url, "://") + 3) : NULL;

    if (host != NULL)
        host[strcspn(host, "/")] = '\0';
    if (host == NULL || *host == '\0' || strpbrk(url, " \t?#") != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "--stow: the http or https URL of a DICOMweb service is wanted, as https://pacs/dicom-web");
        return false;
    }
    if (strchr(host, '@') == NULL)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--stow: no user or password in the URL, where others see it; use --user");
    return false;
}

static size_t take_body(char *data, size_t size, size_t n, void *user)
{
    mt_dicom_stow *stow = user;

    if (stow->body->len + size * n > (gsize)MT_LIMIT_JSON_BYTES)
        return 0;
    g_string_append_len(stow->body, data, (gssize)(size * n));
    return size * n;
}

static int look_for_stop(void *user, curl_off_t to_load, curl_off_t loaded, curl_off_t to_send, curl_off_t sent)
{
    const mt_dicom_stow *stow = user;

    (void)to_load, (void)loaded, (void)to_send, (void)sent;
    return stow->params->stop != NULL && *stow->params->stop;
}

static void set_options(mt_dicom_stow *stow)
{
    const mt_send_params *p = stow->params;
    CURL                 *c = stow->curl;

    curl_easy_setopt(c, CURLOPT_URL, stow->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, stow->message);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, stow->headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "microtome/" MT_VERSION);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)ceil(p->timeout_s * 1000));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, stow);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, look_for_stop);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, stow);
    if (p->ca_file != NULL)
        curl_easy_setopt(c, CURLOPT_CAINFO, p->ca_file);
    if (p->user != NULL) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, p->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, p->password != NULL ? p->password : "");
    }
}

mt_dicom_stow *mt_dicom_stow_new(const mt_send_params *params, GError **error)
{
    static gsize started = 0;

    if (!check_url(params->stow, error))
        return NULL;
    if (g_once_init_enter(&started)) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        g_once_init_leave(&started, 1);
    }
    mt_dicom_stow   *stow = g_new0(mt_dicom_stow, 1);
    g_autofree char *base = g_strdup(params->stow);
    while (g_str_has_suffix(base, "/"))
        base[strlen(base) - 1] = '\0';
    stow->params = params;
    stow->curl = curl_easy_init();
    stow->url = g_str_has_suffix(base, "/studies") ? g_strdup(base) : g_strconcat(base, "/studies", NULL);
    stow->body = g_string_new(NULL);
    stow->headers = curl_slist_append(NULL, "Content-Type: multipart/related; type=\"application/dicom\"");
    stow->headers = curl_slist_append(stow->headers, "Accept: application/dicom+json");
    stow->headers = curl_slist_append(stow->headers, "Expect:");
    if (stow->curl == NULL) {
        mt_dicom_stow_free(stow);
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "libcurl does not start");
        return NULL;
    }
    set_options(stow);
    return stow;
}

void mt_dicom_stow_free(mt_dicom_stow *stow)
{
    if (stow == NULL)
        return;
    curl_easy_cleanup(stow->curl);
    curl_slist_free_all(stow->headers);
    g_string_free(stow->body, TRUE);
    g_free(stow->url);
    g_free(stow);
}

/* Certificates are a matter of settings; all else of the way may pass. */
static void judge_failure(const mt_dicom_stow *stow, CURLcode code, mt_dicom_answer *answer)
{
    const char *words = *stow->message != '\0' ? stow->message : curl_easy_strerror(code);
    bool        tls = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR;

    if (tls)
        mt_dicom_answer_set(answer, MT_DICOM_CLOSED, "%s (--ca names the authority to believe)", words);
    else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        mt_dicom_answer_set(answer, MT_DICOM_CLOSED, "%s", words);
    else
        mt_dicom_answer_set(answer, MT_DICOM_LATER, "%s", words);
}

void mt_dicom_stow_send(mt_dicom_stow *stow, const mt_dicom_outgoing *object, mt_dicom_answer *answer)
{
    curl_mime     *mime = curl_mime_init(stow->curl);
    curl_mimepart *part = curl_mime_addpart(mime);
    double         limit_s = stow->params->timeout_s + (double)object->bytes / SLOWEST_BYTES_PER_S;
    long           http = 0;

    g_string_truncate(stow->body, 0);
    *stow->message = '\0';
    CURLcode code = curl_mime_filedata(part, object->path);
    curl_mime_filename(part, NULL); /* file names stay here */
    curl_mime_type(part, "application/dicom");
    curl_easy_setopt(stow->curl, CURLOPT_MIMEPOST, mime);
    curl_easy_setopt(stow->curl, CURLOPT_LOW_SPEED_TIME,
                     (long)ceil(stow->params->timeout_s + (double)object->bytes / MT_DICOM_STORING_BYTES_PER_S));
    curl_easy_setopt(stow->curl, CURLOPT_TIMEOUT_MS, (long)MIN(limit_s * 1000, 86400e3));
    if (code == CURLE_OK)
        code = curl_easy_perform(stow->curl);
    if (code == CURLE_OK) {
        curl_easy_getinfo(stow->curl, CURLINFO_RESPONSE_CODE, &http);
        mt_dicom_stow_judge(http, stow->body->str, object->sop_instance, answer);
    } else {
        judge_failure(stow, code, answer);
    }
    curl_easy_setopt(stow->curl, CURLOPT_MIMEPOST, NULL);
    curl_mime_free(mime);
}
