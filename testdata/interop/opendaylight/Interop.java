import com.google.common.base.Throwables;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.spec.ECGenParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.xml.transform.dom.DOMSource;
import org.opendaylight.mdsal.common.api.LogicalDatastoreType;
import org.opendaylight.mdsal.dom.api.DOMDataBroker;
import org.opendaylight.mdsal.dom.api.DOMDataTreeWriteTransaction;
import org.opendaylight.mdsal.dom.api.DOMNotification;
import org.opendaylight.mdsal.dom.api.DOMNotificationService;
import org.opendaylight.mdsal.dom.api.DOMRpcResult;
import org.opendaylight.mdsal.dom.api.DOMRpcService;
import org.opendaylight.mdsal.dom.api.DOMService;
import org.opendaylight.netconf.api.NetconfDocumentedException;
import org.opendaylight.yangtools.yang.common.Uint64;
import org.opendaylight.yangtools.yang.data.api.YangInstanceIdentifier;
import org.opendaylight.yangtools.yang.data.api.YangInstanceIdentifier.NodeIdentifier;
import org.opendaylight.yangtools.yang.data.api.schema.ContainerNode;
import org.opendaylight.yangtools.yang.data.api.schema.NormalizedNode;
import org.opendaylight.yangtools.yang.data.api.schema.NormalizedNodes;
import org.opendaylight.yangtools.yang.data.spi.node.ImmutableNodes;
import org.opendaylight.yangtools.yang.model.api.stmt.SchemaNodeIdentifier.Absolute;

/**
 * Mounts a tandemd in OpenDaylight and uses it as a controller's applications do. Prints a line for each step, in the
 * form of the Test Anything Protocol; the exit status is 0 when every step passed. Arguments: a directory that exists
 * and is empty, the file with the element's configuration, the daemon and flags of it.
 */
final class Interop {
    private static final long SECONDS = 60;
    private static final LogicalDatastoreType CONFIGURATION = LogicalDatastoreType.CONFIGURATION;
    private static final LogicalDatastoreType OPERATIONAL = LogicalDatastoreType.OPERATIONAL;

    private final Controller controller;
    private final Element element;
    private final Path configuration;
    private int steps;
    private int failed;

    // What the mount found; made anew by each connection.
    private Controller.Event connected;
    private Data data;

    private Interop(final Controller controller, final Element element, final Path configuration) {
        this.controller = controller;
        this.element = element;
        this.configuration = configuration;
    }

    public static void main(final String[] args) throws Exception {
        final var generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        final var key = generator.generateKeyPair();
        final var dir = Path.of(args[0]);
        final var tandemd = Arrays.asList(args).subList(2, args.length);
        try (var element = new Element(tandemd, dir, key.getPublic());
             var controller = new Controller(element.port(), key, dir.resolve("cache"))) {
            final var interop = new Interop(controller, element, Path.of(args[1]));
            interop.run();
            System.out.println("1.." + interop.steps);
            if (interop.failed > 0) {
                throw new AssertionError(interop.failed + " of " + interop.steps + " steps failed");
            }
        }
    }

    @FunctionalInterface
    private interface Step {
        /** Returns what was seen; throws when it is not what must be. */
        String run() throws Exception;
    }

    private boolean step(final String name, final Step step) {
        steps++;
        final var began = System.nanoTime();
        try {
            final var seen = step.run();
            System.out.printf("ok %d - %s # %d ms%s%n", steps, name, (System.nanoTime() - began) / 1_000_000,
                seen.isEmpty() ? "" : ", " + seen);
            return true;
        } catch (Exception | AssertionError e) {
            failed++;
            System.out.printf("not ok %d - %s%n", steps, name);
            for (var cause : Throwables.getCausalChain(e)) {
                System.out.println("# " + cause.toString().replace("\n", "\n# "));
            }
            Arrays.stream(e.getStackTrace()).filter(at -> at.getClassName().startsWith("Interop"))
                .forEach(at -> System.out.println("#   at " + at));
            return false;
        }
    }

