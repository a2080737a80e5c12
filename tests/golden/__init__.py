"""The golden run: the records that both processors publish for a fixed log, compared byte for byte.

`invitations.inputs.jsonl` and `broadcast.inputs.jsonl` are logs as a broker delivers them, written once by
the scripts here. `*.records.jsonl` and `*.outcomes.jsonl` are the results. `python -m tests.golden` rewrites
the results, `python -m tests.golden --inputs` the logs as well.
Only `run` knows the code under test.
"""
