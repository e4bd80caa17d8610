# SPDX-License-Identifier: Apache-2.0

"""json-get.py FILE LINE [KEY...] - what is at KEY... of the JSON in one of a
file's lines, the first of which is 0."""

import json
import sys

with open(sys.argv[1]) as f:
    value = json.loads(f.read().split('\n')[int(sys.argv[2])])
for key in sys.argv[3:]:
    value = value[int(key) if isinstance(value, list) else key]
print(json.dumps(value, sort_keys=True))