    private void run() throws Exception {
        element.start();
        controller.connect();
        if (!step("connected", this::awaitConnected)) {
            return; // Nothing else can be tried.
        }
        step("no capability is unavailable", this::noneUnavailable);
        step("every module of the hello compiles", this::everyModule);
        step("the configuration of an element is written and committed", this::configure);
        step("get-config returns what was written", this::readConfiguration);
        step("get returns state", this::readState);
        step("a merge adds an LSP", this::merge);
        step("the commit is notified", this::notified);
        step("a put replaces the LSP", this::replace);
        step("a leafref to nothing is refused", this::leafref);
        step("a must that is violated is refused, nothing changes", this::must);
        step("deleting what is not there is refused", this::deleteMissing);
        step("a cancelled transaction leaves nothing behind", this::cancel);
        step("an RPC of a module answers", this::rpc);
        step("an RPC's error is precise", this::rpcError);
        step("the LSP is deleted", this::delete);
        step("the mount goes away when tandemd is killed", this::kill);
        if (step("the mount comes back when tandemd is started again", this::restart)) {
            step("no capability is unavailable after the restart", this::noneUnavailable);
            step("the configuration survived", this::readConfiguration);
            step("the mount still writes", this::merge);
        }
    }

    private String awaitConnected() throws Exception {
        connected = controller.await(SECONDS);
        check(connected.kind() == Controller.Event.Kind.CONNECTED, "the node is %s: %s", connected.kind(),
            connected.failure());
        data = new Data(connected.schema().databind().modelContext());
        return "session " + connected.session().sessionId().getValue();
    }

    private String noneUnavailable() {
        final var unavailable = connected.schema().capabilities().unresolvedCapabilites();
        check(unavailable.isEmpty(), "unavailable: %s", unavailable);
        return connected.schema().capabilities().resolvedCapabilities().size() + " modules available";
    }

    private String everyModule() {
        final var missing = new ArrayList<String>();
        for (var module : connected.session().moduleBasedCaps().keySet()) {
            if (data.model().findModule(module.getLocalName(), module.getRevision()).isEmpty()) {
                missing.add(module.getLocalName());
            }
        }
        check(missing.isEmpty(), "not in the model: %s", missing);
        return connected.session().moduleBasedCaps().size() + " in the hello, "
            + data.model().getModules().size() + " compiled";
    }

    private String configure() throws Exception {
        final var transaction = broker().newWriteOnlyTransaction();
        for (var container : data.parseAll(configuration)) {
            transaction.merge(CONFIGURATION, YangInstanceIdentifier.of(container.name()), container);
        }
        done(transaction.commit());
        return "";
    }

    private String readConfiguration() throws Exception {
        var nodes = 0;
        for (var container : data.parseAll(configuration)) {
            final var path = YangInstanceIdentifier.of(container.name());
            nodes += contained(container, read(CONFIGURATION, path).orElseThrow(), path);
        }
        return nodes + " leaves equal";
    }

    private String readState() throws Exception {
        final var name = data.name("mtp-node", "mpls-tp");
        final var section = Data.entry(data.path(name, data.name("mtp-node", "sections"),
            data.name("mtp-node", "section")), "name", "east");
        final var state = read(OPERATIONAL, section.node(data.name("mtp-node", "oper-state"))).orElseThrow();
        final var sessions = read(OPERATIONAL, data.path(data.name("ietf-netconf-monitoring", "netconf-state"),
            data.name("ietf-netconf-monitoring", "sessions"))).orElseThrow();
        check(sessions.toString().contains("admin"), "no session of admin in %s", sessions);
        return "section east is " + state.body();
    }

    private String merge() throws Exception {
        subscribe();
        final var lsp = lsp("odl", "swap-and-forward", 600, "east");
        final var transaction = broker().newWriteOnlyTransaction();
        transaction.merge(CONFIGURATION, lsp.path(), lsp.node());
        done(transaction.commit());
        check(read(CONFIGURATION, lsp.path()).equals(Optional.of(lsp.node())), "read back: %s",
            read(CONFIGURATION, lsp.path()));
        return "";
    }

    private final LinkedBlockingQueue<DOMNotification> notifications = new LinkedBlockingQueue<>();

    private void subscribe() {
        service(DOMNotificationService.class).registerNotificationListener(notifications::add,
            Absolute.of(data.name("ietf-netconf-notifications", "netconf-config-change")));
    }

    private String notified() throws Exception {
        final var notification = notifications.poll(SECONDS, TimeUnit.SECONDS);
        check(notification != null, "no netconf-config-change within %d s", SECONDS);
        final var text = notification.getBody().prettyTree().get();
        // The LSP came with its container, which is therefore what was created.
        for (var want : new String[] {"username = \"admin\"", "operation = \"create\"", "mtp-lsp", "lsps"}) {
            check(text.contains(want), "no %s in %s", want, text);
        }
        return "netconf-config-change";
    }

