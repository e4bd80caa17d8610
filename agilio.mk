# SPDX-License-Identifier: Apache-2.0
#
# What Agilio adds to Open vSwitch's build: upstream/openvswitch/build.patch
# includes this file in openvswitch/Makefile.am.  Paths are those of
# openvswitch/, where boot.sh links our files.  Every file is named here; none
# is found by pattern.

# What both sides agree on.
noinst_HEADERS += \
	include/agilio/abi.h \
	include/agilio/capture.h \
	include/agilio/msg.h \
	include/agilio/netlink.h \
	include/agilio/platform.h \
	include/agilio/ring.h

# The host: part of libopenvswitch.
lib_libopenvswitch_la_SOURCES += \
	lib/agilio-actions.c \
	lib/agilio-actions.h \
	lib/agilio-bond.c \
	lib/agilio-conn.c \
	lib/agilio-conn.h \
	lib/agilio-copy.h \
	lib/agilio-counts.c \
	lib/agilio-counts.h \
	lib/agilio-ctl.c \
	lib/agilio-ctl.h \
	lib/agilio-dump.c \
	lib/agilio-dump.h \
	lib/agilio-fallback.c \
	lib/agilio-flow.c \
	lib/agilio-format.c \
	lib/agilio-format.h \
	lib/agilio-header.c \
	lib/agilio-health.c \
	lib/agilio-hooks.h \
	lib/agilio-ivshmem.c \
	lib/agilio-ivshmem.h \
	lib/agilio-kernel.c \
	lib/agilio-kernel.h \
	lib/agilio-map.c \
	lib/agilio-map.h \
	lib/agilio-match.c \
	lib/agilio-meter.c \
	lib/agilio-nic.c \
	lib/agilio-nic.h \
	lib/agilio-object.c \
	lib/agilio-object.h \
	lib/agilio-port.c \
	lib/agilio-port.h \
	lib/agilio-queue.c \
	lib/agilio-queue.h \
	lib/agilio-residency.c \
	lib/agilio-residency.h \
	lib/agilio-rx.c \
	lib/agilio-rx.h \
	lib/agilio-sample.c \
	lib/agilio-sample.h \
	lib/agilio-set.c \
	lib/agilio-shadow.c \
	lib/agilio-shadow.h \
	lib/agilio-show.c \
	lib/agilio-stats.c \
	lib/agilio-table.c \
	lib/agilio-table.h \
	lib/agilio-tally.c \
	lib/agilio-tally.h \
	lib/agilio-trace.c \
	lib/agilio-trace.h \
	lib/agilio-tracker.c \
	lib/agilio-translate.h \
	lib/agilio-tunnel.c \
	lib/agilio-tunnel.h \
	lib/agilio-view.c \
	lib/agilio-view.h \
	lib/agilio-wake.c \
	lib/agilio.c \
	lib/agilio.h \
	lib/netdev-agilio-private.h \
	lib/netdev-agilio-props.c \
	lib/netdev-agilio.c \
	lib/netdev-agilio.h \
	lib/netdev-offload-agilio.c

# The host: part of libofproto.
ofproto_libofproto_la_SOURCES += ofproto/agilio-trace.c

