// A cheap upstream that answers like OpenAI's POST /v1/chat/completions: one thread, epoll, HTTP/1.1 keep-alive. It
// must cost far less than any gateway in front of it, so that what the benchmark sees is the gateway.
//
//   mock --port N [--answer-bytes 800] [--chunks 200] [--interval-us 5000]
//
//   POST /v1/chat/completions   a JSON answer of --answer-bytes; with "stream":true in the first kilobyte of the body,
//                               an SSE stream of --chunks events of about 200 bytes, --interval-us apart, then
//                               [DONE]. Each event carries its send time in the delta's content, as
//                               "@ns:" and CLOCK_MONOTONIC in sixteen letters.
//   GET /__stats                what was accepted, read and answered so far, as JSON
//   GET /__pace?chunks=N&interval_us=N   other stream parameters from the next stream on
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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

enum {
    kReadSize = 64 * 1024,
    kLargestRequest = 8 * 1024 * 1024,
    kStreamFlagWithin = 1024,  // where "stream" is looked for: scanning all of a 32 KB body would not be cheap
    kEventsPerWait = 256,
};

typedef struct Connection {
    int fd;
    char *input;
    size_t input_length, input_capacity;
    // While a stream is sent; the connection then hangs in the list of streams, which is sorted by `due`.
    bool streaming;
    long chunks_left;
    uint64_t interval_ns, due;
    struct Connection *previous, *next;
} Connection;

static struct {
    unsigned long long connections, requests, body_bytes, streams, open_streams, events, bad;
} stats;

static struct {
    long chunks;
    uint64_t interval_ns;
} pace = {200, 5000000};

static char *answer;  // head and body of the JSON answer, ready to send
static size_t answer_length;
static int poller;
static Connection streams = {.previous = &streams, .next = &streams};  // list head

static uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// Sorted insertion from the tail: with one common interval the first comparison already ends it.
static void schedule(Connection *connection) {
    Connection *after = streams.previous;
    stats.open_streams++;
    while (after != &streams && after->due > connection->due) after = after->previous;
    connection->previous = after;
    connection->next = after->next;
    after->next->previous = connection;
    after->next = connection;
}

static void unschedule(Connection *connection) {
    if (!connection->next) return;
    stats.open_streams--;
    connection->previous->next = connection->next;
    connection->next->previous = connection->previous;
    connection->previous = connection->next = NULL;
}

static void close_connection(Connection *connection) {
    unschedule(connection);
    close(connection->fd);
    free(connection->input);
    free(connection);
}

// What is sent here always fits a socket's buffer unless the reader has stalled. A reader that stalls makes the run
// worthless, so it is counted as bad rather than waited for.
static bool send_all(Connection *connection, const char *bytes, size_t length) {
    ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length) return true;
    if (sent >= 0 || errno == EAGAIN) stats.bad++;  // other errors: the peer has hung up, which it may
    return false;
}

static bool send_text(Connection *connection, const char *status, const char *text) {
    char out[1024];
    int length = snprintf(out, sizeof out,
                          "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status,
                          strlen(text), text);
    return send_all(connection, out, (size_t)length);
}

// A time in sixteen letters, "a" to "p" for each four bits: digits would be work for whoever looks for numbers of persons.
static const char *in_letters(uint64_t time, char letters[17]) {
    for (int index = 0; index < 16; index++) letters[index] = (char)('a' + (time >> (60 - 4 * index) & 15));
    letters[16] = 0;
    return letters;
}

// Appends one SSE event as one HTTP chunk to `out`; returns the length.
static size_t put_event(Connection *connection, char *out, size_t capacity) {
    char event[320], letters[17];
    bool last = --connection->chunks_left == 0;
    int length = snprintf(event, sizeof event,
                          "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
                          "\"created\":1717171717,\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,"
                          "\"delta\":{\"content\":\" @ns:%s\"},\"finish_reason\":%s}]}\n\n",
                          in_letters(now_ns(), letters), last ? "\"stop\"" : "null");
    stats.events++;
    return (size_t)snprintf(out, capacity, "%x\r\n%s\r\n%s", (unsigned)length, event,
                            last ? "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n" : "");
}

