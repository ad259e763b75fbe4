// Closed-loop load for POST /v1/chat/completions over HTTP/1.1 keep-alive connections: every connection sends its next
// request when the last one has been answered in full. One thread, two system calls per request besides epoll_wait, and
// every answer is checked: status 200, framing, length, and for streams each event and the [DONE] at the end.
//
//   load requests --port N --body FILE [--connections 64] [--seconds 2] [--warm-up 0.2] [--header "Name: value"]...
//                 [--answer-bytes MIN[-MAX]]
//   load streams  ... --chunks N     events expected per stream, each with its send time as "@ns:<CLOCK_MONOTONIC>"
//
// Prints one JSON object. Exits with 1 when an answer was wrong or missing; stderr then shows the first wrong one.
// Counts ("requests", "events") are for the whole run, for the proxy's CPU time is read over the whole run too;
// latencies and rates leave the warm-up out.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kHeadSize = 8 * 1024, kEventSize = 8 * 1024, kReadSize = 64 * 1024, kEventsPerWait = 256 };
static const uint64_t kSecond = 1000000000u;
static const uint64_t kDrainTime = 5000000000u;  // an answer that takes longer than this counts as missing

typedef enum { kIdle, kHead, kCountedBody, kChunkSize, kChunkData, kChunkEnd, kTrailer } State;

typedef struct {
    int fd;
    State state;
    bool close_after, saw_done;
    uint64_t sent_at, last_event_at;
    bool got_byte;
    size_t body_left;    // of the body (kCountedBody) or of the chunk (kChunkData)
    size_t body_length;  // decoded so far
    size_t line_length;  // kChunkEnd, kTrailer: characters of the current line so far
    long events;
    size_t head_length, event_length;
    char head[kHeadSize];
    char event[kEventSize];
} Connection;

typedef struct {
    uint32_t *values;  // in tenths of a microsecond
    size_t count, capacity;
} Samples;

static struct {
    bool streams;
    uint16_t port;
    int connections;
    double seconds, warm_up;
    long chunks;
    size_t least_body, most_body;
    char *request;
    size_t request_length;
} settings = {.connections = 64, .seconds = 2, .warm_up = 0.2, .most_body = SIZE_MAX};

static struct {
    unsigned long long requests, events, reconnects, broken, measured_requests, measured_events;
    Samples answer, first_byte, event, gap;
} results;

static int poller, outstanding;
static bool stopping;
static uint64_t measure_from;

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * kSecond + (uint64_t)time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void record(Samples *samples, uint64_t nanoseconds) {
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 1 << 16;
        samples->values = realloc(samples->values, samples->capacity * sizeof *samples->values);
        if (!samples->values) abort();
    }
    uint64_t tenths = nanoseconds / 100;
    samples->values[samples->count++] = tenths > UINT32_MAX ? UINT32_MAX : (uint32_t)tenths;
}

static void start_request(Connection *connection);

static void open_connection(Connection *connection) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(settings.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address))
        fail("load: connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event)) fail("load: epoll_ctl");
    connection->state = kIdle;
}

static void reopen(Connection *connection) {
    if (connection->state != kIdle) outstanding--;
    close(connection->fd);
    open_connection(connection);
}

static void broken(Connection *connection, const char *why) {
    if (results.broken++ == 0)
        fprintf(stderr, "load: wrong answer: %s; it began: %.*s\n", why, (int)connection->head_length,
                connection->head);
    reopen(connection);
    if (!stopping && results.broken < 100) start_request(connection);
}

static void start_request(Connection *connection) {
    connection->state = kHead;
    connection->head_length = connection->event_length = connection->body_length = 0;
    connection->events = 0;
    connection->got_byte = connection->saw_done = connection->close_after = false;
    outstanding++;
    connection->sent_at = now_ns();
    // The last request has been answered, so the socket's buffer is empty and takes this one whole.
    ssize_t sent = send(connection->fd, settings.request, settings.request_length, MSG_NOSIGNAL);
    if (sent == (ssize_t)settings.request_length) return;
    if (sent >= 0) fail("load: request does not fit the socket buffer");
    if (errno != EPIPE && errno != ECONNRESET) fail("load: send");
    // The server closed the idle connection in the same moment: allowed, but worth knowing.
    results.reconnects++;
    reopen(connection);
    start_request(connection);
}

