"""Every NETCONF operation that ncclient has, and some that it can only pass on; arguments: port, key file.

The element runs with --startup. Every claim is an assert: the exit status is the result.
"""
import datetime
import sys

from ncclient import manager
from ncclient.operations import RPCError
from ncclient.xml_ import to_ele

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"
CONTACT = '<config xmlns="%s"><system xmlns="%s"><contact>%%s</contact></system></config>' % (NC, SYSTEM)
FILTER = ("subtree", '<system xmlns="%s"><contact/></system>' % SYSTEM)


def connect():
    return manager.connect(host="127.0.0.1", port=int(sys.argv[1]), username="admin", key_filename=sys.argv[2],
                           hostkey_verify=False, allow_agent=False, look_for_keys=False, timeout=30)


def refused(tag, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except RPCError as e:
        assert e.tag == tag, (tag, e.tag, e.path, e.message)
        return e
    raise AssertionError("accepted: %s %s %s" % (call, args, kwargs))


def contact(m, source="running"):
    found = [e.text for e in m.get_config(source, filter=FILTER).data_ele.iter("{%s}contact" % SYSTEM)]
    return found[0] if found else None


def put(m, text):
    m.edit_config(target="candidate", config=CONTACT % text)


def set_contact(m, text):
    put(m, text)
    m.commit()


def rpc(m, body):
    return m.dispatch(to_ele(body))


def validate_and_discard(m, other):
    before = contact(m)
    put(m, "validated")
    m.validate("candidate")
    assert contact(m, "candidate") == "validated"
    m.discard_changes()
    assert contact(m, "candidate") == before
    m.validate(to_ele(CONTACT % "inline"))
    refused("unknown-element", m.validate, to_ele((CONTACT % "x").replace("contact", "no-such-leaf")))


def confirmed_commit(m, other):
    set_contact(m, "base")
    # Confirmed.
    put(m, "confirmed")
    m.commit(confirmed=True, timeout="600")
    refused("in-use", other.commit)
    m.commit()
    assert contact(m) == "confirmed"
    # Cancelled.
    put(m, "cancelled")
    m.commit(confirmed=True)
    assert contact(m) == "cancelled"
    m.cancel_commit()
    assert contact(m) == "confirmed", contact(m)
    # Neither: its session ends.
    with connect() as third:
        put(third, "left alone")
        third.commit(confirmed=True)
        assert contact(third) == "left alone"
    assert contact(m) == "confirmed", contact(m)
    # Another session confirms with the token.
    with connect() as third:
        put(third, "persistent")
        third.commit(confirmed=True, timeout="600", persist="token")
    assert contact(m) == "persistent"
    refused("invalid-value", m.commit, persist_id="another token")
    refused("invalid-value", m.cancel_commit, persist_id="another token")
    m.commit(persist_id="token")
    refused("invalid-value", m.cancel_commit, persist_id="token")
    assert contact(m) == "persistent"


def copy_and_delete(m, other):
    set_contact(m, "saved")
    m.copy_config("running", "startup")
    assert contact(m, "startup") == "saved"
    set_contact(m, "later")
    assert contact(m, "startup") == "saved"
    m.copy_config("startup", "candidate")
    assert contact(m, "candidate") == "saved"
    m.commit()
    assert contact(m) == "saved"
    # The whole of running, but for the contact.
    inline = to_ele('<source xmlns="%s"/>' % NC)
    inline.append(m.get_config("running").data_ele)
    inline[0].tag = "{%s}config" % NC
    next(inline.iter("{%s}contact" % SYSTEM)).text = "inline"
    m.copy_config(inline, "candidate")
    assert contact(m, "candidate") == "inline"
    m.discard_changes()
    m.delete_config("startup")
    assert contact(m, "startup") is None
    refused("invalid-value", m.copy_config, "candidate", "candidate")
    # The model itself has no such target without :writable-running.
    refused("unknown-element", m.copy_config, "candidate", "running")
    assert contact(m) == "saved"


def locks(m, other):
    with m.locked("running"):
        e = refused("lock-denied", other.lock, "running")
        assert m.session_id in e.info, e.info
        put(other, "locked out")
        refused("in-use", other.commit)
        other.discard_changes()
    with m.locked("candidate"):
        put(m, "left in the candidate")
    assert contact(m, "candidate") == contact(m), "unlock discards what was not committed"
    put(other, "dirty")
    refused("lock-denied", m.lock, "candidate")
    other.discard_changes()
    refused("operation-failed", m.unlock, "startup")


def partial_lock(m, other):
    lock = ('<partial-lock xmlns="urn:ietf:params:xml:ns:netconf:partial-lock:1.0" xmlns:sys="%s">'
            '<select>%s</select></partial-lock>')
    reply = str(rpc(m, lock % (SYSTEM, "/sys:system")))
    assert "<locked-node" in reply, reply
    number = reply.split("lock-id")[1].split(">")[1].split("<")[0]
    put(other, "partly locked")
    refused("in-use", other.commit)
    other.discard_changes()
    refused("lock-denied", rpc, other, lock % (SYSTEM, "/sys:system"))
    refused("lock-denied", other.lock, "running")
    unlock = '<partial-unlock xmlns="urn:ietf:params:xml:ns:netconf:partial-lock:1.0"><lock-id>%s</lock-id></partial-unlock>'
    refused("invalid-value", rpc, other, unlock % number)
    rpc(m, unlock % number)
    set_contact(other, "free again")


def filters(m, other):
    set_contact(m, "selected")
    names = {"sys": SYSTEM, "mon": "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"}
    reply = m.get_config("running", filter=("xpath", (names, "/sys:system/sys:contact[. = 'selected']"))).data_xml
    assert ">selected<" in reply and "nacm" not in reply, reply
    reply = m.get(filter=("xpath", (names, "/mon:netconf-state/mon:sessions/mon:session[mon:session-id=%s]" % m.session_id)))
    assert "<session-id>%s<" % m.session_id in reply.data_xml and reply.data_xml.count("<session-id>") == 1, reply
    refused("invalid-value", m.get, filter=("xpath", (names, "/sys:system[")))
    reply = m.get_config("running", filter=("subtree", '<no-such xmlns="urn:example:none"/>'))
    assert len(reply.data_ele) == 0, reply


def with_defaults(m, other):
    nacm = ("subtree", '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"/>')
    default = "<write-default>deny</write-default>"
    assert default not in m.get_config("running", filter=nacm).data_xml
    assert default in m.get_config("running", filter=nacm, with_defaults="report-all").data_xml
    assert default not in m.get_config("running", filter=nacm, with_defaults="trim").data_xml
    assert default not in m.get_config("running", filter=nacm, with_defaults="explicit").data_xml
    tagged = m.get_config("running", filter=nacm, with_defaults="report-all-tagged").data_xml
    assert 'default="true"' in tagged and ">deny</write-default>" in tagged, tagged


def notifications(m, other):
    # By the clock of the element.
    began = datetime.datetime.now(datetime.timezone.utc)
    set_contact(m, "before the subscription")
    with connect() as third:
        third.create_subscription(start_time=began.isoformat())
        replayed = third.take_notification(timeout=20)
        while "netconf-config-change" not in replayed.notification_xml:
            replayed = third.take_notification(timeout=20)
        assert "<username>admin</username>" in replayed.notification_xml, replayed.notification_xml
        while "replayComplete" not in replayed.notification_xml:
            replayed = third.take_notification(timeout=20)
        # Interleaved with other operations.
        assert contact(third) == "before the subscription"
        set_contact(m, "after the subscription")
        live = third.take_notification(timeout=20)
        while "netconf-config-change" not in live.notification_xml:
            live = third.take_notification(timeout=20)
        assert "contact" in live.notification_xml, live.notification_xml
    with connect() as third:
        earlier = began - datetime.timedelta(hours=1)
        e = refused("bad-element", third.create_subscription, start_time=began.isoformat(), stop_time=earlier.isoformat())
        assert "stopTime" in e.info, e.info
        later = began + datetime.timedelta(hours=1)
        refused("bad-element", third.create_subscription, start_time=later.isoformat())
    with connect() as third:
        refused("invalid-value", third.create_subscription, stream_name="none")


def kill_session(m, other):
    refused("invalid-value", m.kill_session, m.session_id)
    refused("invalid-value", m.kill_session, "4000000000")
    third = connect()
    third.lock("candidate")
    m.kill_session(third.session_id)
    # The lock went with it.
    with m.locked("candidate"):
        pass
    try:
        third.get_config("running")
    except Exception:
        pass
    else:
        raise AssertionError("the session that was killed still answers")


def datastores(m, other):
    set_contact(m, "in running")
    data = '<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">%s</get-data>'
    subtree = '<subtree-filter><system xmlns="%s"><contact/></system></subtree-filter>' % SYSTEM
    assert ">in running<" in str(rpc(m, data % ("<datastore>ds:running</datastore>" + subtree)))
    reply = str(rpc(m, data % ("<datastore>ds:operational</datastore>" + subtree + "<with-origin/>")))
    assert ">in running<" in reply and "intended" in reply, reply
    rpc(m, '<edit-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
           '<datastore>ds:candidate</datastore>%s</edit-data>' % (CONTACT % "edited").replace(' xmlns="%s"' % NC, ""))
    assert contact(m, "candidate") == "edited"
    m.discard_changes()


def history(m, other):
    set_contact(m, "to go back to")
    set_contact(m, "to go back from")
    rpc(m, '<rollback xmlns="urn:tandem:yang:mtp-commits"><steps>1</steps></rollback>')
    assert contact(m, "candidate") == "to go back to"
    assert contact(m) == "to go back from"
    rpc(m, '<commit xmlns="%s"><comment xmlns="urn:tandem:yang:mtp-commits">back</comment></commit>' % NC)
    assert contact(m) == "to go back to"
    log = m.get(filter=("subtree", '<commit-log xmlns="urn:tandem:yang:mtp-commits"/>')).data_xml
    assert "<comment>back</comment>" in log and "<user>admin</user>" in log, log


with connect() as m, connect() as other:
    for test in (validate_and_discard, confirmed_commit, copy_and_delete, locks, partial_lock, filters, with_defaults,
                 notifications, kill_session, datastores, history):
        test(m, other)
        print("fine: " + test.__name__)