static bool start_stream(Connection *connection) {
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        "x-request-id: req_bench\r\nTransfer-Encoding: chunked\r\n\r\n";
    char out[1024];
    connection->streaming = true;
    connection->chunks_left = pace.chunks;
    connection->interval_ns = pace.interval_ns;
    stats.streams++;
    memcpy(out, head, sizeof head - 1);
    size_t length = sizeof head - 1;
    length += put_event(connection, out + length, sizeof out - length);
    connection->due = now_ns() + connection->interval_ns;
    if (connection->chunks_left > 0)
        schedule(connection);
    else
        connection->streaming = false;
    return send_all(connection, out, length);
}

static bool handle_control(Connection *connection, const char *target, size_t length) {
    char text[512], copy[256];
    if (length >= sizeof copy) length = sizeof copy - 1;
    memcpy(copy, target, length);
    copy[length] = 0;
    long chunks, interval_us;
    if (!strcmp(copy, "/__stats")) {
        snprintf(text, sizeof text,
                 "{\"connections\":%llu,\"requests\":%llu,\"body_bytes\":%llu,\"streams\":%llu,\"open_streams\":%llu,"
                 "\"events\":%llu,\"bad\":%llu}",
                 stats.connections, stats.requests, stats.body_bytes, stats.streams, stats.open_streams, stats.events,
                 stats.bad);
        return send_text(connection, "200 OK", text);
    }
    if (sscanf(copy, "/__pace?chunks=%ld&interval_us=%ld", &chunks, &interval_us) == 2 && chunks > 0 &&
        interval_us >= 0) {
        pace.chunks = chunks;
        pace.interval_ns = (uint64_t)interval_us * 1000;
        return send_text(connection, "200 OK", "{}");
    }
    stats.bad++;
    return send_text(connection, "404 Not Found", "{\"error\":{\"message\":\"not found\"}}");
}

// Value of Content-Length in [head, end), which ends after the last header's CR LF. 0 without one; -1 for a body this
// server does not read.
static long content_length(const char *head, const char *end) {
    static const char length_name[] = "content-length:", coding_name[] = "transfer-encoding:";
    for (const char *line = head; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline) break;
        if ((*line | 0x20) == 'c' && !strncasecmp(line, length_name, sizeof length_name - 1))
            return strtol(line + sizeof length_name - 1, NULL, 10);
        if ((*line | 0x20) == 't' && !strncasecmp(line, coding_name, sizeof coding_name - 1)) return -1;
        line = newline + 1;
    }
    return 0;
}

static bool asks_for_stream(const char *body, size_t length) {
    if (length > kStreamFlagWithin) length = kStreamFlagWithin;
    return memmem(body, length, "\"stream\":true", 13) || memmem(body, length, "\"stream\": true", 14);
}

// Answers every complete request in the buffer. False: the connection is to be closed.
static bool handle_input(Connection *connection) {
    static const char endpoint[] = "POST /v1/chat/completions ";
    size_t used = 0;
    bool open = true;
    while (open && !connection->streaming && used < connection->input_length) {
        char *head = connection->input + used;
        size_t available = connection->input_length - used;
        char *blank = memmem(head, available, "\r\n\r\n", 4);
        if (!blank) break;
        size_t head_length = (size_t)(blank - head) + 4;
        long body_length = content_length(head, blank + 2);
        if (body_length < 0 || body_length > kLargestRequest) {
            stats.bad++;
            send_text(connection, "411 Length Required", "{\"error\":{\"message\":\"Content-Length, please\"}}");
            open = false;
            break;
        }
        if (available < head_length + (size_t)body_length) break;
        used += head_length + (size_t)body_length;

        if (!strncmp(head, endpoint, sizeof endpoint - 1)) {
            stats.requests++;
            stats.body_bytes += (unsigned long long)body_length;
            open = asks_for_stream(head + head_length, (size_t)body_length)
                       ? start_stream(connection)
                       : send_all(connection, answer, answer_length);
        } else {
            char *target = memchr(head, ' ', head_length);
            char *target_end = target ? memchr(target + 1, ' ', head_length - (size_t)(target + 1 - head)) : NULL;
            open = target_end && handle_control(connection, target + 1, (size_t)(target_end - target - 1));
        }
    }
    connection->input_length -= used;
    if (used && connection->input_length)
        memmove(connection->input, connection->input + used, connection->input_length);
    return open;
}

