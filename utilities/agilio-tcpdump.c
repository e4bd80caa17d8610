/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agilio-tcpdump.c - shows the frames of a port of the NIC, offloaded ones
 * included, with what became of each; see agilio-tcpdump(8).
 *
 * agilio-nicd copies the frames into memory that it shares with us
 * (agilio-capture.h).  We filter them with libpcap, and print them or write
 * them to a file (agilio-pcapng.h).  One thread.
 */

#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdlib.h>

#include "agilio-capture.h"
#include "agilio-format.h"
#include "agilio-pcapng.h"
#include "dirs.h"
#include "dp-packet.h"
#include "flow.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

struct options {
    const char *port;
    char *socket;
    const char *file;           /* NULL: print. */
    char *filter;               /* NULL: none. */
    unsigned int count;         /* 0: no end. */
    unsigned int snaplen;
    uint32_t directions;
};

/* What we do with the frames. */
struct sink {
    struct bpf_program program;
    FILE *file;                 /* NULL: print. */
    unsigned int snaplen;       /* Of what is shown, but not of what is
                                 * filtered. */
    unsigned int n_taken;       /* That the filter lets through. */
    uint32_t n_lost;            /* Since the last of those. */
};

static volatile sig_atomic_t stopped;

static void
stop(int sig OVS_UNUSED)
{
    stopped = true;
}

/* ## ------- ##
 * ## Options ##
 * ## ------- ## */

static OVS_NO_RETURN void
usage(void)
{
    printf("%s: shows the frames of a port of the NIC\n"
           "usage: %s [OPTIONS] PORT [FILTER]\n"
           "where FILTER is as for tcpdump(8).\n\n"
           "  -c, --count=N        end after N frames\n"
           "  -Q, --direction=DIR  in, out or inout (default: inout)\n"
           "  -s, --snaplen=N      bytes of each frame (default: %d)\n"
           "  -w, --write=FILE     write a pcapng file; \"-\": to the output\n"
           "      --socket=PATH    the NIC's socket\n"
           "                       (default: %s/agilio-nic.sock)\n"
           "  -h, --help           print this and exit\n"
           "  -V, --version        print the version and exit\n",
           program_name, program_name, AGILIO_MAX_FRAME, ovs_rundir());
    exit(EXIT_SUCCESS);
}

static unsigned int
parse_number(const char *what, unsigned int max)
{
    unsigned int n;

    if (!str_to_uint(optarg, 10, &n) || !n || n > max) {
        ovs_fatal(0, "%s: expected a number from 1 to %u, not %s", what, max,
                  optarg);
    }
    return n;
}

static uint32_t
parse_direction(void)
{
    if (!strcmp(optarg, "in")) {
        return AGILIO_CAPTURE_IN;
    } else if (!strcmp(optarg, "out")) {
        return AGILIO_CAPTURE_OUT;
    } else if (!strcmp(optarg, "inout")) {
        return AGILIO_CAPTURE_IN | AGILIO_CAPTURE_OUT;
    }
    ovs_fatal(0, "direction: expected in, out or inout, not %s", optarg);
}

static void
parse_arguments(int argc, char *argv[], struct options *o)
{
    struct ds filter = DS_EMPTY_INITIALIZER;

    if (argc < 1) {
        ovs_fatal(0, "PORT is missing; use --help for help");
    }
    o->port = argv[0];
    if (strlen(o->port) >= AGILIO_PORT_NAME_LEN) {
        ovs_fatal(0, "%s: a port's name has at most %d characters", o->port,
                  AGILIO_PORT_NAME_LEN - 1);
    }
    for (int i = 1; i < argc; i++) {
        ds_put_format(&filter, "%s%s", i > 1 ? " " : "", argv[i]);
    }
    o->filter = argc > 1 ? ds_steal_cstr(&filter) : NULL;
    if (!o->socket) {
        o->socket = xasprintf("%s/agilio-nic.sock", ovs_rundir());
    }
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
    enum { OPT_SOCKET = UCHAR_MAX + 1 };
    static const struct option long_options[] = {
        {"count", required_argument, NULL, 'c'},
        {"direction", required_argument, NULL, 'Q'},
        {"snaplen", required_argument, NULL, 's'},
        {"write", required_argument, NULL, 'w'},
        {"socket", required_argument, NULL, OPT_SOCKET},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options) {
        .snaplen = AGILIO_MAX_FRAME,
        .directions = AGILIO_CAPTURE_IN | AGILIO_CAPTURE_OUT,
    };
    /* Options may stand behind PORT, as with tcpdump; a filter has none. */
    while ((c = getopt_long(argc, argv, "c:Q:s:w:hV", long_options,
                            NULL)) != -1) {
        switch (c) {
        case 'c':
            o->count = parse_number("count", INT_MAX);
            break;
        case 'Q':
            o->directions = parse_direction();
            break;
        case 'V':
            ovs_print_version(0, 0);
            exit(EXIT_SUCCESS);
        case 's':
            o->snaplen = parse_number("snaplen", INT_MAX);
            break;
        case 'h':
            usage();
        case 'w':
            o->file = optarg;
            break;
        case OPT_SOCKET:
            free(o->socket);
            o->socket = xstrdup(optarg);
            break;
        default:                /* getopt_long() has said what is wrong. */
            exit(EXIT_FAILURE);
        }
    }
    parse_arguments(argc - optind, argv + optind, o);
}

/* ## ------ ##
 * ## Frames ##
 * ## ------ ## */