# The NIC's core, which build-aux/check-quick also builds freestanding.  It is
# given no path to lib/, and no config.h.
agilio_core_sources = \
	datapath/agilio/action/arp.c \
	datapath/agilio/action/block.c \
	datapath/agilio/action/bond.c \
	datapath/agilio/action/bond.h \
	datapath/agilio/action/count.h \
	datapath/agilio/action/eth-header.c \
	datapath/agilio/action/eth.c \
	datapath/agilio/action/icmp.c \
	datapath/agilio/action/ipv4.c \
	datapath/agilio/action/ipv6.c \
	datapath/agilio/action/meta.c \
	datapath/agilio/action/meter.c \
	datapath/agilio/action/meter.h \
	datapath/agilio/action/mpls.c \
	datapath/agilio/action/nd.c \
	datapath/agilio/action/nsh.c \
	datapath/agilio/action/output.c \
	datapath/agilio/action/program.c \
	datapath/agilio/action/program.h \
	datapath/agilio/action/recirc.c \
	datapath/agilio/action/set-tunnel.c \
	datapath/agilio/action/set.h \
	datapath/agilio/action/transport.c \
	datapath/agilio/action/tunnel-pop.c \
	datapath/agilio/action/tunnel-push.c \
	datapath/agilio/action/tunnel.h \
	datapath/agilio/action/vlan.c \
	datapath/agilio/capture.c \
	datapath/agilio/capture.h \
	datapath/agilio/control.c \
	datapath/agilio/forward.h \
	datapath/agilio/host-queue.c \
	datapath/agilio/host-queue.h \
	datapath/agilio/host/function.h \
	datapath/agilio/host/region.c \
	datapath/agilio/nic.c \
	datapath/agilio/nic.h \
	datapath/agilio/pipeline.c \
	datapath/agilio/pipeline.h \
	datapath/agilio/pkt/csum.c \
	datapath/agilio/pkt/csum.h \
	datapath/agilio/pkt/handover.c \
	datapath/agilio/pkt/handover.h \
	datapath/agilio/pkt/headers.h \
	datapath/agilio/pkt/key-hash.c \
	datapath/agilio/pkt/key-hash.h \
	datapath/agilio/pkt/parse.c \
	datapath/agilio/pkt/parse.h \
	datapath/agilio/pkt/pkt.c \
	datapath/agilio/pkt/pkt.h \
	datapath/agilio/pkt/shape.c \
	datapath/agilio/pkt/shape.h \
	datapath/agilio/pkt/tunnel.h \
	datapath/agilio/pkt/tunnelled.c \
	datapath/agilio/pkt/tunnelled.h \
	datapath/agilio/request.c \
	datapath/agilio/table/flow-table.c \
	datapath/agilio/table/flow.c \
	datapath/agilio/table/flow.h \
	datapath/agilio/table/hash.h \
	datapath/agilio/table/mask.c \
	datapath/agilio/table/mask.h \
	datapath/agilio/table/tracker-dump.c \
	datapath/agilio/table/tracker-key.c \
	datapath/agilio/table/tracker-key.h \
	datapath/agilio/table/tracker-learn.c \
	datapath/agilio/table/tracker-private.h \
	datapath/agilio/table/tracker-vector.c \
	datapath/agilio/table/tracker.c \
	datapath/agilio/table/tracker.h \
	datapath/agilio/trace.c \
	datapath/agilio/trace.h \
	datapath/agilio/tx.c \
	datapath/agilio/tx.h \
	datapath/agilio/worker.c
agilio_core_cppflags = \
	-I $(top_srcdir)/include \
	-I $(top_srcdir)/datapath/agilio

noinst_LTLIBRARIES += datapath/agilio/libagilio-core.la
datapath_agilio_libagilio_core_la_SOURCES = $(agilio_core_sources)
datapath_agilio_libagilio_core_la_CPPFLAGS = $(agilio_core_cppflags)

# What the core is surrounded by in a process: ports and functions.  A library
# too, so that tests can have it without the program.
noinst_LTLIBRARIES += datapath/agilio/libagilio-nic.la
datapath_agilio_libagilio_nic_la_SOURCES = \
	datapath/agilio/host/ivshmem.c \
	datapath/agilio/port/afpacket.c \
	datapath/agilio/port/classes.c \
	datapath/agilio/port/common.c \
	datapath/agilio/port/common.h \
	datapath/agilio/port/dpdk.h \
	datapath/agilio/port/packet-socket.c \
	datapath/agilio/port/packet-socket.h \
	datapath/agilio/port/pcap.c \
	datapath/agilio/port/port.h \
	datapath/agilio/port/tap.c \
	datapath/agilio/port/unix.c \
	datapath/agilio/port/vf.c \
	datapath/agilio/port/vnet.c \
	datapath/agilio/port/vnet.h
datapath_agilio_libagilio_nic_la_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/datapath/agilio
datapath_agilio_libagilio_nic_la_LIBADD = datapath/agilio/libagilio-core.la

