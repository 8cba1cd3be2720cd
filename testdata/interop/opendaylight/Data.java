import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.dom.DOMSource;
import org.opendaylight.yangtools.yang.common.QName;
import org.opendaylight.yangtools.yang.common.XMLNamespace;
import org.opendaylight.yangtools.yang.data.api.YangInstanceIdentifier;
import org.opendaylight.yangtools.yang.data.api.YangInstanceIdentifier.NodeIdentifier;
import org.opendaylight.yangtools.yang.data.api.YangInstanceIdentifier.NodeIdentifierWithPredicates;
import org.opendaylight.yangtools.yang.data.api.schema.NormalizedNode;
import org.opendaylight.yangtools.yang.data.codec.xml.XmlParserStream;
import org.opendaylight.yangtools.yang.data.impl.schema.ImmutableNormalizedNodeStreamWriter;
import org.opendaylight.yangtools.yang.data.impl.schema.NormalizationResultHolder;
import org.opendaylight.yangtools.yang.model.api.EffectiveModelContext;
import org.opendaylight.yangtools.yang.model.util.SchemaInferenceStack;
import org.w3c.dom.Element;

/** Names, paths and data in terms of the modules that the element serves. */
record Data(EffectiveModelContext model) {
    /** The name of a node of a module, in the one revision that is served. */
    QName name(final String module, final String node) {
        final var found = model.findModules(module);
        if (found.size() != 1) {
            throw new IllegalStateException(found.size() + " revisions of module " + module);
        }
        return QName.create(found.iterator().next().getQNameModule(), node);
    }

    YangInstanceIdentifier path(final QName... containers) {
        return YangInstanceIdentifier.of(Stream.of(containers).map(NodeIdentifier::new).toList());
    }

    /** The path of an entry of a list with one key. */
    static YangInstanceIdentifier entry(final YangInstanceIdentifier list, final String key, final Object value) {
        final var name = list.getLastPathArgument().getNodeType();
        return list.node(NodeIdentifierWithPredicates.of(name, Map.of(QName.create(name, key), value)));
    }

    /** Reads one top-level container. */
    NormalizedNode parse(final String xml) throws Exception {
        return parse(document(new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8))));
    }

    /** Reads the containers within the root element of a document, in their order. */
    List<NormalizedNode> parseAll(final Path document) throws Exception {
        final var containers = new ArrayList<NormalizedNode>();
        try (var in = Files.newInputStream(document)) {
            for (var node = document(in).getFirstChild(); node != null; node = node.getNextSibling()) {
                if (node instanceof Element element) {
                    containers.add(parse(element));
                }
            }
        }
        return containers;
    }

    private static Element document(final InputStream in) throws Exception {
        final var factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(in).getDocumentElement();
    }

    private NormalizedNode parse(final Element element) throws Exception {
        final var module = model.findModules(XMLNamespace.of(element.getNamespaceURI())).iterator().next();
        final var stack = SchemaInferenceStack.of(model);
        stack.enterDataTree(QName.create(module.getQNameModule(), element.getLocalName()));
        final var holder = new NormalizationResultHolder();
        try (var writer = ImmutableNormalizedNodeStreamWriter.from(holder);
             var parser = XmlParserStream.create(writer, stack.toInference())) {
            parser.traverse(new DOMSource(element));
        }
        return holder.result().data();
    }
}