/* "l1_hit carried": the names of the counters. */
static void
format_verdict(struct ds *ds, const struct agilio_capture_record *h)
{
    uint64_t counters = agilio_from_le64(h->counters);

    for (int i = 0; i < AGILIO_N_COUNTERS; i++) {
        if (counters & UINT64_C(1) << i) {
            ds_put_format(ds, "%s ", agilio_counter_name(i));
        }
    }
    if (!counters) {
        ds_put_cstr(ds, "sent");
    }
    ds_chomp(ds, ' ');
}

static void
print_frame(const struct pcapng_packet *p)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct dp_packet packet;
    struct flow flow;

    if (p->n_lost) {
        ds_put_format(&ds, "(%"PRIu32" lost)\n", p->n_lost);
    }
    ds_put_strftime_msec(&ds, "%H:%M:%S.###", p->time / 1000000, false);
    ds_put_format(&ds, "%06d %-3s %s: length %"PRIu32", ",
                  (int) (p->time % 1000000), p->out ? "out" : "in",
                  p->comment, p->frame_len);
    dp_packet_use_const(&packet, p->bytes, p->n_bytes);
    pkt_metadata_init(&packet.md, ODPP_NONE);
    flow_extract(&packet, &flow);
    flow.in_port.ofp_port = 0;  /* Not to be printed. */
    flow_format(&ds, &flow, NULL);
    puts(ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
take_frame(struct sink *sink, const struct agilio_frame *f, uint64_t clock_ofs)
{
    const struct agilio_capture_record *h = &f->header;
    struct ds comment = DS_EMPTY_INITIALIZER;
    uint32_t n_bytes = agilio_from_le32(h->len) - sizeof *h;
    struct pcapng_packet p = {
        .time = agilio_from_le64(h->timestamp) + clock_ofs,
        .frame_len = MAX(n_bytes, agilio_from_le32(h->frame_len)),
        .n_bytes = MIN(n_bytes, sink->snaplen),
        .bytes = f->bytes,
        .out = agilio_from_le32(h->direction) == AGILIO_CAPTURE_OUT,
    };
    struct pcap_pkthdr hdr = { .caplen = n_bytes, .len = p.frame_len };

    sink->n_lost += agilio_from_le32(h->n_lost);
    if (!pcap_offline_filter(&sink->program, &hdr, f->bytes)) {
        return;
    }
    format_verdict(&comment, h);
    p.comment = ds_cstr(&comment);
    p.n_lost = sink->n_lost;
    sink->n_lost = 0;
    sink->n_taken++;
    if (sink->file) {
        pcapng_put(sink->file, &p);
    } else {
        print_frame(&p);
    }
    ds_destroy(&comment);
}

static void
flush(const struct sink *sink)
{
    FILE *file = sink->file ? sink->file : stdout;

    if (fflush(file) || ferror(file)) {
        ovs_fatal(errno, "cannot write");
    }
}

/* Returns false if the NIC ended it, true if we did. */
static bool
run(struct agilio_capture *c, struct sink *sink, unsigned int count)
{
    struct agilio_frame *f = xmalloc(sizeof *f);
    bool alive = true;

    while (!stopped && (!count || sink->n_taken < count)) {
        if (agilio_capture_next(c, f)) {
            take_frame(sink, f, c->clock_ofs);
        } else if (!alive) {
            break;              /* That was all. */
        } else {
            flush(sink);
            alive = agilio_capture_wait(c);
        }
    }
    free(f);
    return alive;
}

static void
compile_filter(struct sink *sink, const struct options *o)
{
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, AGILIO_MAX_FRAME);

    if (!pcap) {
        out_of_memory();
    }
    if (pcap_compile(pcap, &sink->program, o->filter, true,
                     PCAP_NETMASK_UNKNOWN)) {
        ovs_fatal(0, "filter: %s", pcap_geterr(pcap));
    }
    pcap_close(pcap);
}

static void
open_file(struct sink *sink, const struct options *o)
{
    if (o->file) {
        sink->file = (strcmp(o->file, "-") ? fopen(o->file, "wb") : stdout);
        if (!sink->file) {
            ovs_fatal(errno, "%s: cannot open", o->file);
        }
        pcapng_start(sink->file, o->port, o->snaplen);
    }
}

int
main(int argc, char *argv[])
{
    struct sink sink = { .file = NULL };
    struct agilio_capture c;
    struct options o;
    uint64_t n_lost;
    bool alive;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    parse_options(argc, argv, &o);
    compile_filter(&sink, &o);
    sink.snaplen = o.snaplen;
    agilio_capture_begin(&c, o.socket, o.port, o.directions,
                         o.filter ? AGILIO_MAX_FRAME : o.snaplen);
    open_file(&sink, &o);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    fprintf(stderr, "%s: at port %s\n", program_name, o.port);

    alive = run(&c, &sink, o.count);
    n_lost = agilio_capture_end(&c);
    if (sink.file) {
        pcapng_finish(sink.file, time_wall_msec() * UINT64_C(1000000),
                      n_lost);
    }
    flush(&sink);
    fprintf(stderr, "%s: %u frames, %"PRIu64" lost for want of room\n",
            program_name, sink.n_taken, n_lost);
    if (!alive) {
        ovs_fatal(0, "port %s is gone, or the NIC", o.port);
    }
    pcap_freecode(&sink.program);
    free(o.socket);
    free(o.filter);
    return EXIT_SUCCESS;
}
