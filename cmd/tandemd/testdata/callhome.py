"""Waits for the call of an element (RFC 8071) with ncclient: callhome.py PORT KEY"""

import sys

from ncclient import manager

port, key = sys.argv[1:3]
with manager.call_home(
    host="127.0.0.1",
    port=int(port),
    username="admin",
    key_filename=key,
    hostkey_verify=False,
    allow_agent=False,
    look_for_keys=False,
    timeout=30,
) as m:
    management = '<management xmlns="urn:tandem:yang:mtp-management"><call-home/></management>'
    state = m.get(filter=("subtree", management)).data_xml
    assert "<status>connected</status>" in state, state
print("fine")
