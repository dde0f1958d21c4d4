#!/usr/bin/env python3
"""nexmark_million.py: the queries of nexmark.py over 1,000,000 events."""
# test: long

import sys

import nexmark

sys.argv += ["--events", "1000000"]
sys.exit(nexmark.main())
