/* An HTTP client that asks at a mean rate, whatever the answers do: its times are those of an open
 * loop. Requests come at random (exponential gaps, the same in every run); one that finds no free
 * connection waits, and its wait counts. It knows only answers with a Content-Length.
 *
 *   pace PORT PATH PER_SECOND SECONDS CONNECTIONS
 *
 * One line of JSON on standard output; times are in milliseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, BUFFER = 65536 };
static const double PATIENCE_S = 10.0; /* for the answers behind the last request */

struct connection {
    int fd;
    double due; /* of the request that is asked, 0: free */
    int size;
    char bytes[BUFFER];
};

static struct connection *connections;
static struct connection **free_ones;
static int free_count, epoll_fd, timer_fd;
static char request[1024];
static int request_size;
static double *due, *taken;
static long total, asked, answered, failed;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void ask(void) {
    while (asked < total && free_count && due[asked] <= now()) {
        struct connection *c = free_ones[--free_count];
        c->due = due[asked++];
        c->size = 0;
        if (send(c->fd, request, request_size, MSG_NOSIGNAL) != request_size) die("send");
    }
    if (asked == total || !free_count) return;
    double at = due[asked];
    struct itimerspec when = {.it_value = {(time_t)at, (long)((at - (time_t)at) * 1e9) + 1}};
    if (when.it_value.tv_nsec > 999999999) when.it_value.tv_nsec = 999999999;
    if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0) die("timerfd_settime");
}

static int is_whole(struct connection *c) {
    c->bytes[c->size] = 0;
    char *end = strstr(c->bytes, "\r\n\r\n"), *length = strcasestr(c->bytes, "\r\ncontent-length:");
    if (!end) return 0;
    if (!length || length > end) { fprintf(stderr, "an answer without Content-Length\n"); exit(1); }
    return c->size >= end + 4 - c->bytes + atol(length + 17);
}

static void receive(struct connection *c) {
    ssize_t size = recv(c->fd, c->bytes + c->size, BUFFER - 1 - c->size, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) { fprintf(stderr, "a connection was closed\n"); exit(1); }
    c->size += (int)size;
    if (!c->due || !is_whole(c)) return;
    taken[answered++] = (now() - c->due) * 1000;
    if (memcmp(c->bytes, "HTTP/1.1 200", 12) != 0) failed++;
    c->due = 0;
    free_ones[free_count++] = c;
}

static void connect_all(int port, int count) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connections = calloc(count, sizeof *connections);
    free_ones = calloc(count, sizeof *free_ones);
    for (int i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        int on = 1;
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (void *)&address, sizeof address) < 0) die("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0) die("epoll_ctl");
        free_ones[free_count++] = c;
    }
}

int main(int argc, char **argv) {
    if (argc != 6) { fprintf(stderr, "usage: see the head of pace.c\n"); return 2; }
    int port = atoi(argv[1]), count = atoi(argv[5]);
    double per_s = atof(argv[3]), seconds = atof(argv[4]);
    request_size = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", argv[2], port);
    total = (long)(per_s * seconds);
    due = calloc(total + 1, sizeof *due);
    taken = calloc(total + 1, sizeof *taken);
    epoll_fd = epoll_create1(0);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &e) < 0) die("epoll_ctl");
    connect_all(port, count);
    double begin = now() + 0.1, at = begin;
    srand48(1);
    for (long i = 0; i < total; i++) due[i] = at += -log(1.0 - drand48()) / per_s;
    while (answered < total && now() < at + PATIENCE_S) {
        ask();
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll_fd, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            uint64_t ticks;
            if (events[i].data.ptr) receive(events[i].data.ptr);
            else if (read(timer_fd, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("timer");
        }
    }
    qsort(taken, answered, sizeof *taken, compare);
    printf("{\"asked\":%ld,\"answered\":%ld,\"failed\":%ld,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", total,
        answered, failed, answered ? taken[answered / 2] : -1,
        answered ? taken[answered * 99 / 100] : -1);
    return 0;
}