# DPDK's headers want flags of their own.
noinst_LTLIBRARIES += datapath/agilio/libagilio-dpdk.la
datapath_agilio_libagilio_dpdk_la_CPPFLAGS = \
	$(datapath_agilio_libagilio_nic_la_CPPFLAGS)
if AGILIO_DPDK
datapath_agilio_libagilio_dpdk_la_SOURCES = \
	datapath/agilio/port/dpdk-env.c \
	datapath/agilio/port/dpdk.c
datapath_agilio_libagilio_dpdk_la_CFLAGS = \
	$(AM_CFLAGS) $(AGILIO_DPDK_CFLAGS)
datapath_agilio_libagilio_dpdk_la_LIBADD = $(AGILIO_DPDK_LIBS)
EXTRA_DIST += datapath/agilio/port/no-dpdk.c
else
datapath_agilio_libagilio_dpdk_la_SOURCES = datapath/agilio/port/no-dpdk.c
EXTRA_DIST += \
	datapath/agilio/port/dpdk-env.c \
	datapath/agilio/port/dpdk.c
endif
datapath_agilio_libagilio_nic_la_LIBADD += datapath/agilio/libagilio-dpdk.la
EXTRA_DIST += m4/agilio.m4

sbin_PROGRAMS += datapath/agilio/agilio-nicd
datapath_agilio_agilio_nicd_SOURCES = \
	datapath/agilio/nicd-capture.c \
	datapath/agilio/nicd-commands.c \
	datapath/agilio/nicd-env.c \
	datapath/agilio/nicd-options.c \
	datapath/agilio/nicd-metrics.c \
	datapath/agilio/nicd-trace.c \
	datapath/agilio/nicd.c \
	datapath/agilio/nicd.h
datapath_agilio_agilio_nicd_CPPFLAGS = \
	$(datapath_agilio_libagilio_nic_la_CPPFLAGS)
datapath_agilio_agilio_nicd_LDADD = \
	datapath/agilio/libagilio-nic.la lib/libopenvswitch.la
dist_man_MANS += datapath/agilio/agilio-nicd.8

# What a port receives and sends.
bin_PROGRAMS += utilities/agilio-tcpdump
utilities_agilio_tcpdump_SOURCES = \
	utilities/agilio-capture.c \
	utilities/agilio-capture.h \
	utilities/agilio-pcapng.c \
	utilities/agilio-pcapng.h \
	utilities/agilio-tcpdump.c
utilities_agilio_tcpdump_CPPFLAGS = \
	$(AM_CPPFLAGS) $(AGILIO_PCAP_CFLAGS)
utilities_agilio_tcpdump_LDADD = lib/libopenvswitch.la $(AGILIO_PCAP_LIBS)
dist_man_MANS += utilities/agilio-tcpdump.8

# Our part of the manual.
DOC_SOURCE += \
	Documentation/agilio/commands.rst \
	Documentation/agilio/configuration.rst \
	Documentation/agilio/flows.rst \
	Documentation/agilio/index.rst \
	Documentation/agilio/install.rst \
	Documentation/agilio/intro.rst \
	Documentation/agilio/metrics.rst \
	Documentation/agilio/packet.rst \
	Documentation/agilio/performance.rst \
	Documentation/agilio/reference-counters.rst \
	Documentation/agilio/reference-json.rst \
	Documentation/agilio/reference-kernel.rst \
	Documentation/agilio/reference-names.rst \
	Documentation/agilio/reference-reasons.rst \
	Documentation/agilio/transcript.rst \
	Documentation/agilio/troubleshooting.rst \
	Documentation/agilio/tunnels.rst \
	Documentation/agilio/tutorial.rst \
	Documentation/agilio/vf.rst

# Around both: scripts, and what packages put into /etc.
dist_scripts_SCRIPTS += utilities/agilio-ctl
completion_SCRIPTS += utilities/agilio-bashcomp.bash
dist_pkgdata_DATA += utilities/agilio-grafana.json
bin_SCRIPTS += \
	utilities/agilio-exporter \
	utilities/agilio-top
dist_man_MANS += \
	utilities/agilio-ctl.8 \
	utilities/agilio-exporter.8 \
	utilities/agilio-top.8
