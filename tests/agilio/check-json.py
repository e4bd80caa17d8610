# SPDX-License-Identifier: Apache-2.0

"""check-json.py SCHEMA ["COMMAND ARGUMENT..."...] - has each command that
SCHEMA, which is Documentation/agilio/reference-json.rst, documents print JSON,
and compares: the tables and their order, their columns and the order of those,
the types of the cells.  Prints each difference, and whether there was anything
to compare; the daemons run.  A COMMAND that needs arguments is given so."""

import json
import re
import subprocess
import sys


def parse(text):
    """[(command, [(table, [(column, types), ...]), ...]), ...]"""
    commands = []
    for line in text.split('\n'):
        heading = re.fullmatch(r'``((?:agilio|nic)/.*)``', line)
        table = re.fullmatch(r'\.\. list-table:: (\w+)', line)
        column = re.fullmatch(r'   \* - ``(\w+)``', line)
        types = re.fullmatch(r'     - ((?:number|string)(?:, null)?)', line)
        if heading:
            commands.append((heading.group(1), []))
        elif table:
            commands[-1][1].append((table.group(1), []))
        elif column:
            commands[-1][1][-1][1].append([column.group(1), None])
        elif types and commands and commands[-1][1][-1][1][-1][1] is None:
            commands[-1][1][-1][1][-1][1] = types.group(1).split(', ')
    return commands


def run(command):
    target = ['-t', 'agilio-nicd'] if command.startswith('nic/') else []
    done = subprocess.run(['ovs-appctl'] + target + command.split()
                          + ['--format=json'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return [json.loads(line) for line in done.stdout.split('\n')
            if line.startswith('{')]


def type_of(cell):
    return ('null' if cell is None else 'number'
            if isinstance(cell, int) else type(cell).__name__.replace(
                'str', 'string'))


def compare(command, documented, printed):
    def complain(*what):
        print(command + ':', *what)

    n = 0
    if [name for name, _ in documented] != [t['caption'] for t in printed]:
        complain('tables', [t['caption'] for t in printed])
        return n
    for (name, columns), table in zip(documented, printed):
        if [column for column, _ in columns] != table['headings']:
            complain(name, 'columns', table['headings'])
            continue
        for row in table['data']:
            for (column, types), cell in zip(columns, row):
                n += 1
                if type_of(cell) not in types:
                    complain(name, column, 'is', repr(cell))
    return n


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        commands = parse(f.read())
    full = {line.split()[0]: line for line in sys.argv[2:]}
    for command, documented in commands:
        n = compare(command, documented, run(full.get(command, command)))
        print('%s: %s' % (command, 'compared' if n else 'is empty'))


main()
