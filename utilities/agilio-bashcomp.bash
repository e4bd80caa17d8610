# SPDX-License-Identifier: Apache-2.0
#
# Completes the options of agilio-ctl, agilio-exporter, agilio-tcpdump and
# agilio-top in bash.  The commands "agilio/..." and "nic/..." of
# ovs-appctl are completed by ovs-appctl's own completion, which asks the
# daemons for them.

_agilio() {
    local word=${COMP_WORDS[COMP_CWORD]} words
    case ${COMP_WORDS[0]##*/} in
    agilio-ctl) words='start stop restart status check --with-ovs --help' ;;
    agilio-top) words='--interval= --target= --once --json --help' ;;
    agilio-exporter) words='--listen= --target= --help' ;;
    agilio-tcpdump)
        words='--count= --direction= --snaplen= --write= --socket= --help'
        # Nothing in a name that compgen, which expands its words, would run.
        words="$words $(ovs-appctl --timeout=1 -t agilio-nicd nic/show \
            2>/dev/null | sed -n 's/^  port \([[:alnum:]._-]*\): id.*/\1/p')" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

complete -F _agilio agilio-ctl agilio-exporter agilio-tcpdump agilio-top
