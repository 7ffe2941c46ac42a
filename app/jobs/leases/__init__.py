"""Leases: how a job gets to one worker at a time, and why nobody else writes its rows meanwhile.

`claim` hands out a lease; every write after it goes through `hold`, which extends the lease or raises LeaseLost.
"""

from app.jobs.leases.claim import Claimed, Resume, claim, give_back
from app.jobs.leases.compare import newest_file
from app.jobs.leases.ends import fail, interrupt, put_aside, succeed, wait_for_disk, wait_for_environment
from app.jobs.leases.fence import Held, Lease, LeaseLost, committed, hold, transaction_id
from app.jobs.leases.groups import Group, Written, write
from app.jobs.leases.share import share
from app.jobs.leases.sweep import dispatch, sweep

__all__ = [
    "Claimed",
    "Group",
    "Held",
    "Lease",
    "LeaseLost",
    "Resume",
    "Written",
    "claim",
    "committed",
    "dispatch",
    "fail",
    "give_back",
    "hold",
    "interrupt",
    "newest_file",
    "put_aside",
    "share",
    "succeed",
    "sweep",
    "transaction_id",
    "wait_for_disk",
    "wait_for_environment",
    "write",
]