static bool finish_answer(Connection *connection, uint64_t now) {
    const char *wrong = NULL;
    if (settings.streams) {
        if (connection->events != settings.chunks) wrong = "number of events";
        if (!connection->saw_done || connection->event_length) wrong = "stream without [DONE] at its end";
    } else if (connection->body_length < settings.least_body || connection->body_length > settings.most_body) {
        wrong = "body length";
    }
    if (wrong) {
        broken(connection, wrong);
        return false;
    }
    results.requests++;
    if (now >= measure_from && !stopping) {
        results.measured_requests++;
        record(&results.answer, now - connection->sent_at);
    }
    outstanding--;
    connection->state = kIdle;
    if (connection->close_after) {
        results.reconnects++;
        reopen(connection);
    }
    if (!stopping) start_request(connection);
    return true;
}

static bool take_event(Connection *connection, const char *event, size_t length, uint64_t now) {
    static const char mark[] = "@ns:";
    if (length < 6 || memcmp(event, "data: ", 6) || connection->saw_done) return false;
    if (length >= 12 && !memcmp(event + 6, "[DONE]", 6)) {
        connection->saw_done = true;
        return true;
    }
    static const char results_mark[] = "data: {\"hook_results\":";  // what a gateway's guards have to say
    if (length >= sizeof results_mark && !memcmp(event, results_mark, sizeof results_mark - 1)) return true;
    const char *sent = memmem(event, length, mark, sizeof mark - 1);
    if (!sent || connection->events == settings.chunks) return false;
    uint64_t sent_at = 0;
    for (const char *letter = sent + sizeof mark - 1; letter < event + length && *letter >= 'a' && *letter <= 'p'; letter++)
        sent_at = sent_at << 4 | (uint64_t)(*letter - 'a');
    if (!sent_at || sent_at > now) return false;
    results.events++;
    if (now >= measure_from) {
        results.measured_events++;
        record(&results.event, now - sent_at);
        if (connection->events > 0) record(&results.gap, now - connection->last_event_at);
    }
    connection->last_event_at = now;
    connection->events++;
    return true;
}

// Decoded body bytes. For streams they are cut into events at the blank lines.
static bool take_body(Connection *connection, const char *bytes, size_t length, uint64_t now) {
    connection->body_length += length;
    if (!settings.streams) return true;
    if (connection->event_length + length > kEventSize) return false;
    memcpy(connection->event + connection->event_length, bytes, length);
    connection->event_length += length;
    char *start = connection->event, *end = start + connection->event_length;
    for (char *blank; (blank = memmem(start, (size_t)(end - start), "\n\n", 2)); start = blank + 2)
        if (!take_event(connection, start, (size_t)(blank - start), now)) return false;
    connection->event_length = (size_t)(end - start);
    if (start != connection->event) memmove(connection->event, start, connection->event_length);
    return true;
}

// Decides from the head how the body is framed. NULL, or what is wrong.
static const char *take_head(Connection *connection, char *end) {
    bool chunked = false, counted = false;
    if (strncmp(connection->head, "HTTP/1.1 200 ", 13)) return "status";
    for (char *line = memchr(connection->head, '\n', kHeadSize) + 1; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline) break;
        if (!strncasecmp(line, "content-length:", 15)) {
            counted = true;
            connection->body_left = strtoul(line + 15, NULL, 10);
        } else if (!strncasecmp(line, "transfer-encoding: chunked", 26)) {
            chunked = true;
        } else if (!strncasecmp(line, "connection: close", 17)) {
            connection->close_after = true;
        }
        line = newline + 1;
    }
    if (chunked == counted) return "neither Content-Length nor chunked, or both";
    connection->state = chunked ? kChunkSize : kCountedBody;
    if (chunked) connection->body_left = connection->line_length = 0;
    return NULL;
}

