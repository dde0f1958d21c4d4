#!/usr/bin/env python3
"""nexmark_ten_million.py: the queries of nexmark.py over 10,000,000 events."""
# test: long

import sys

import nexmark

sys.argv += ["--events", "10000000"]
sys.exit(nexmark.main())
