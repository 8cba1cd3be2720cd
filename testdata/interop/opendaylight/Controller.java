import java.nio.file.Path;
import java.security.KeyPair;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.opendaylight.aaa.encrypt.AAAEncryptionService;
import org.opendaylight.mdsal.dom.api.DOMMountPoint;
import org.opendaylight.mdsal.dom.broker.DOMMountPointServiceImpl;
import org.opendaylight.netconf.client.NetconfClientFactoryImpl;
import org.opendaylight.netconf.client.mdsal.DeviceActionFactoryImpl;
import org.opendaylight.netconf.client.mdsal.NetconfDeviceSchema;
import org.opendaylight.netconf.client.mdsal.api.NetconfSessionPreferences;
import org.opendaylight.netconf.client.mdsal.api.RemoteDeviceServices;
import org.opendaylight.netconf.client.mdsal.impl.DefaultBaseNetconfSchemaProvider;
import org.opendaylight.netconf.client.mdsal.impl.DefaultSchemaResourceManager;
import org.opendaylight.netconf.client.mdsal.spi.NetconfDeviceSalFacade;
import org.opendaylight.netconf.common.di.DefaultNetconfTimer;
import org.opendaylight.netconf.topology.spi.AbstractNetconfTopology;
import org.opendaylight.netconf.topology.spi.NetconfClientConfigurationBuilderFactoryImpl;
import org.opendaylight.netconf.topology.spi.NetconfNodeHandler;
import org.opendaylight.netconf.topology.spi.NetconfNodeUtils;
import org.opendaylight.netconf.topology.spi.NetconfTopologySchemaAssembler;
import org.opendaylight.yang.gen.v1.urn.ietf.params.xml.ns.yang.ietf.inet.types.rev130715.Host;
import org.opendaylight.yang.gen.v1.urn.ietf.params.xml.ns.yang.ietf.inet.types.rev130715.IpAddress;
import org.opendaylight.yang.gen.v1.urn.ietf.params.xml.ns.yang.ietf.inet.types.rev130715.Ipv4Address;
import org.opendaylight.yang.gen.v1.urn.ietf.params.xml.ns.yang.ietf.inet.types.rev130715.PortNumber;
import org.opendaylight.yang.gen.v1.urn.opendaylight.netconf.device.rev251028.credentials.credentials.KeyAuthBuilder;
import org.opendaylight.yang.gen.v1.urn.opendaylight.netconf.device.rev251028.credentials.credentials.key.auth.KeyBasedBuilder;
import org.opendaylight.yang.gen.v1.urn.opendaylight.netconf.node.topology.rev251103.netconf.node.augment.NetconfNode;
import org.opendaylight.yang.gen.v1.urn.opendaylight.netconf.node.topology.rev251103.netconf.node.augment.NetconfNodeBuilder;
import org.opendaylight.yang.gen.v1.urn.tbd.params.xml.ns.yang.network.topology.rev131021.NodeId;
import org.opendaylight.yangtools.yang.common.Decimal64;
import org.opendaylight.yangtools.yang.common.Uint16;
import org.opendaylight.yangtools.yang.common.Uint32;
import org.opendaylight.yangtools.yang.data.api.YangInstanceIdentifier;
import org.opendaylight.yangtools.yang.parser.impl.DefaultYangParserFactory;

/**
 * OpenDaylight's NETCONF topology with one node, wired as its own topology application does: the node's handler
 * connects, reconnects and assembles the schemas; what it finds becomes a mount point.
 */
final class Controller implements AutoCloseable {
    /** One thing that happened to the node; failure is null unless the handler gave up. */
    record Event(Kind kind, NetconfDeviceSchema schema, NetconfSessionPreferences session, Throwable failure) {
        enum Kind { CONNECTED, DISCONNECTED, FAILED }
    }

    private final DefaultNetconfTimer timer = new DefaultNetconfTimer();
    private final NetconfClientFactoryImpl clients = new NetconfClientFactoryImpl(timer);
    private final NetconfTopologySchemaAssembler assembler = new NetconfTopologySchemaAssembler(2);
    private final DOMMountPointServiceImpl mounts = new DOMMountPointServiceImpl();
    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final NetconfNodeHandler handler;
    private final YangInstanceIdentifier path;

    /** Records what happens to the node after it has happened to the mount point. */
    private final class Facade extends NetconfDeviceSalFacade {
        Facade(final NetconfNode node) {
            super(NetconfNodeUtils.toRemoteDeviceId(ID, node), mounts, path, node.requireLockDatastore());
        }

