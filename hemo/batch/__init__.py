"""Cohorts: a table of cases, computed as a graph of jobs by a workflow engine on this machine or on Slurm.

``cohort`` reads the table and ``profile`` the site's file; ``keys`` knows when a case's input has changed; ``planning``
packs what is left to do into jobs; ``engine`` hands them to Snakemake; a job is ``chunk``, whose cases ``warm``
computes in a process of its own; ``outcome`` keeps what became of a case; ``tables`` gathers the cohort.
"""
