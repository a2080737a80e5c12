"""What both processors publish of a fixed log, byte for byte: it must outlive every change of the code.

`invitations.inputs.jsonl` and `broadcast.inputs.jsonl` are logs as the broker would hand them out, written
once by the scripts here; `*.records.jsonl` and `*.outcomes.jsonl` are what the processors made of them.
`python -m tests.golden` writes the latter anew, `python -m tests.golden --inputs` the logs as well.
Only `run` knows the code under test.
"""