    private String replace() throws Exception {
        final var lsp = lsp("odl", "swap-and-forward", 601, "east");
        final var transaction = broker().newWriteOnlyTransaction();
        transaction.put(CONFIGURATION, lsp.path(), lsp.node());
        done(transaction.commit());
        check(read(CONFIGURATION, lsp.path()).equals(Optional.of(lsp.node())), "read back: %s",
            read(CONFIGURATION, lsp.path()));
        return "";
    }

    private String leafref() throws Exception {
        final var lsp = lsp("bad", "swap-and-forward", 602, "nowhere");
        return refused("data-missing", "nowhere", lsp.path(),
            transaction -> transaction.merge(CONFIGURATION, lsp.path(), lsp.node()));
    }

    private String must() throws Exception {
        final var before = read(CONFIGURATION, data.path(data.name("mtp-node", "mpls-tp")));
        final var lsp = lsp("bad", "pop-and-lookup", 603, "east");
        final var seen = refused("operation-failed", "an LSP that ends at this node has no out-segment", lsp.path(),
            transaction -> transaction.merge(CONFIGURATION, lsp.path(), lsp.node()));
        check(read(CONFIGURATION, data.path(data.name("mtp-node", "mpls-tp"))).equals(before), "running has changed");
        return seen;
    }

    private String deleteMissing() throws Exception {
        final var path = lsp("missing", "swap-and-forward", 604, "east").path();
        return refused("data-missing", "", path, transaction -> transaction.delete(CONFIGURATION, path));
    }

    private String cancel() throws Exception {
        final var lsp = lsp("cancelled", "swap-and-forward", 605, "east");
        final var transaction = broker().newWriteOnlyTransaction();
        transaction.merge(CONFIGURATION, lsp.path(), lsp.node());
        check(transaction.cancel(), "it cannot be cancelled");
        // The next transaction finds the candidate unlocked and without the LSP.
        final var other = lsp("odl", "swap-and-forward", 606, "east");
        final var next = broker().newWriteOnlyTransaction();
        next.put(CONFIGURATION, other.path(), other.node());
        done(next.commit());
        check(read(CONFIGURATION, lsp.path()).isEmpty(), "the LSP of the cancelled transaction is there");
        return "";
    }

    private String rpc() throws Exception {
        final var result = invoke("ietf-netconf-monitoring", "get-schema", "identifier", "mtp-lsp");
        check(result.errors().isEmpty(), "%s", result.errors());
        final var text = ((DOMSource) result.value().body().iterator().next().body()).getNode().getTextContent();
        check(text.startsWith("module mtp-lsp {"), "no module text: %.80s", text);
        return "get-schema of mtp-lsp";
    }

    private String rpcError() throws Exception {
        final var result = invoke("mtp-commits", "get-commit", "commit-id", Uint64.valueOf(4_000_000));
        check(result.errors().size() == 1, "%s", result.errors());
        final var error = result.errors().iterator().next();
        check(error.getTag().elementBody().equals("invalid-value"), "%s", error);
        return error.getTag().elementBody() + ": " + error.getMessage();
    }

    private String delete() throws Exception {
        final var path = lsp("odl", "swap-and-forward", 600, "east").path();
        final var transaction = broker().newWriteOnlyTransaction();
        transaction.delete(CONFIGURATION, path);
        done(transaction.commit());
        check(read(CONFIGURATION, path).isEmpty(), "the LSP is still there");
        return "";
    }

    private String kill() throws Exception {
        element.kill();
        final var event = controller.await(SECONDS);
        check(event.kind() == Controller.Event.Kind.DISCONNECTED, "the node is %s", event.kind());
        check(!controller.mounted(), "the mount point is still there");
        return "";
    }

    private String restart() throws Exception {
        element.start();
        return awaitConnected();
    }

    // What the steps use.

    private record LSP(YangInstanceIdentifier path, NormalizedNode node) { }

