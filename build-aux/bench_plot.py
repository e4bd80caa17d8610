# SPDX-License-Identifier: Apache-2.0

"""SVG plots of bench.json, by gnuplot: bench-NAME.svg, beside it.

    peer        cycles per packet less the floor, ours and OVS-DPDK's
    scale       the same in process, by the number of flows
"""

import shutil
import subprocess

from bench_lab import Failed

STYLE = '''set terminal svg size 900,420 font "sans,12" background "white"
set grid ytics
set yrange [0:*]
set key outside top center horizontal
set ylabel "cycles per packet, less the floor"
'''


def quoted(text):
    return '"%s"' % text.replace('"', '')


def peer_plot(results):
    rows = [(quoted('%s %s%s' % (
                r['case'] if r['masks'] == 1 else '%d masks' % r['masks'],
                *((r['flows'] // 1000, 'k') if r['flows'] >= 1000
                  else (r['flows'], '')))),
             r['ours_cycles'] - r['floor_cycles'],
             r['peer_cycles'] - r['floor_cycles'])
            for r in results if 'peer_cycles' in r]
    return rows and '''set style data histograms
set style fill solid
set xtics rotate by -35
plot $data using 2:xtic(1) title "Agilio OVS", '' using 3 title "OVS-DPDK"
''', rows


def scale_plot(results):
    lines = {}
    for r in results:
        if r['case'].startswith('in process') and 'floor_cycles' in r:
            name = '%s, %d masks' % (r['case'][12:], r['masks'])
            lines.setdefault(name, {})[r['flows']] = (r['ours_cycles']
                                                      - r['floor_cycles'])
    lines = {name: line for name, line in lines.items() if len(line) > 1}
    flows = sorted({n for line in lines.values() for n in line})
    rows = [(n, *(line.get(n, 'NaN') for line in lines.values()))
            for n in flows]
    plots = ['$data using 1:%d with linespoints title %s' % (i, quoted(name))
             for i, name in enumerate(lines, 2)]
    return plots and '''set logscale x
set format x "10^{%%T}"
set xlabel "flows"
plot %s
''' % ', '.join(plots), rows


def draw(results):
    """Returns the files that were written."""
    if not shutil.which('gnuplot'):
        raise Failed('there is no gnuplot')
    names = []
    for name, plot in ('peer', peer_plot), ('scale', scale_plot):
        script, rows = plot(results)
        if script:
            names.append('bench-%s.svg' % name)
            data = '\n'.join(' '.join(map(str, row)) for row in rows)
            subprocess.run(['gnuplot'], input='$data << END\n%s\nEND\n%sset '
                           'output "%s"\n%s' % (data, STYLE, names[-1],
                                                script),
                           check=True, universal_newlines=True)
    return names
