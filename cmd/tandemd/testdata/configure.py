"""Configures an element as an ncclient user would; arguments: port, key file.

Every claim is an assert: the exit status is the result.
"""
import sys

from ncclient import manager
from ncclient.operations import RPCError
from ncclient.xml_ import to_ele

NODE = "urn:tandem:yang:mtp-node"
LSP = "urn:tandem:yang:mtp-lsp"
CONFIG = """<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><mpls-tp xmlns="%s"><lsps xmlns="%s">
<static-lsp %%s><name>ncclient</name>%%s</static-lsp></lsps></mpls-tp></config>""" % (NODE, LSP)
BODY = """<operation>swap-and-forward</operation><in-segment><incoming-label>%s</incoming-label></in-segment>
<out-segment><nhlfe-single><outgoing-section>to-pe2</outgoing-section><mpls-label-stack>
<entry><id>1</id><label>511</label></entry></mpls-label-stack></nhlfe-single></out-segment>"""
FILTER = ("subtree", """<mpls-tp xmlns="%s"><lsps xmlns="%s"><static-lsp><name>ncclient</name></static-lsp>
</lsps></mpls-tp>""" % (NODE, LSP))


def refused(tag, path, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except RPCError as e:
        assert e.tag == tag and path in (e.path or ""), (e.tag, e.path, e.message)
        return e
    raise AssertionError("accepted: %s %s %s" % (call, args, kwargs))


def connect():
    return manager.connect(host="127.0.0.1", port=int(sys.argv[1]), username="admin", key_filename=sys.argv[2],
                           hostkey_verify=False, allow_agent=False, look_for_keys=False, timeout=30)


with connect() as m, connect() as other:
    assert m.session_id != other.session_id
    for c in (":candidate", ":validate:1.1", ":base:1.1"):
        assert c in m.server_capabilities, c
    assert any("module=mtp-lsp&revision=" in c for c in m.server_capabilities), "mtp-lsp is not announced"

    before = m.get_config("running").data_xml
    with m.locked("candidate"):
        e = refused("lock-denied", "", other.lock, "candidate")
        assert "<session-id>%s</session-id>" % m.session_id in e.info.replace("nc:", ""), e.info
        refused("in-use", "", other.edit_config, target="candidate", config=CONFIG % ("", BODY % 510))
        m.edit_config(target="candidate", config=CONFIG % ("", BODY % 510))
        m.validate("candidate")
        assert "ncclient" in m.get_config("candidate", filter=FILTER).data_xml
        assert "ncclient" not in m.get_config("running", filter=FILTER).data_xml, "running changed before the commit"
        m.commit()
    assert "<incoming-label>510<" in m.get_config("running", filter=FILTER).data_xml

    path = "lsp:static-lsp[lsp:name='ncclient']/lsp:in-segment/lsp:incoming-label"
    refused("invalid-value", path, m.edit_config, target="candidate", config=CONFIG % ("", BODY % 1048576))
    refused("data-exists", "static-lsp", m.edit_config, target="candidate",
            config=CONFIG % ('xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="create"', BODY % 510))
    m.discard_changes()

    schema = m.get_schema("mtp-lsp")
    assert schema.data.startswith("module mtp-lsp {"), schema.data[:80]
    refused("invalid-value", "", m.get_schema, "no-such-module")

    reply = m.dispatch(to_ele('<get-config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><source><running/></source></get-config>'))
    assert "ncclient" in str(reply), reply
    refused("unknown-namespace", "", m.dispatch, to_ele('<reboot xmlns="urn:example:none"/>'))
    refused("operation-not-supported", "", m.dispatch, to_ele('<reboot xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"/>'))

    delete = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"'
    m.edit_config(target="candidate", config=CONFIG % (delete, ""))
    m.commit()
    refused("data-missing", "static-lsp", m.edit_config, target="candidate", config=CONFIG % (delete, ""))
    m.discard_changes()
    assert m.get_config("running").data_xml == before, "the running configuration is not what it was"