    /** A point-to-point LSP of the element; out of a section that there may not be. */
    private LSP lsp(final String name, final String operation, final int label, final String section) throws Exception {
        final var tree = data.parse(("""
            <mpls-tp xmlns="urn:tandem:yang:mtp-node"><lsps xmlns="urn:tandem:yang:mtp-lsp"><static-lsp>
            <name>%s</name><operation>%s</operation>
            <in-segment><incoming-label>%d</incoming-label></in-segment>
            <out-segment><nhlfe-single><outgoing-section>%s</outgoing-section>
            <mpls-label-stack><entry><id>1</id><label>%d</label></entry></mpls-label-stack>
            </nhlfe-single></out-segment>
            </static-lsp></lsps></mpls-tp>""").formatted(name, operation, label, section, label + 1));
        final var lsps = YangInstanceIdentifier.of(new NodeIdentifier(data.name("mtp-lsp", "lsps")),
            new NodeIdentifier(data.name("mtp-lsp", "static-lsp")));
        final var entry = Data.entry(lsps, "name", name);
        final var path = new ArrayList<>(data.path(data.name("mtp-node", "mpls-tp")).getPathArguments());
        path.addAll(entry.getPathArguments());
        return new LSP(YangInstanceIdentifier.of(path), NormalizedNodes.findNode(tree, entry).orElseThrow());
    }

    @FunctionalInterface
    private interface Edit {
        void on(DOMDataTreeWriteTransaction transaction);
    }

    /** A transaction that must fail with an error tag and a message, and leave nothing at a path. */
    private String refused(final String tag, final String message, final YangInstanceIdentifier path, final Edit edit)
            throws Exception {
        final var transaction = broker().newWriteOnlyTransaction();
        edit.on(transaction);
        try {
            done(transaction.commit());
        } catch (ExecutionException e) {
            final var error = Throwables.getCausalChain(e).stream()
                .filter(NetconfDocumentedException.class::isInstance).map(NetconfDocumentedException.class::cast)
                .findFirst().orElseThrow(() -> new AssertionError("no error of the element", e));
            final var text = error.getMessage();
            check(error.getErrorTag().elementBody().equals(tag), "tag %s: %s", error.getErrorTag().elementBody(), text);
            check(text.contains(message), "%s", text);
            check(read(CONFIGURATION, path).isEmpty(), "it is there all the same");
            return tag + ": " + text.substring(text.indexOf("failed. ") + 8).replaceAll("\\s+", " ");
        }
        throw new AssertionError("accepted");
    }

    private DOMRpcResult invoke(final String module, final String rpc, final String leaf, final Object value)
            throws Exception {
        final ContainerNode input = ImmutableNodes.newContainerBuilder()
            .withNodeIdentifier(new NodeIdentifier(data.name(module, "input")))
            .withChild(ImmutableNodes.leafNode(data.name(module, leaf), value)).build();
        return done(service(DOMRpcService.class).invokeRpc(data.name(module, rpc), input));
    }

    private DOMDataBroker broker() {
        return service(DOMDataBroker.class);
    }

    private <T extends DOMService<T, E>, E extends DOMService.Extension<T, E>> T service(final Class<T> type) {
        return controller.mount().getService(type).orElseThrow(
            () -> new AssertionError("the mount point has no " + type.getSimpleName()));
    }

    private Optional<NormalizedNode> read(final LogicalDatastoreType store, final YangInstanceIdentifier path)
            throws Exception {
        try (var transaction = broker().newReadOnlyTransaction()) {
            return done(transaction.read(store, path));
        }
    }

    private static <T> T done(final Future<T> future) throws Exception {
        return future.get(SECONDS, TimeUnit.SECONDS);
    }

    /** Counts the leaves of one tree, all of which another must have with the same values. */
    private static int contained(final NormalizedNode want, final NormalizedNode have,
            final YangInstanceIdentifier path) {
        if (!(want.body() instanceof Collection<?> children)) {
            check(want.equals(have), "%s is %s, not %s", path, have.body(), want.body());
            return 1;
        }
        var leaves = 0;
        for (var child : children) {
            final var node = (NormalizedNode) child;
            final var there = NormalizedNodes.findNode(have, node.name());
            check(there.isPresent(), "%s has no %s", path, node.name());
            leaves += contained(node, there.orElseThrow(), path.node(node.name()));
        }
        return leaves;
    }

    private static void check(final boolean holds, final String otherwise, final Object... args) {
        if (!holds) {
            throw new AssertionError(otherwise.formatted(args));
        }
    }
}
