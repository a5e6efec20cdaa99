"""
What the peers in Python have in common: they say a line of JSON when they are ready, and then answer requests, a line of JSON
each, until {"stop": true} or the end of the input.
"""

import json
import resource
import sys


def say(message):
    print(json.dumps(message), flush=True)


def requests():
    """The requests, as they come."""
    for line in sys.stdin:
        if not line.strip():
            continue
        request = json.loads(line)
        if request.get("stop"):
            return
        yield request


def max_rss_mb():
    """Peak memory of this process in MB (Linux counts in KiB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