FLAKE8_PYFILES += \
	utilities/agilio-exporter \
	utilities/agilio-top
EXTRA_DIST += \
	utilities/agilio-bashcomp.bash \
	utilities/agilio-exporter \
	utilities/agilio-exporter.service \
	utilities/agilio-nic.default \
	utilities/agilio-nicd.init \
	utilities/agilio-nicd.service \
	utilities/agilio-top

# Tests.  Each unit test is a program, which tests/agilio-unit.at runs.
TESTSUITE_AT += \
	tests/agilio-differential.at \
	tests/agilio-actions.at \
	tests/agilio-capture.at \
	tests/agilio-docs.at \
	tests/agilio-failure.at \
	tests/agilio-host.at \
	tests/agilio-macros.at \
	tests/agilio-meter.at \
	tests/agilio-offload.at \
	tests/agilio-operations.at \
	tests/agilio-tunnel.at \
	tests/agilio-unit.at \
	tests/agilio-vf.at \
	tests/agilio-why.at \
	tests/agilio.at
EXTRA_DIST += \
	tests/agilio/check-json.py \
	tests/agilio/json-get.py \
	tests/agilio/kmod/ip \
	tests/agilio/nic-port.py \
	tests/agilio/read-pcapng.py \
	tests/agilio/system/ovs-appctl \
	tests/agilio/system/ovs-vsctl \
	tests/agilio/stop-thread.py \
	tests/agilio/tunnel-frame.py \
	tests/fuzz/libfuzzer.c \
	tests/fuzz/make-seeds.c

# The system tests, which need root: build-aux/check-agilio.
agilio_system_at = \
	tests/system-agilio-bonds.at \
	tests/system-agilio-changes.at \
	tests/system-agilio-macros.at \
	tests/system-agilio-testsuite.at \
	tests/system-agilio.at
EXTRA_DIST += $(agilio_system_at) tests/system-agilio-testsuite
tests/system-agilio-testsuite: package.m4 $(agilio_system_at) \
		tests/agilio-macros.at $(COMMON_MACROS_AT) \
		$(SYSTEM_TESTSUITE_AT) $(SYSTEM_USERSPACE_TESTSUITE_AT)
	$(AM_V_GEN)$(AUTOTEST) -I '$(srcdir)' -o $@.tmp $(srcdir)/$@.at
	$(AM_V_at)mv $@.tmp $@

# Of the kernel datapath: build-aux/check-lab.
agilio_kmod_at = \
	tests/system-agilio-kmod-macros.at \
	tests/system-agilio-kmod-testsuite.at
EXTRA_DIST += $(agilio_kmod_at) tests/system-agilio-kmod-testsuite
tests/system-agilio-kmod-testsuite: package.m4 $(agilio_kmod_at) \
		$(COMMON_MACROS_AT) $(SYSTEM_TESTSUITE_AT) \
		$(SYSTEM_KMOD_TESTSUITE_AT)
	$(AM_V_GEN)$(AUTOTEST) -I '$(srcdir)' -o $@.tmp $(srcdir)/$@.at
	$(AM_V_at)mv $@.tmp $@

agilio_test_cppflags = \
	$(AM_CPPFLAGS) \
	-I $(top_srcdir)/datapath/agilio \
	-I $(top_srcdir)/tests/agilio
agilio_test_ldadd = \
	tests/agilio/libagilio-test.la \
	datapath/agilio/libagilio-nic.la \
	lib/libopenvswitch.la

check_LTLIBRARIES = tests/agilio/libagilio-test.la
tests_agilio_libagilio_test_la_SOURCES = \
	tests/agilio/check.h \
	tests/agilio/env.c \
	tests/agilio/env.h \
	tests/agilio/fake-nic.h \
	tests/agilio/frames.h \
	tests/agilio/inproc-nic.c \
	tests/agilio/inproc-nic.h \
	tests/agilio/model.h \
	tests/agilio/nic-client.c \
	tests/agilio/nic-client.h \
	tests/agilio/ports.h \
	tests/agilio/random-actions.h \
	tests/agilio/run.h \
	tests/agilio/twin.h