static bool read_input(Connection *connection) {
    for (;;) {
        size_t room = connection->input_capacity - connection->input_length;
        if (room < kReadSize) {
            if (connection->input_capacity > 2 * kLargestRequest) return false;
            connection->input_capacity = connection->input_capacity ? 2 * connection->input_capacity : 2 * kReadSize;
            connection->input = realloc(connection->input, connection->input_capacity);
            if (!connection->input) abort();
            continue;
        }
        ssize_t received = recv(connection->fd, connection->input + connection->input_length, room, 0);
        if (received > 0) {
            connection->input_length += (size_t)received;
            if ((size_t)received < room) return true;  // level-triggered: what comes later wakes us again
        } else if (received < 0 && errno == EAGAIN) {
            return true;
        } else if (received == 0 || errno != EINTR) {
            return false;
        }
    }
}

static void accept_all(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Connection *connection = calloc(1, sizeof *connection);
        if (!connection) abort();
        connection->fd = fd;
        stats.connections++;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void send_due_events(void) {
    uint64_t now = now_ns();
    while (streams.next != &streams && streams.next->due <= now) {
        Connection *connection = streams.next;
        char out[512];
        unschedule(connection);
        size_t length = put_event(connection, out, sizeof out);
        bool open = send_all(connection, out, length);
        if (open && connection->chunks_left > 0) {
            connection->due += connection->interval_ns;
            // After a long pause of the machine: go on at the pace, do not make up for what was missed in a burst.
            if (connection->due + 10 * connection->interval_ns < now) connection->due = now + connection->interval_ns;
            schedule(connection);
        } else if (open) {
            connection->streaming = false;
            open = handle_input(connection);  // a pipelined request may be waiting
        }
        if (!open) close_connection(connection);
    }
}

static void make_answer(size_t body_length) {
    static const char before[] =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1717171717,\"model\":\"gpt-4o-mini\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"";
    static const char after[] =
        "\"},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":96,\"total_tokens\":216}}";
    static const char words[] = "The quick brown fox jumps over the lazy dog. ";
    size_t fixed = sizeof before - 1 + sizeof after - 1;
    if (body_length < fixed) body_length = fixed;
    answer = malloc(body_length + 512);
    if (!answer) abort();
    size_t length = (size_t)sprintf(answer,
                                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_bench\r\n"
                                    "openai-processing-ms: 12\r\nContent-Length: %zu\r\n\r\n%s",
                                    body_length, before);
    for (size_t i = 0; i < body_length - fixed; i++) answer[length++] = words[i % (sizeof words - 1)];
    memcpy(answer + length, after, sizeof after - 1);
    answer_length = length + sizeof after - 1;
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("mock: listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"answer-bytes", required_argument, NULL, 'a'},
                                            {"chunks", required_argument, NULL, 'c'},
                                            {"interval-us", required_argument, NULL, 'i'},
                                            {0}};
    long port = 0, answer_bytes = 800;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
            case 'p': port = atol(optarg); break;
            case 'a': answer_bytes = atol(optarg); break;
            case 'c': pace.chunks = atol(optarg); break;
            case 'i': pace.interval_ns = (uint64_t)atol(optarg) * 1000; break;
            default: return 2;
        }
    }
    if (port < 1 || port > 65535 || answer_bytes < 1 || pace.chunks < 1) {
        fputs("usage: mock --port N [--answer-bytes N] [--chunks N] [--interval-us N]\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);  // the default of 50 us would blur the pace
    make_answer((size_t)answer_bytes);
    int listener = listen_on((uint16_t)port);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &accepting);

    struct epoll_event events[kEventsPerWait];
    for (;;) {
        struct timespec timeout, *until_due = NULL;
        if (streams.next != &streams) {
            uint64_t now = now_ns(), due = streams.next->due, left = due > now ? due - now : 0;
            timeout = (struct timespec){.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
            until_due = &timeout;
        }
        int count = epoll_pwait2(poller, events, kEventsPerWait, until_due, NULL);
        for (int i = 0; i < count; i++) {
            Connection *connection = events[i].data.ptr;
            if (!connection)
                accept_all(listener);
            else if (!read_input(connection) || !handle_input(connection))
                close_connection(connection);
        }
        send_due_events();
    }
}
