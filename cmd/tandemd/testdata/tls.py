"""NETCONF over TLS (RFC 7589) with ncclient: tls.py PORT KEY CERT CA"""

import ssl
import sys

from ncclient import manager

port, key, cert, ca = sys.argv[1:5]
with manager.connect_tls(
    host="127.0.0.1",
    port=int(port),
    keyfile=key,
    certfile=cert,
    ca_certs=ca,
    protocol=ssl.PROTOCOL_TLS_CLIENT,
    timeout=20,
) as m:
    monitoring = '<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"><sessions/></netconf-state>'
    state = m.get(filter=("subtree", monitoring)).data_xml
    assert "netconf-tls" in state and "<username>admin</username>" in state, state
    with m.locked("candidate"):
        m.validate("candidate")
print("fine")