tests_agilio_libagilio_test_la_CPPFLAGS = $(agilio_test_cppflags)

check_PROGRAMS = \
	tests/agilio/test-abi \
	tests/agilio/test-actions \
	tests/agilio/test-bond \
	tests/agilio/test-capture \
	tests/agilio/test-conn \
	tests/agilio/test-differential \
	tests/agilio/test-dpdk \
	tests/agilio/test-flow-table \
	tests/agilio/test-flow \
	tests/agilio/test-function \
	tests/agilio/test-map \
	tests/agilio/test-meter \
	tests/agilio/test-msg \
	tests/agilio/test-netdev \
	tests/agilio/test-nic \
	tests/agilio/test-parse-vs-ovs \
	tests/agilio/test-parse \
	tests/agilio/test-ports-net \
	tests/agilio/test-ports \
	tests/agilio/test-program-vs-ovs \
	tests/agilio/test-program \
	tests/agilio/test-queues \
	tests/agilio/test-ring \
	tests/agilio/test-rx \
	tests/agilio/test-shadow \
	tests/agilio/test-shape \
	tests/agilio/test-threads \
	tests/agilio/test-trace \
	tests/agilio/test-tracker \
	tests/agilio/test-translate \
	tests/agilio/test-tunnel-vs-ovs \
	tests/agilio/test-tunnelled \
	tests/agilio/test-vf \
	tests/agilio/test-vnet \
	tests/agilio/test-workers \
	tests/agilio/vf-guest \
	tests/fuzz/run-corpus

tests_agilio_test_abi_SOURCES = tests/agilio/test-abi.c
tests_agilio_test_abi_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_abi_LDADD = $(agilio_test_ldadd)

tests_agilio_test_actions_SOURCES = tests/agilio/test-actions.c
tests_agilio_test_actions_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_actions_LDADD = $(agilio_test_ldadd)

tests_agilio_test_bond_SOURCES = tests/agilio/test-bond.c
tests_agilio_test_bond_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_bond_LDADD = $(agilio_test_ldadd)

tests_agilio_test_capture_SOURCES = tests/agilio/test-capture.c
tests_agilio_test_capture_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_capture_LDADD = $(agilio_test_ldadd)

tests_agilio_test_conn_SOURCES = tests/agilio/test-conn.c
tests_agilio_test_conn_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_conn_LDADD = $(agilio_test_ldadd)

tests_agilio_test_differential_SOURCES = \
	tests/agilio/differential-actions.c \
	tests/agilio/differential-dp.c \
	tests/agilio/differential-encap.c \
	tests/agilio/differential-frames.c \
	tests/agilio/differential-gen.c \
	tests/agilio/differential-headers.c \
	tests/agilio/differential-judge.c \
	tests/agilio/differential-nic.c \
	tests/agilio/differential-objects.c \
	tests/agilio/differential-ports.c \
	tests/agilio/differential-report.c \
	tests/agilio/differential-sets.c \
	tests/agilio/differential-tunnels.c \
	tests/agilio/differential.h \
	tests/agilio/test-differential.c
tests_agilio_test_differential_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_differential_LDADD = $(agilio_test_ldadd)
tests_agilio_test_differential_LDFLAGS = \
	$(AM_LDFLAGS) \
	-Wl,--wrap=agilio_batch_is_resumed \
	-Wl,--wrap=agilio_object_find \
	-Wl,--wrap=dp_packet_clone \
	-Wl,--wrap=dp_packet_clone_with_headroom \
	-Wl,--wrap=netdev_erspan_pop_header \
	-Wl,--wrap=netdev_erspan_push_header \
	-Wl,--wrap=netdev_geneve_pop_header \
	-Wl,--wrap=netdev_gre_pop_header \
	-Wl,--wrap=netdev_gre_push_header \
	-Wl,--wrap=netdev_gtpu_pop_header \
	-Wl,--wrap=netdev_vxlan_pop_header \
	-Wl,--wrap=time_msec \
	-Wl,--wrap=time_usec

tests_agilio_test_dpdk_SOURCES = tests/agilio/test-dpdk.c
tests_agilio_test_dpdk_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_dpdk_LDADD = $(agilio_test_ldadd)