static int hex_digit(char character) {
    if (character >= '0' && character <= '9') return character - '0';
    character |= 0x20;
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

// Takes what was received; the answer may end anywhere in it, or not at all.
static void take_bytes(Connection *connection, const char *bytes, size_t length, uint64_t now) {
    if (!connection->got_byte) {
        connection->got_byte = true;
        if (now >= measure_from) record(&results.first_byte, now - connection->sent_at);
    }
    const char *end = bytes + length;
    while (bytes < end) {
        switch (connection->state) {
            case kIdle:
                return broken(connection, "bytes after the answer");
            case kHead: {
                size_t room = kHeadSize - connection->head_length, before = connection->head_length;
                size_t taken = (size_t)(end - bytes) < room ? (size_t)(end - bytes) : room;
                memcpy(connection->head + before, bytes, taken);
                connection->head_length += taken;
                char *blank = memmem(connection->head, connection->head_length, "\r\n\r\n", 4);
                if (!blank) {
                    if (connection->head_length == kHeadSize) return broken(connection, "head too long");
                    return;
                }
                bytes += (size_t)(blank + 4 - connection->head) - before;
                const char *wrong = take_head(connection, blank + 2);
                if (wrong) return broken(connection, wrong);
                break;
            }
            case kCountedBody:
            case kChunkData: {
                size_t taken = (size_t)(end - bytes) < connection->body_left ? (size_t)(end - bytes)
                                                                              : connection->body_left;
                if (!take_body(connection, bytes, taken, now)) return broken(connection, "event");
                bytes += taken;
                connection->body_left -= taken;
                if (connection->state == kChunkData && connection->body_left == 0) connection->state = kChunkEnd;
                break;
            }
            case kChunkSize: {
                char character = *bytes++;
                int digit = hex_digit(character);
                if (digit >= 0) {
                    connection->body_left = connection->body_left * 16 + (size_t)digit;
                    connection->line_length++;
                } else if (character == '\n' && connection->line_length > 0) {
                    connection->line_length = 0;
                    connection->state = connection->body_left ? kChunkData : kTrailer;
                } else if (character != '\r') {
                    return broken(connection, "chunk size");
                }
                break;
            }
            case kChunkEnd: {
                char character = *bytes++;
                if (character == '\n')
                    connection->state = kChunkSize;
                else if (character != '\r')
                    return broken(connection, "end of chunk");
                break;
            }
            case kTrailer: {
                char character = *bytes++;
                if (character == '\n' && connection->line_length == 0) {
                    if (bytes != end) return broken(connection, "bytes after the answer");
                    finish_answer(connection, now);
                    return;
                }
                if (character == '\n')
                    connection->line_length = 0;
                else if (character != '\r')
                    connection->line_length++;
                break;
            }
        }
        if (connection->state == kCountedBody && connection->body_left == 0) {
            if (bytes != end) return broken(connection, "bytes after the answer");
            finish_answer(connection, now);
            return;
        }
    }
}

static void handle_readable(Connection *connection) {
    static char buffer[kReadSize];
    ssize_t received = recv(connection->fd, buffer, sizeof buffer, 0);
    if (received > 0) return take_bytes(connection, buffer, (size_t)received, now_ns());
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (connection->state != kIdle && connection->head_length + connection->body_length > 0)
        return broken(connection, "connection closed in the middle");
    if (connection->state != kIdle) return broken(connection, "connection closed without an answer");
    results.reconnects++;
    reopen(connection);
}

static void wait_and_handle(int timeout_ms) {
    struct epoll_event events[kEventsPerWait];
    int count = epoll_wait(poller, events, kEventsPerWait, timeout_ms);
    for (int i = 0; i < count; i++) handle_readable(events[i].data.ptr);
}

static int compare_samples(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static void print_samples(const char *name, Samples *samples) {
    size_t count = samples->count;
    uint32_t *values = samples->values;
    if (count == 0) return;
    qsort(values, count, sizeof *values, compare_samples);
    printf(",\"%s\":{\"count\":%zu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name, count, values[count / 2] / 10.0,
           values[(size_t)((double)(count - 1) * 0.99)] / 10.0, values[count - 1] / 10.0);
}

static void make_request(const char *body_file, const char *headers) {
    FILE *file = fopen(body_file, "rb");
    if (!file) fail(body_file);
    static char body[4 * 1024 * 1024];
    size_t length = fread(body, 1, sizeof body, file);
    fclose(file);
    settings.request = malloc(length + strlen(headers) + 1024);
    if (!settings.request) abort();
    int head = sprintf(settings.request,
                       "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: gatehouse-bench\r\n"
                       "Accept: */*\r\nAuthorization: Bearer sk-client-0123456789\r\n"
                       "Content-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
                       settings.port, headers, length);
    memcpy(settings.request + head, body, length);
    settings.request_length = (size_t)head + length;
}

static const char *read_options(int argc, char **argv, char *headers, size_t headers_size) {
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"body", required_argument, NULL, 'b'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"warm-up", required_argument, NULL, 'w'},
                                            {"header", required_argument, NULL, 'h'},
                                            {"answer-bytes", required_argument, NULL, 'a'},
                                            {"chunks", required_argument, NULL, 'n'},
                                            {0}};
    const char *body_file = NULL;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
            case 'p': settings.port = (uint16_t)atoi(optarg); break;
            case 'b': body_file = optarg; break;
            case 'c': settings.connections = atoi(optarg); break;
            case 's': settings.seconds = atof(optarg); break;
            case 'w': settings.warm_up = atof(optarg); break;
            case 'n': settings.chunks = atol(optarg); break;
            case 'a': {
                char *dash;
                settings.least_body = settings.most_body = strtoul(optarg, &dash, 10);
                if (*dash == '-') settings.most_body = strtoul(dash + 1, NULL, 10);
                break;
            }
            case 'h': {
                size_t used = strlen(headers);
                snprintf(headers + used, headers_size - used, "%s\r\n", optarg);
                break;
            }
            default: exit(2);
        }
    }
    return body_file;
}

