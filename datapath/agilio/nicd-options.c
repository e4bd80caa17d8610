/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd-options.c - agilio-nicd's command line.
 *
 * Read once, by main(), before there are threads.  Whatever is wrong with it
 * ends the program with a sentence that says so.
 */

#include <config.h>

#include "nicd.h"

#include <getopt.h>
#include <stdlib.h>

#include "command-line.h"
#include "daemon.h"
#include "dirs.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "port/dpdk.h"
#include "util.h"

static OVS_NO_RETURN void
usage(void)
{
    printf("%s: Agilio SmartNIC datapath\n"
           "usage: %s [OPTIONS]\n"
           "\nNIC options:\n"
           "  --socket=PATH           where a host attaches to the NIC\n"
           "                          (default: %s/agilio-nic.sock)\n"
           "  --port=NAME=TYPE[:ARG]  add a port; may be given many times\n"
           "  --max-flows=N           megaflows (default: 65536)\n"
           "  --max-masks=N           masks (default: 128)\n"
           "  --tracker-entries=N     exact match flows (default: 262144)\n"
           "  --packets=N             packet buffers (default: 4096)\n"
           "  --workers=N             threads that carry packets, each with\n"
           "                          a tracker and buffers (default: 1)\n"
           "  --cpus=CPU[,CPU...]     binds each worker to a CPU\n"
           "  --dpdk=ARGUMENTS        for DPDK's environment (EAL)\n"
           "\nTypes of port:\n", program_name, program_name, ovs_rundir());
    for (size_t i = 0; agl_dev_classes[i]; i++) {
        printf("  %-22s  %s\n", agl_dev_classes[i]->type,
               agl_dev_classes[i]->usage);
    }
    printf("\nManagement options:\n"
           "  --unixctl=SOCKET        where ovs-appctl finds the NIC\n"
           "  -h, --help              print this and exit\n"
           "  -V, --version           print the version and exit\n");
    vlog_usage();
    daemon_usage();
    exit(EXIT_SUCCESS);
}

static OVS_NO_RETURN void
version(void)
{
    ovs_print_version(0, 0);
    exit(EXIT_SUCCESS);
}

static unsigned int
parse_number(const char *option, unsigned int min, unsigned int max)
{
    unsigned int n;

    if (!str_to_uint(optarg, 10, &n) || n < min || n > max) {
        ovs_fatal(0, "--%s=%s: expected a number from %u to %u",
                  option, optarg, min, max);
    }
    return n;
}

/* The CPUs of --cpus; returns how many. */
static unsigned int
parse_cpus(unsigned int cpus[AGL_MAX_WORKERS])
{
    char *list = xstrdup(optarg), *save = NULL;
    unsigned int n = 0;

    for (char *cpu = strtok_r(list, ",", &save); cpu;
         cpu = strtok_r(NULL, ",", &save)) {
        if (n == AGL_MAX_WORKERS || !str_to_uint(cpu, 10, &cpus[n])) {
            ovs_fatal(0, "--cpus=%s: expected up to %d numbers, separated by "
                      "commas", optarg, AGL_MAX_WORKERS);
        }
        n++;
    }
    free(list);
    return n;
}

void
nicd_parse_options(int argc, char *argv[], struct nicd_settings *s)
{
    enum {
        OPT_SOCKET = UCHAR_MAX + 1,
        OPT_PORT,
        OPT_MAX_FLOWS,
        OPT_MAX_MASKS,
        OPT_TRACKER_ENTRIES,
        OPT_PACKETS,
        OPT_WORKERS,
        OPT_CPUS,
        OPT_DPDK,
        OPT_UNIXCTL,
        VLOG_OPTION_ENUMS,
        DAEMON_OPTION_ENUMS
    };
    static const struct option long_options[] = {
        DAEMON_LONG_OPTIONS,
        VLOG_LONG_OPTIONS,
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {"socket", required_argument, NULL, OPT_SOCKET},
        {"port", required_argument, NULL, OPT_PORT},
        {"max-flows", required_argument, NULL, OPT_MAX_FLOWS},
        {"max-masks", required_argument, NULL, OPT_MAX_MASKS},
        {"tracker-entries", required_argument, NULL, OPT_TRACKER_ENTRIES},
        {"packets", required_argument, NULL, OPT_PACKETS},
        {"workers", required_argument, NULL, OPT_WORKERS},
        {"cpus", required_argument, NULL, OPT_CPUS},
        {"dpdk", required_argument, NULL, OPT_DPDK},
        {"unixctl", required_argument, NULL, OPT_UNIXCTL},
        {NULL, 0, NULL, 0},
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    int c;

    *s = (struct nicd_settings) {
        .ports = SVEC_EMPTY_INITIALIZER,
        .max_flows = 65536,
        .max_masks = 128,
        .tracker_entries = 262144,
        .packets = 4096,
        .workers = 1,
    };
    while ((c = getopt_long(argc, argv, short_options, long_options,
                            NULL)) != -1) {
        switch (c) {
        VLOG_OPTION_HANDLERS
        DAEMON_OPTION_HANDLERS
        case 'V':
            version();
        case 'h':
            usage();
        case OPT_UNIXCTL:
            s->unixctl = optarg;
            break;
        case OPT_SOCKET:
            free(s->socket);
            s->socket = xstrdup(optarg);
            break;
        case OPT_PORT:
            svec_add(&s->ports, optarg);
            break;
        case OPT_MAX_FLOWS:
            s->max_flows = parse_number("max-flows", 1, 1u << 22);
            break;
        case OPT_MAX_MASKS:
            s->max_masks = parse_number("max-masks", 1, 4096);
            break;
        case OPT_TRACKER_ENTRIES:
            s->tracker_entries = parse_number("tracker-entries", 64, 1u << 24);
            break;
        case OPT_PACKETS:
            s->packets = parse_number("packets", 256, 1u << 20);
            break;
        case OPT_WORKERS:
            s->workers = parse_number("workers", 1, AGL_MAX_WORKERS);
            break;
        case OPT_CPUS:
            s->n_cpus = parse_cpus(s->cpus);
            break;
        case OPT_DPDK:
            agl_dpdk_set_args(optarg);
            break;
        default:                /* getopt_long() has said what is wrong. */
            exit(EXIT_FAILURE);
        }
    }
    free(short_options);
    if (optind != argc) {
        ovs_fatal(0, "no argument but options is taken; use --help for usage");
    }
    if (s->n_cpus && s->n_cpus != s->workers) {
        ovs_fatal(0, "--cpus: %u CPUs for %u workers", s->n_cpus, s->workers);
    }
    if (!s->socket) {
        s->socket = xasprintf("%s/agilio-nic.sock", ovs_rundir());
    }
}

void
nicd_settings_destroy(struct nicd_settings *s)
{
    svec_destroy(&s->ports);
    free(s->socket);
}
