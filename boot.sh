#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes openvswitch/ (Open vSwitch as the distribution packages it, our patches
# applied, our files linked over it) and the configure scripts.  "./boot.sh
# --help" tells the rest.  Runs again at any time, and then does only what is
# left to do.

set -euo pipefail
invoked_in=$PWD
cd "$(dirname "$0")"
. build-aux/progress

readonly OVS_VERSION=3.1.0
readonly SERIES=upstream/openvswitch
# What is linked into openvswitch/, file by file, so that an edit here is an
# edit there.
readonly LINKED="agilio.mk m4 include lib ofproto vswitchd utilities tests
                 datapath/agilio Documentation"

readonly PACKAGED=/usr/src/openvswitch/openvswitch.tar.gz

tree=openvswitch
ovs_source=

usage() {
    cat <<EOF
usage: ./boot.sh [--with-ovs-source=TARBALL]
       ./boot.sh [--with-ovs-source=TARBALL] check|demo [CONFIGURE-ARGUMENT...]
       ./boot.sh deb|rpm

Without a command: prepares the source tree, for ./configure && make.
  check   from a bare Debian 12 to the result of "make check"
  demo    from a bare Debian 12 to the result of "make demo" (needs root)
  deb     from a bare Debian 12 to Debian packages in _packages/
  rpm     from a bare Debian 12 to RPM packages in _packages/
  --tree=DIR  only prepares DIR, as another tree beside openvswitch/
TARBALL is the source of Open vSwitch $OVS_VERSION.  By default it is the one
that was given last, or else that of the package openvswitch-source,
$PACKAGED.
EOF
}

die() {
    printf 'boot.sh: %s\n' "$*" >&2
    exit 1
}

package_version() {
    local version
    version=$(dpkg-query -W -f='${Package} ${Version}' openvswitch-source \
              2>/dev/null) || version=
    if [ "$ovs_source" = $PACKAGED ] && [ -n "$version" ]; then
        echo "$version"
    else
        echo "$ovs_source"
    fi
}

patches() {
    sed "/^#/d;/^\$/d;s,^,$SERIES/," $SERIES/series
}

# What openvswitch/ is made of, our linked files aside.
ingredients() {
    echo "$ovs_source"
    sha256sum <"$ovs_source"
    cat $SERIES/series $(patches) | sha256sum
}

# Into $tree.new/, which becomes $tree/ only when it is complete.
unpack() {
    local patch output version

    stage "unpack $(package_version)"
    rm -rf $tree.new
    mkdir $tree.new
    tar xf "$ovs_source" -C $tree.new --strip-components=1 \
        --no-same-owner
    version=$(sed -n 's/^AC_INIT(openvswitch, *\([^,]*\),.*/\1/p' \
              $tree.new/configure.ac 2>/dev/null) || true
    if [ "$version" != "$OVS_VERSION" ]; then
        die "this is for Open vSwitch $OVS_VERSION," \
            "but $ovs_source is version ${version:-unknown}"
    fi

    for patch in $(patches); do
        if ! output=$(patch -d $tree.new -p1 -F0 --batch \
                      --no-backup-if-mismatch <"$patch" 2>&1); then
            echo "$output" >&2
            die "patch $patch does not apply to $(package_version)"
        fi
    done
    ingredients >$tree.new/.agilio-boot

    # Someone's experiments may be in there.
    if [ -e $tree ]; then
        stage "the former $tree/ is kept as $tree.old/"
        rm -rf $tree.old
        mv $tree $tree.old
    fi
    mv $tree.new $tree
}

link_files() {
    local file to up present=0 made=0

    while read -r file; do
        to=$tree/$file
        up=${to//[!\/]/}
        up=${up//\//../}$file
        present=$((present + 1))
        if [ -L "$to" ]; then
            [ "$(readlink "$to")" != "$up" ] || continue
        elif [ -e "$to" ]; then
            die "$file is a file of upstream's: ours needs another name"
        fi
        mkdir -p "${to%/*}"
        ln -sfn "$up" "$to"
        made=$((made + 1))
    done < <(for path in $LINKED; do
                 [ ! -e "$path" ] || find "$path" -type f ! -name '*~' \
                     ! -name '.*' ! -name '*.orig' ! -name '*.rej'
             done)
    # Links to files that are gone.
    find $tree -xtype l -lname '../*' -delete
    [ $made -eq 0 ] || stage "link $made of our $present files"
}

boot() {
    local tool

    for tool in patch autoreconf libtoolize; do
        command -v $tool >/dev/null \
            || die "no $tool: run build-aux/install-deps"
    done
    if [ -z "$ovs_source" ]; then
        ovs_source=$(head -n 1 $tree/.agilio-boot 2>/dev/null) || true
        [ -f "$ovs_source" ] || ovs_source=$PACKAGED
    fi
    [ -f "$ovs_source" ] || die "no $ovs_source:" \
        "install openvswitch-source, or give --with-ovs-source=TARBALL"
    if [ "$(cat $tree/.agilio-boot 2>/dev/null)" != "$(ingredients)" ]
    then
        unpack
    fi
    link_files

    # Once they exist, make keeps them up to date.
    if [ ! -f $tree/configure ] \
       || [ ! -f $tree/build-aux/ltmain.sh ] \
       || [ $tree/.agilio-boot -nt $tree/configure ]; then
        stage "autoreconf in $tree/"
        logged "autoreconf-$tree" sh -c "cd $tree && ./boot.sh"
    fi
    [ $tree = openvswitch ] || return 0
    if [ ! -f configure ] || [ ! -f Makefile.in ] \
       || [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ]
    then
        stage "autoreconf"
        logged autoreconf autoreconf --no-recursive --install --force
    fi

    # A tree that was configured before it was unpacked anew.
    if [ -x config.status ] && [ -f Makefile ] \
       && [ ! -f openvswitch/Makefile ]; then
        stage "configure $(./config.status --config)"
        eval "logged configure ./configure $(./config.status --config)"
    fi
}

command=
while [ $# -gt 0 ]; do
    case $1 in
    --with-ovs-source=*)
        ovs_source=$(cd "$invoked_in" && realpath -m -- "${1#*=}")
        ;;
    --tree=*) tree=${1#*=} ;;
    -h | --help) usage; exit 0 ;;
    check | demo | deb | rpm) command=$1; shift; break ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

if [ -z "$command" ]; then
    boot
    [ $tree = openvswitch ] || exit 0
    stage "ready: ./configure && make"
    exit 0
fi

# The distribution's tools, for which the dependencies are installed; whatever
# else stands first in PATH (pyenv) lacks them.
export PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin
without="pkg.openvswitch.noquick pkg.openvswitch.nolab"
case $command in
deb | rpm) without="nocheck $without" ;;
*) without="$without pkg.openvswitch.nodeb" ;;
esac
missing=$(build-aux/install-deps --list $without)
if [ -n "$missing" ]; then
    stage "install" $missing
    logged install-deps build-aux/install-deps $without
fi
case $command in
deb | rpm) exec build-aux/make-$command ;;
esac
boot
if [ ! -f Makefile ] || [ ! -f openvswitch/Makefile ] || [ $# -gt 0 ]; then
    stage "configure $*"
    logged configure ./configure "$@"
fi
stage "make -j$(nproc)"
logged make make -j"$(nproc)"
stage "make $command"
exec make --no-print-directory "$command"