int main(int argc, char **argv) {
    static char headers[4096];
    const char *body_file = read_options(argc, argv, headers, sizeof headers);
    const char *mode = optind < argc ? argv[optind] : "";
    settings.streams = !strcmp(mode, "streams");
    if (!body_file || !settings.port || settings.connections < 1 || (!settings.streams && strcmp(mode, "requests")) ||
        (settings.streams && settings.chunks < 1)) {
        fputs("usage: load requests|streams --port N --body FILE ... (see the head of load.c)\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    make_request(body_file, headers);
    poller = epoll_create1(EPOLL_CLOEXEC);
    Connection *connections = calloc((size_t)settings.connections, sizeof *connections);
    if (poller < 0 || !connections) fail("load");
    for (int i = 0; i < settings.connections; i++) open_connection(&connections[i]);

    uint64_t start = now_ns();
    measure_from = start + (uint64_t)(settings.warm_up * 1e9);
    uint64_t end = measure_from + (uint64_t)(settings.seconds * 1e9);
    for (int i = 0; i < settings.connections; i++) {
        start_request(&connections[i]);
        // Streams start spread over some milliseconds, or all their events would come in one burst, for ever.
        if (settings.streams && settings.connections > 1) {
            uint64_t next = start + (uint64_t)(i + 1) * 5000000u / (uint64_t)settings.connections;
            while (now_ns() < next) wait_and_handle(0);
        }
    }
    while (now_ns() < end && results.broken < 100) wait_and_handle(100);
    double measured_seconds = (double)(now_ns() - measure_from) / 1e9;

    // Requests are seen to their end, so that each that cost the proxy something is counted. Streams are cut.
    stopping = true;
    while (!settings.streams && outstanding > 0 && now_ns() < end + kDrainTime && results.broken < 100)
        wait_and_handle(100);
    if (!settings.streams && outstanding > 0 && results.broken == 0) {
        fprintf(stderr, "load: %d requests were not answered\n", outstanding);
        results.broken += (unsigned long long)outstanding;
    }

    printf("{\"requests\":%llu,\"events\":%llu,\"seconds\":%.4f,\"requests_per_second\":%.1f,"
           "\"events_per_second\":%.1f,\"reconnects\":%llu,\"broken\":%llu",
           results.requests, results.events, measured_seconds, (double)results.measured_requests / measured_seconds,
           (double)results.measured_events / measured_seconds, results.reconnects, results.broken);
    print_samples("answer_us", &results.answer);
    print_samples("first_byte_us", &results.first_byte);
    print_samples("event_us", &results.event);
    print_samples("gap_us", &results.gap);
    puts("}");
    return results.broken || results.measured_requests + results.measured_events == 0 ? 1 : 0;
}
