/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicd.c - agilio-nicd: the NIC as a program.
 *
 * The main thread is the control thread: it serves the host (host/ivshmem.c,
 * control.c), looks after the ports and answers `ovs-appctl -t agilio-nicd
 * nic/...'.  Worker threads carry packets and do nothing else; they poll while
 * there is traffic and sleep on their devices when there is none.  Each thread
 * wakes another by its eventfd, and only if it sleeps: the sleeper says so,
 * fences, and looks once more before it does.  The host's doorbell for packets
 * is one for all workers: who hears it wakes the others.
 */

#include <config.h>

#include "nicd.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "command-line.h"
#include "daemon.h"
#include "fatal-signal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-thread.h"
#include "rtnetlink.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agilio_nicd);

#define IDLE_ROUNDS 64          /* Empty ones before the worker sleeps. */
#define WORKER_NAP_NS 100000000 /* It sleeps no longer: the clock must go. */
#define MIN_PAUSE_NS 15625      /* Nor so long, with a device that must be */
#define MAX_PAUSE_NS 4000000    /* asked whether it has something. */
#define REFRESH_MS 200          /* How often ports are looked at, at least. */
#define BLOCKED_MS 2            /* Until a full reply ring is tried again. */

static unixctl_cb_func nicd_exit;

/* ## ----------- ##
 * ## Environment ##
 * ## ----------- ## */

static int
make_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        ovs_fatal(errno, "cannot make an eventfd");
    }
    return fd;
}

static void
ring_eventfd(int fd)
{
    uint64_t one = 1;

    /* The only failure is a counter that is full: then it is readable. */
    ignore(write(fd, &one, sizeof one));
}

static void
clear_eventfd(int fd)
{
    uint64_t n;

    ignore(read(fd, &n, sizeof n));
}

static uint64_t
monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static uint64_t
nicd_clock(void *nicd_)
{
    struct agl_nicd *nicd = nicd_;

    return monotonic_ns() - nicd->started;
}

static void
nicd_kick_host(void *nicd_, enum agilio_vector vector)
{
    struct agl_nicd *nicd = nicd_;

    agl_function_kick(nicd->pf, vector);
}

static void
nicd_kick_worker(void *nicd_, struct agl_worker *w)
{
    struct agl_nicd *nicd = nicd_;

    ring_eventfd(nicd->worker_fds[w->index]);
}

static void
nicd_kick_control(void *nicd_)
{
    struct agl_nicd *nicd = nicd_;

    agilio_fence();             /* Pairs with nicd_wait(). */
    if (agilio_load_relaxed(&nicd->control_asleep)) {
        ring_eventfd(nicd->control_fd);
    }
}

static void
nicd_wait_worker(void *nicd_ OVS_UNUSED, struct agl_worker *w OVS_UNUSED)
{
    sched_yield();
}

/* ## ------ ##
 * ## Worker ##
 * ## ------ ## */

/* The doorbell has rung, and this worker was the first to clear it. */
static void
pass_on(const struct agl_worker *w)
{
    for (uint32_t i = 0; i < w->team->n; i++) {
        if (i != w->index) {
            agl_worker_wake(w->team->workers[i]);
        }
    }
}

/* Fills in what wakes a worker, the first two being its eventfd and the host's
 * doorbell; returns how many.  '*polled' is set if one of its devices must be
 * asked, since it tells nothing by itself. */
static nfds_t
find_wakers(const struct agl_nicd *nicd, const struct agl_worker *w,
            struct pollfd fds[AGILIO_MAX_PORTS + 2], bool *polled)
{
    nfds_t n = 0;

    *polled = false;
    fds[n++].fd = nicd->worker_fds[w->index];
    fds[n++].fd = nicd->pf->nic_fds[AGILIO_VECTOR_PACKETS];
    for (uint32_t i = 0; i < w->n_ports; i++) {
        struct agl_dev *dev = w->ports[i].dev;
        int fd = dev ? dev->class->fd(dev) : -1;

        *polled |= dev && fd < 0;
        if (fd >= 0) {
            fds[n++].fd = fd;
        }
    }
    for (nfds_t i = 0; i < n; i++) {
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    return n;
}

/* Sleeps until a device, the host or another thread has something; with a
 * device that must be polled, '*pause' ns at most, the next time longer.
 * Returns true if there was something. */
static bool
worker_nap(struct agl_nicd *nicd, struct agl_worker *w, long int *pause)
{
    struct timespec timeout = { .tv_nsec = WORKER_NAP_NS };
    struct pollfd fds[AGILIO_MAX_PORTS + 2];
    bool polled, woken = true;
    nfds_t n = find_wakers(nicd, w, fds, &polled);

    if (polled) {
        timeout.tv_nsec = *pause;
        *pause = MIN(2 * *pause, MAX_PAUSE_NS);
    }
    if (agl_worker_sleep(w)) {
        woken = ppoll(fds, n, &timeout, NULL) > 0;
    }
    if (woken && fds[0].revents) {
        clear_eventfd(fds[0].fd);
    }
    if (woken && fds[1].revents) {
        agl_function_clear(nicd->pf, AGILIO_VECTOR_PACKETS);
        pass_on(w);
    }
    agl_worker_awake(w);
    return woken;
}

static void
check_cpus(const struct nicd_settings *s)
{
    if (s->n_cpus) {
        ovs_numa_init();
    }
    for (unsigned int i = 0; i < s->n_cpus; i++) {
        if (!ovs_numa_core_id_is_valid(s->cpus[i])) {
            ovs_fatal(0, "--cpus: there is no CPU %u", s->cpus[i]);
        }
    }
}

static void
bind_worker(const struct nicd_settings *s, uint32_t i)
{
    if (s->n_cpus) {
        int error = ovs_numa_thread_setaffinity_core(s->cpus[i]);

        if (error) {
            VLOG_ERR("cannot bind worker %"PRIu32" to CPU %u (%s)", i,
                     s->cpus[i], ovs_strerror(error));
        }
    }
}

static void *
worker_main(void *w_)
{
    struct agl_worker *w = w_;
    struct agl_nicd *nicd = w->ops->aux;
    long int pause = MIN_PAUSE_NS;
    int idle = 0;

    bind_worker(nicd->settings, w->index);
    while (!agilio_load_acquire(&nicd->exiting)) {
        if (agl_worker_round(w)) {
            pause = MIN_PAUSE_NS;
            idle = 0;
        } else if (++idle >= IDLE_ROUNDS) {
            idle = worker_nap(nicd, w, &pause) ? IDLE_ROUNDS / 2
                                               : IDLE_ROUNDS - 1;
        }
    }
    agl_worker_round(w);        /* Whatever was posted before that. */
    return NULL;
}

static void
nicd_start_workers(struct agl_nicd *nicd, pthread_t threads[])
{
    const struct agl_team *team = &nicd->nic->team;

    for (uint32_t i = 0; i < team->n; i++) {
        threads[i] = ovs_thread_create("worker", worker_main,
                                       team->workers[i]);
        if (!pthread_getcpuclockid(threads[i], &nicd->worker_clocks[i])) {
            nicd->n_worker_clocks = i + 1;
        }
    }
}

static void
nicd_stop_workers(struct agl_nicd *nicd, const pthread_t threads[])
{
    agilio_store_release(&nicd->exiting, true);
    for (uint32_t i = 0; i < nicd->nic->team.n; i++) {
        ring_eventfd(nicd->worker_fds[i]);
        xpthread_join(threads[i], NULL);
    }
}

/* ## ----- ##
 * ## Ports ##
 * ## ----- ## */

static const struct agl_dev_class *
find_class(const char *device)
{
    size_t len = strcspn(device, ":");

    for (size_t i = 0; agl_dev_classes[i]; i++) {
        const char *type = agl_dev_classes[i]->type;

        if (strlen(type) == len && !memcmp(type, device, len)) {
            return agl_dev_classes[i];
        }
    }
    return NULL;
}

char *
nicd_port_add(struct agl_nicd *nicd, const char *name, const char *device)
{
    const struct agl_dev_class *class = find_class(device);
    const char *arg = strchr(device, ':');
    struct agl_dev *dev;
    char *sentence;
    uint32_t id;
    int error;

    if (!class) {
        return xasprintf("%s: no such type of port", device);
    }
    if (class->open(name, arg ? arg + 1 : "", nicd->nic->team.n, &dev,
                    &sentence)) {
        return sentence;
    }
    error = agl_nic_port_add(nicd->nic, name, dev, &id);
    if (error) {
        class->close(dev);
        return xasprintf("%s: %s", name,
                         error == AGILIO_E_EXIST ? "there is such a port"
                         : error == AGILIO_E_NOSPC ? "the NIC has no port left"
                         : "a port's name has 1 to 31 characters");
    }
    VLOG_INFO("added port %s (%s) with id %#"PRIx32, name, device, id);
    return NULL;
}

bool
nicd_port_del(struct agl_nicd *nicd, const char *name)
{
    struct agl_dev *dev;

    nicd_captures_end_port(nicd->captures, name);
    dev = agl_nic_port_del(nicd->nic, name);
    if (!dev) {
        return false;
    }
    dev->class->close(dev);
    VLOG_INFO("removed port %s", name);
    return true;
}

static void
nicd_add_ports(struct agl_nicd *nicd, const struct svec *ports)
{
    const char *spec;
    size_t i;

    SVEC_FOR_EACH (i, spec, ports) {
        char *name = xstrdup(spec);
        char *device = strchr(name, '=');
        char *error;

        if (!device) {
            ovs_fatal(0, "--port=%s: expected NAME=TYPE:ARG", spec);
        }
        *device++ = '\0';
        error = nicd_port_add(nicd, name, device);
        if (error) {
            ovs_fatal(0, "--port=%s: %s", spec, error);
        }
        free(name);
    }
}

static void
nicd_del_ports(struct agl_nicd *nicd)
{
    for (size_t i = 0; i < AGILIO_MAX_PORTS; i++) {
        if (nicd->nic->ports[i].id != AGILIO_PORT_NONE) {
            char *name = xstrdup(nicd->nic->ports[i].name);

            nicd_port_del(nicd, name);
            free(name);
        }
    }
}

/* ## ---- ##
 * ## Main ##
 * ## ---- ## */

static void
nicd_create(struct agl_nicd *nicd, const struct nicd_settings *s)
{
    struct agl_geometry geometry = {
        .type = AGILIO_FUNCTION_PF,
        .n_ports = AGILIO_MAX_PORTS,
        .n_qps = AGILIO_MAX_PORTS,
        .max_flows = s->max_flows,
        .max_masks = s->max_masks,
        .max_meters = 4096,
        .max_bonds = 64,
        .n_workers = s->workers,
        .control_granules = 16384,
        .packet_granules = 16384,
    };
    char *error;

    nicd->started = monotonic_ns();
    nicd->control_fd = make_eventfd();
    for (unsigned int i = 0; i < s->workers; i++) {
        nicd->worker_fds[i] = make_eventfd();
    }
    nicd->ops = (struct agl_nic_ops) {
        .clock = nicd_clock,
        .kick_host = nicd_kick_host,
        .kick_worker = nicd_kick_worker,
        .kick_control = nicd_kick_control,
        .wait_worker = nicd_wait_worker,
        .aux = nicd,
    };
    if (agl_function_create(s->socket, &geometry, &nicd->pf, &error)) {
        ovs_fatal(0, "%s", error);
    }
    fatal_signal_add_file_to_unlink(nicd->pf->path);
    if (agl_nic_create(&nicd->nic, &nicd->ops, &nicd->pf->region, s->packets,
                       s->tracker_entries)) {
        ovs_fatal(0, "not enough memory for the NIC's tables");
    }
}

/* A host comes or goes, or has to. */
static void
nicd_run_function(struct agl_nicd *nicd)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    int error;

    switch (agl_function_run(nicd->pf)) {
    case AGL_HOST_WAITING:
        agl_nic_host_attached(nicd->nic);
        error = agl_function_welcome(nicd->pf);
        if (error) {
            agl_nic_host_gone(nicd->nic);
            VLOG_WARN_RL(&rl, "a host came, but did not take the NIC: %s",
                         ovs_strerror(error));
        } else {
            VLOG_INFO("a host attached");
        }
        break;
    case AGL_HOST_GONE:
        agl_nic_host_gone(nicd->nic);
        VLOG_INFO("the host has gone; %"PRIu32" flows go on without it",
                  agl_nic_n_flows(nicd->nic));
        break;
    case AGL_HOST_NONE:
        break;
    }
    if (agl_function_attached(nicd->pf)
        && agl_nic_host_is_broken(nicd->nic)) {
        agl_function_drop_host(nicd->pf);
        agl_nic_host_gone(nicd->nic);
        VLOG_WARN_RL(&rl, "disconnected the host, which wrote into a ring "
                     "what makes no sense");
    }
}

/* An interface has changed: the ports are to be looked at now, since packets
 * to one that is said to be down are dropped. */
static void
nicd_link_changed(const struct rtnetlink_change *change OVS_UNUSED,
                  void *refresh)
{
    *(long long int *) refresh = 0;
}

/* Sleeps until there is something to do. */
static void
nicd_wait(struct agl_nicd *nicd, long long int refresh)
{
    agilio_store_relaxed(&nicd->control_asleep, true);
    agilio_fence();             /* Pairs with nicd_kick_control(). */
    if (!agl_control_sleep(nicd->nic)) {
        poll_immediate_wake();
    }
    if (nicd->nic->control.blocked) {
        poll_timer_wait(BLOCKED_MS);
    }
    poll_timer_wait_until(refresh);
    poll_fd_wait(nicd->control_fd, POLLIN);
    poll_fd_wait(nicd->pf->listen_fd, POLLIN);
    if (nicd->pf->conn_fd >= 0) {
        poll_fd_wait(nicd->pf->conn_fd, POLLIN);
    }
    poll_fd_wait(nicd->pf->nic_fds[AGILIO_VECTOR_CONTROL], POLLIN);
    unixctl_server_wait(nicd->unixctl);
    nicd_captures_wait(nicd->captures);
    rtnetlink_wait();
    poll_block();
    agilio_store_relaxed(&nicd->control_asleep, false);
    agilio_ring_awake(&nicd->pf->region.request);
    clear_eventfd(nicd->control_fd);
    agl_function_clear(nicd->pf, AGILIO_VECTOR_CONTROL);
}

static void
nicd_exit(struct unixctl_conn *conn, int argc OVS_UNUSED,
          const char *argv[] OVS_UNUSED, void *exiting)
{
    *(bool *) exiting = true;
    unixctl_command_reply(conn, NULL);
}

int
main(int argc, char *argv[])
{
    struct nicd_settings settings;
    struct agl_nicd nicd = { .settings = &settings };
    long long int refresh = 0;
    struct nln_notifier *links;
    pthread_t threads[AGL_MAX_WORKERS];
    bool exiting = false;

    set_program_name(argv[0]);
    ovs_cmdl_proctitle_init(argc, argv);
    service_start(&argc, &argv);
    nicd_parse_options(argc, argv, &settings);
    fatal_ignore_sigpipe();
    daemonize_start(true);
    if (unixctl_server_create(settings.unixctl, &nicd.unixctl)) {
        exit(EXIT_FAILURE);
    }
    unixctl_command_register("exit", "", 0, 0, nicd_exit, &exiting);
    check_cpus(&settings);
    nicd_create(&nicd, &settings);
    nicd.captures = nicd_captures_create(&nicd, settings.socket);
    nicd_commands_init(&nicd);
    links = rtnetlink_notifier_create(nicd_link_changed, &refresh);
    nicd_start_workers(&nicd, threads);
    nicd_add_ports(&nicd, &settings.ports);
    daemonize_complete();
    vlog_enable_async();

    while (!exiting) {
        unixctl_server_run(nicd.unixctl);
        nicd_run_function(&nicd);
        nicd_captures_run(nicd.captures);
        agl_control_run(nicd.nic);
        rtnetlink_run();
        if (time_msec() >= refresh) {
            agl_nic_refresh_ports(nicd.nic);
            refresh = time_msec() + REFRESH_MS;
        }
        if (!exiting) {
            nicd_wait(&nicd, refresh);
        }
    }

    nicd_del_ports(&nicd);
    nicd_captures_destroy(nicd.captures);
    nicd_stop_workers(&nicd, threads);
    rtnetlink_notifier_destroy(links);
    agl_nic_destroy(nicd.nic);
    fatal_signal_remove_file_to_unlink(nicd.pf->path);
    agl_function_destroy(nicd.pf);
    unixctl_server_destroy(nicd.unixctl);
    nicd_settings_destroy(&settings);
    service_stop();
    return 0;
}
