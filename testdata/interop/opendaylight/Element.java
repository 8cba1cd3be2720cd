import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PublicKey;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.opendaylight.netconf.shaded.sshd.common.config.keys.PublicKeyEntry;

/** A tandemd process of our own on the loopback address, with one state directory over all its starts. */
final class Element implements AutoCloseable {
    private final List<String> command = new ArrayList<>();
    private final Path log;
    private final int port;
    private Process process;

    /**
     * Prepares an element; nothing runs yet.
     *
     * @param tandemd the daemon and further flags of it
     * @param dir directory for state, key and log
     * @param admin key of the administrator
     */
    Element(final List<String> tandemd, final Path dir, final PublicKey admin) throws IOException {
        port = freePort();
        log = dir.resolve("tandemd.log");
        final var key = Files.writeString(dir.resolve("admin.pub"), PublicKeyEntry.toString(admin) + "\n");
        command.addAll(tandemd);
        command.addAll(List.of("--state-dir", dir.resolve("state").toString(), "--admin-key", key.toString(),
            "--netconf-listen", "127.0.0.1:" + port, "--gnmi-listen", "127.0.0.1:" + freePort()));
    }

    int port() {
        return port;
    }

    /** Starts the daemon. It need not be ready when this returns: a controller tries again until it is. */
    void start() throws IOException {
        process = new ProcessBuilder(command).redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile())).start();
    }

    /** Ends the daemon with SIGKILL. */
    void kill() throws InterruptedException, ExecutionException, TimeoutException {
        process.destroyForcibly().onExit().get(10, TimeUnit.SECONDS);
    }

    @Override
    public void close() throws InterruptedException, ExecutionException, TimeoutException {
        if (process != null && process.isAlive()) {
            process.destroy();
            process.onExit().get(20, TimeUnit.SECONDS);
        }
    }

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }
}