tests_agilio_test_flow_table_SOURCES = tests/agilio/test-flow-table.c
tests_agilio_test_flow_table_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_flow_table_LDADD = $(agilio_test_ldadd)

tests_agilio_test_flow_SOURCES = tests/agilio/test-flow.c
tests_agilio_test_flow_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_flow_LDADD = $(agilio_test_ldadd)

tests_agilio_test_function_SOURCES = tests/agilio/test-function.c
tests_agilio_test_function_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_function_LDADD = $(agilio_test_ldadd)

tests_agilio_test_map_SOURCES = tests/agilio/test-map.c
tests_agilio_test_map_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_map_LDADD = $(agilio_test_ldadd)

tests_agilio_test_meter_SOURCES = tests/agilio/test-meter.c
tests_agilio_test_meter_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_meter_LDADD = $(agilio_test_ldadd)

tests_agilio_test_msg_SOURCES = tests/agilio/test-msg.c
tests_agilio_test_msg_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_msg_LDADD = $(agilio_test_ldadd)

tests_agilio_test_netdev_SOURCES = tests/agilio/test-netdev.c
tests_agilio_test_netdev_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_netdev_LDADD = $(agilio_test_ldadd)

tests_agilio_test_nic_SOURCES = tests/agilio/test-nic.c
tests_agilio_test_nic_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_nic_LDADD = $(agilio_test_ldadd)

tests_agilio_test_parse_vs_ovs_SOURCES = tests/agilio/test-parse-vs-ovs.c
tests_agilio_test_parse_vs_ovs_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_parse_vs_ovs_LDADD = $(agilio_test_ldadd)

tests_agilio_test_parse_SOURCES = tests/agilio/test-parse.c
tests_agilio_test_parse_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_parse_LDADD = $(agilio_test_ldadd)

tests_agilio_test_ports_net_SOURCES = tests/agilio/test-ports-net.c
tests_agilio_test_ports_net_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_ports_net_LDADD = $(agilio_test_ldadd)

tests_agilio_test_ports_SOURCES = tests/agilio/test-ports.c
tests_agilio_test_ports_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_ports_LDADD = $(agilio_test_ldadd)

tests_agilio_test_program_vs_ovs_SOURCES = tests/agilio/test-program-vs-ovs.c
tests_agilio_test_program_vs_ovs_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_program_vs_ovs_LDADD = $(agilio_test_ldadd)

tests_agilio_test_program_SOURCES = tests/agilio/test-program.c
tests_agilio_test_program_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_program_LDADD = $(agilio_test_ldadd)

tests_agilio_test_queues_SOURCES = tests/agilio/test-queues.c
tests_agilio_test_queues_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_queues_LDADD = $(agilio_test_ldadd)

tests_agilio_test_ring_SOURCES = tests/agilio/test-ring.c
tests_agilio_test_ring_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_ring_LDADD = $(agilio_test_ldadd)

tests_agilio_test_rx_SOURCES = tests/agilio/test-rx.c
tests_agilio_test_rx_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_rx_LDADD = $(agilio_test_ldadd)

tests_agilio_test_shadow_SOURCES = tests/agilio/test-shadow.c
tests_agilio_test_shadow_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_shadow_LDADD = $(agilio_test_ldadd)

tests_agilio_test_tunnelled_SOURCES = tests/agilio/test-tunnelled.c
tests_agilio_test_tunnelled_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_tunnelled_LDADD = $(agilio_test_ldadd)

tests_agilio_test_shape_SOURCES = tests/agilio/test-shape.c
tests_agilio_test_shape_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_shape_LDADD = $(agilio_test_ldadd)

tests_agilio_test_threads_SOURCES = tests/agilio/test-threads.c
tests_agilio_test_threads_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_threads_LDADD = $(agilio_test_ldadd)
tests_agilio_test_trace_SOURCES = tests/agilio/test-trace.c
tests_agilio_test_trace_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_trace_LDADD = $(agilio_test_ldadd)

tests_agilio_test_tracker_SOURCES = tests/agilio/test-tracker.c
tests_agilio_test_tracker_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_tracker_LDADD = $(agilio_test_ldadd)

