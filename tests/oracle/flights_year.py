#!/usr/bin/env python3
"""flights_year.py: the queries of flights.py over all 336,776 flights of 2013."""
# test: long

import sys

import flights

sys.argv.append("--year")
sys.exit(flights.main())