        @Override
        public synchronized void onDeviceConnected(final NetconfDeviceSchema schema,
                final NetconfSessionPreferences session, final RemoteDeviceServices services) {
            super.onDeviceConnected(schema, session, services);
            events.add(new Event(Event.Kind.CONNECTED, schema, session, null));
        }

        @Override
        public synchronized void onDeviceDisconnected() {
            super.onDeviceDisconnected();
            events.add(new Event(Event.Kind.DISCONNECTED, null, null, null));
        }

        @Override
        public synchronized void onDeviceFailed(final Throwable failure) {
            super.onDeviceFailed(failure);
            events.add(new Event(Event.Kind.FAILED, null, null, failure));
        }
    }

    private static final NodeId ID = new NodeId("tandem");
    private static final String KEY_ID = "admin";

    /** A controller that mounts the element on a port of the loopback address; modules are cached below dir. */
    @SuppressWarnings("removal") // The path of the topology application, which has no other name yet.
    Controller(final int port, final KeyPair key, final Path dir) {
        final var parser = new DefaultYangParserFactory();
        final var node = node(port);
        final var id = NetconfNodeUtils.toRemoteDeviceId(ID, node);
        path = NetconfNodeUtils.defaultTopologyMountPath(id);
        final var configurations = new NetconfClientConfigurationBuilderFactoryImpl(new NoPasswords(),
            name -> KEY_ID.equals(name) ? key : null,
            specification -> {
                throw new IllegalArgumentException("this node is reached over SSH");
            });
        handler = new NetconfNodeHandler(clients, timer, new DefaultBaseNetconfSchemaProvider(parser),
            new DefaultSchemaResourceManager(parser, dir.toString(), "schema"), assembler, configurations,
            new DeviceActionFactoryImpl(), new Facade(node), id, ID, node, null,
            AbstractNetconfTopology.defaultSshParams());
    }

    void connect() {
        handler.connect();
    }

    /** Waits for the next event. */
    Event await(final long seconds) throws InterruptedException {
        final var event = events.poll(seconds, TimeUnit.SECONDS);
        if (event == null) {
            throw new IllegalStateException("nothing happened to the node within " + seconds + " s");
        }
        return event;
    }

    /** The mount point, which exists while the node is connected. */
    DOMMountPoint mount() {
        return mounts.getMountPoint(path).orElseThrow(() -> new IllegalStateException("the node is not mounted"));
    }

    boolean mounted() {
        return mounts.getMountPoint(path).isPresent();
    }

    @Override
    public void close() {
        handler.close();
        assembler.close();
        clients.close();
        timer.close();
    }

    /** The node's configuration: the model's defaults, but a short back-off. */
    private static NetconfNode node(final int port) {
        return new NetconfNodeBuilder()
            .setHost(new Host(new IpAddress(new Ipv4Address("127.0.0.1"))))
            .setPort(new PortNumber(Uint16.valueOf(port)))
            .setCredentials(new KeyAuthBuilder().setKeyBased(
                new KeyBasedBuilder().setUsername("admin").setKeyId(KEY_ID).build()).build())
            .setTcpOnly(false)
            .setSchemaless(false)
            .setReconnectOnChangedSchema(true)
            .setLockDatastore(true)
            .setSchemaCacheDirectory("schema")
            .setConnectionTimeoutMillis(Uint32.valueOf(20_000))
            .setDefaultRequestTimeoutMillis(Uint32.valueOf(60_000))
            .setMaxConnectionAttempts(Uint32.ZERO)
            .setMinBackoffMillis(Uint16.valueOf(100))
            .setMaxBackoffMillis(Uint32.valueOf(500))
            .setBackoffMultiplier(Decimal64.valueOf("1.5"))
            .setBackoffJitter(Decimal64.valueOf("0.1"))
            .setKeepaliveDelay(Uint32.valueOf(5))
            .setConcurrentRpcLimit(Uint16.ZERO)
            .build();
    }

    /** The node has a key; there is nothing to decrypt. */
    private static final class NoPasswords implements AAAEncryptionService {
        @Override
        public byte[] encrypt(final byte[] data) {
            throw new UnsupportedOperationException();
        }

        @Override
        public byte[] decrypt(final byte[] data) {
            throw new UnsupportedOperationException();
        }
    }
}