tests_agilio_test_translate_SOURCES = tests/agilio/test-translate.c
tests_agilio_test_translate_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_translate_LDADD = $(agilio_test_ldadd)

tests_agilio_test_tunnel_vs_ovs_SOURCES = tests/agilio/test-tunnel-vs-ovs.c
tests_agilio_test_tunnel_vs_ovs_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_tunnel_vs_ovs_LDADD = $(agilio_test_ldadd)

tests_agilio_test_vf_SOURCES = tests/agilio/test-vf.c
tests_agilio_test_vf_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_vf_LDADD = $(agilio_test_ldadd)

tests_agilio_test_vnet_SOURCES = tests/agilio/test-vnet.c
tests_agilio_test_vnet_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_vnet_LDADD = $(agilio_test_ldadd)

tests_agilio_test_workers_SOURCES = tests/agilio/test-workers.c
tests_agilio_test_workers_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_test_workers_LDADD = $(agilio_test_ldadd)

tests_agilio_vf_guest_SOURCES = tests/agilio/vf-guest.c
tests_agilio_vf_guest_CPPFLAGS = $(agilio_test_cppflags)
tests_agilio_vf_guest_LDADD = $(agilio_test_ldadd)

# The fuzz targets, run on tests/fuzz/corpus/.  build-aux/check-fuzz makes
# fuzzers of them.
tests_fuzz_run_corpus_SOURCES = \
	tests/fuzz/control.c \
	tests/fuzz/frames.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/generate.c \
	tests/fuzz/generate.h \
	tests/fuzz/guard.c \
	tests/fuzz/guard.h \
	tests/fuzz/host.c \
	tests/fuzz/programs.c \
	tests/fuzz/rings.c \
	tests/fuzz/run-corpus.c \
	tests/fuzz/vf.c \
	tests/fuzz/watch.c \
	tests/fuzz/watch.h
tests_fuzz_run_corpus_CPPFLAGS = \
	$(agilio_test_cppflags) -I $(top_srcdir)/tests/fuzz
tests_fuzz_run_corpus_LDFLAGS = \
	$(AM_LDFLAGS) \
	-Wl,--wrap=agl_parse \
	-Wl,--wrap=agl_pkt_clone \
	-Wl,--wrap=agl_pkt_free \
	-Wl,--wrap=agl_pkt_new \
	-Wl,--wrap=agl_pkt_pull \
	-Wl,--wrap=agl_pkt_push
tests_fuzz_run_corpus_LDADD = $(agilio_test_ldadd)

# "make bench": what the core takes per packet.
EXTRA_PROGRAMS += tests/bench/bench-core
tests_bench_bench_core_SOURCES = \
	datapath/agilio/nicd-env.c \
	tests/bench/bench-core.c \
	tests/bench/bench.h \
	tests/bench/fill.c \
	tests/bench/load.c \
	tests/bench/rounds.c \
	tests/bench/stages.c \
	tests/bench/team.c
tests_bench_bench_core_CPPFLAGS = \
	$(agilio_test_cppflags) -I $(top_srcdir)/tests/bench
tests_bench_bench_core_LDADD = $(agilio_test_ldadd)

# The host's end of the control channel, against a real agilio-nicd.
EXTRA_PROGRAMS += tests/bench/bench-control
tests_bench_bench_control_SOURCES = tests/bench/bench-control.c
tests_bench_bench_control_CPPFLAGS = $(agilio_test_cppflags)
tests_bench_bench_control_LDADD = $(agilio_test_ldadd)

EXTRA_PROGRAMS += tests/bench/latency
tests_bench_latency_SOURCES = tests/bench/latency.c
tests_bench_latency_LDADD = lib/libopenvswitch.la
CLEANFILES += $(EXTRA_PROGRAMS)

# Too many files to name; links, which are not to be in what is distributed.
DIST_HOOKS += agilio-dist-corpus
agilio-dist-corpus:
	cp -RL $(srcdir)/tests/fuzz/corpus $(distdir)/tests/fuzz/
.PHONY: agilio-dist-corpus
