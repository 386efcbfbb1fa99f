"""Computed indices against the pressure wire: agreement, diagnostic accuracy, comparison of methods, subgroups.

``reading`` makes a :class:`~hemo.agreement.cohort.Cohort` of a table, ``study.analyse`` its statistics,
``summary``, ``tables``, ``figures`` and ``page`` say them. docs/agreement.md holds every formula with its source.
"""
