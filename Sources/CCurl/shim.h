/* libcurl for Swift: its setopt and getinfo calls are variadic, which Swift cannot call, so each form that is used has a
 * typed inline function here. CURL_STRICTER makes CURL and CURLM distinct opaque types. */
#ifndef CCURL_SHIM_H
#define CCURL_SHIM_H
#define CURL_STRICTER 1
#define CURL_DISABLE_TYPECHECK 1
#include <curl/curl.h>

typedef size_t (*curl_shim_data)(char *, size_t, size_t, void *);
typedef int (*curl_shim_close)(void *, curl_socket_t);
typedef curl_socket_t (*curl_shim_open)(void *, curlsocktype, struct curl_sockaddr *);
typedef int (*curl_shim_ready)(void *, char *, char *, int, int);
typedef int (*curl_shim_socket)(CURL *, curl_socket_t, int, void *, void *);
typedef int (*curl_shim_timer)(CURLM *, long, void *);

static inline CURLcode curl_shim_long(CURL *c, CURLoption o, long v) { return curl_easy_setopt(c, o, v); }
static inline CURLcode curl_shim_off(CURL *c, CURLoption o, curl_off_t v) { return curl_easy_setopt(c, o, v); }
static inline CURLcode curl_shim_text(CURL *c, CURLoption o, const char *v) { return curl_easy_setopt(c, o, v); }
static inline CURLcode curl_shim_pointer(CURL *c, CURLoption o, const void *v) { return curl_easy_setopt(c, o, v); }
static inline CURLcode curl_shim_list(CURL *c, CURLoption o, struct curl_slist *v) { return curl_easy_setopt(c, o, v); }
static inline CURLcode curl_shim_on_body(CURL *c, curl_shim_data f, void *u) {
  curl_easy_setopt(c, CURLOPT_WRITEDATA, u);
  return curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, f);
}
static inline CURLcode curl_shim_on_header(CURL *c, curl_shim_data f, void *u) {
  curl_easy_setopt(c, CURLOPT_HEADERDATA, u);
  return curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, f);
}
static inline CURLcode curl_shim_on_read(CURL *c, curl_shim_data f, void *u) {
  curl_easy_setopt(c, CURLOPT_READDATA, u);
  return curl_easy_setopt(c, CURLOPT_READFUNCTION, f);
}
static inline CURLcode curl_shim_on_close(CURL *c, curl_shim_close f, void *u) {
  curl_easy_setopt(c, CURLOPT_CLOSESOCKETDATA, u);
  return curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, f);
}
static inline CURLcode curl_shim_on_open(CURL *c, curl_shim_open f, void *u) {
  curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, u);
  return curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, f);
}
static inline CURLcode curl_shim_on_ready(CURL *c, curl_shim_ready f, void *u) {
  curl_easy_setopt(c, CURLOPT_PREREQDATA, u);
  return curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, f);
}
static inline CURLcode curl_shim_get_long(CURL *c, CURLINFO i, long *v) { return curl_easy_getinfo(c, i, v); }
static inline CURLcode curl_shim_get_off(CURL *c, CURLINFO i, curl_off_t *v) { return curl_easy_getinfo(c, i, v); }
static inline CURLcode curl_shim_get_pointer(CURL *c, CURLINFO i, void **v) { return curl_easy_getinfo(c, i, v); }
static inline CURLMcode curl_shim_multi_sockets(CURLM *m, curl_shim_socket f, void *u) {
  curl_multi_setopt(m, CURLMOPT_SOCKETDATA, u);
  return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, f);
}
static inline CURLMcode curl_shim_multi_timer(CURLM *m, curl_shim_timer f, void *u) {
  curl_multi_setopt(m, CURLMOPT_TIMERDATA, u);
  return curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, f);
}
static inline CURLMcode curl_shim_multi_long(CURLM *m, CURLMoption o, long v) { return curl_multi_setopt(m, o, v); }
static inline CURLcode curl_shim_result(const CURLMsg *m) { return m->data.result; }
static const size_t curl_shim_pause = CURL_WRITEFUNC_PAUSE;
static const size_t curl_shim_read_pause = CURL_READFUNC_PAUSE;
static const size_t curl_shim_read_abort = CURL_READFUNC_ABORT;
static const curl_socket_t curl_shim_bad_socket = CURL_SOCKET_BAD;
#endif
