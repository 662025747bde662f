"""Running a study's notebooks: each in its own process, with an honest account of what happened.

========================  ==============================================================
``parameters``            what a notebook declares, and whether a value fits
``kernel``, ``engine``    papermill's engine: IPC sockets, this interpreter, honest failure
``step``                  one notebook in one process (``python -m fedstats.running.step``)
``child``, ``steps``      many of those side by side, watched and cleaned up after
``manifest``              what was run, from what, with which result; what is done already
``progress``              the display
``index_page``            the page of a run
``study_run``             the whole study: data, sites and coordinator, report
``exit_codes``            what the exit code says
========================  ==============================================================
"""
