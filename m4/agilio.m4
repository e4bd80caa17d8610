# SPDX-License-Identifier: Apache-2.0

dnl AGILIO_CHECK_DPDK
dnl
dnl Looks for the DPDK that agilio-nicd has ports of type dpdk by.  It has
dnl nothing to do with --with-dpdk, which is about ovs-vswitchd's own ports.
AC_DEFUN([AGILIO_CHECK_DPDK], [
  AC_ARG_WITH(
    [nic-dpdk],
    [AS_HELP_STRING([--without-nic-dpdk],
                    [build agilio-nicd without DPDK, also if it is here])],
    [], [with_nic_dpdk=check])
  agilio_dpdk=no
  AS_IF([test "$with_nic_dpdk" != no], [
    PKG_CHECK_MODULES([AGILIO_DPDK], [libdpdk >= 22.11],
      [agilio_dpdk=yes],
      [AS_IF([test "$with_nic_dpdk" != check],
             [AC_MSG_ERROR([--with-nic-dpdk, but $AGILIO_DPDK_PKG_ERRORS])])])
  ])
  dnl Its headers do not stand our warnings.
  AGILIO_DPDK_CFLAGS=`echo "$AGILIO_DPDK_CFLAGS" | sed 's/-I */-isystem /g'`
  AM_CONDITIONAL([AGILIO_DPDK], [test "$agilio_dpdk" = yes])
])

dnl AGILIO_CHECK_LIBRARIES
dnl
dnl All that we need beyond what Open vSwitch does.  libpcap compiles and runs
dnl the filters of agilio-tcpdump.
AC_DEFUN([AGILIO_CHECK_LIBRARIES], [
  AGILIO_CHECK_DPDK
  PKG_CHECK_MODULES([AGILIO_PCAP], [libpcap])
])
