// A real peer: HAPI FHIR's plain server on Jetty takes transaction Bundles. It parses strictly,
// stores what is PUT, insists that every reference within a transaction leads to something, and
// prints one line for each transaction: the Communication's identifier and the Flag's status. On
// end of input it prints how many resources of each type it holds and how many PUTs changed nothing.
// Argument: the port.

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.rest.annotation.Transaction;
import ca.uhn.fhir.rest.annotation.TransactionParam;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import java.util.TreeMap;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.Communication;
import org.hl7.fhir.r4.model.Flag;
import org.hl7.fhir.r4.model.Resource;

public class FhirServer {
    static final TreeMap<String, String> store = new TreeMap<>();
    static int unchanged = 0;

    public static void main(String[] args) throws Exception {
        FhirContext context = FhirContext.forR4();
        context.setParserErrorHandler(new StrictErrorHandler());
        RestfulServer fhir = new RestfulServer(context);
        fhir.registerProvider(new Transactions(context));
        Server server = new Server(Integer.parseInt(args[0]));
        ServletContextHandler handler = new ServletContextHandler();
        handler.addServlet(new ServletHolder(fhir), "/fhir/*");
        server.setHandler(handler);
        server.start();
        System.out.println("listening");
        while (System.in.read() >= 0) {}
        TreeMap<String, Integer> counts = new TreeMap<>();
        synchronized (store) {
            store.keySet().forEach(k -> counts.merge(k.substring(0, k.indexOf('/')), 1, Integer::sum));
        }
        System.out.println("holds " + counts + " unchanged " + unchanged);
        System.exit(0);
    }

    public static class Transactions {
        private final FhirContext context;

        Transactions(FhirContext context) {
            this.context = context;
        }

        @Transaction
        public Bundle transaction(@TransactionParam Bundle bundle) {
            Bundle answer = new Bundle();
            answer.setType(Bundle.BundleType.TRANSACTIONRESPONSE);
            String line = "";
            synchronized (store) {
                for (Bundle.BundleEntryComponent entry : bundle.getEntry()) {
                    Resource resource = entry.getResource();
                    String name = resource.fhirType() + "/" + resource.getIdElement().getIdPart();
                    if (entry.getRequest().getMethod() != Bundle.HTTPVerb.PUT || !entry.getRequest().getUrl().equals(name)) {
                        throw new InvalidRequestException("not a PUT of " + name);
                    }
                    String text = context.newJsonParser().encodeResourceToString(resource);
                    String before = store.put(name, text);
                    if (text.equals(before)) {
                        unchanged++;
                    }
                    answer.addEntry().getResponse().setStatus(before == null ? "201 Created" : "200 OK").setLocation(name);
                    if (resource instanceof Communication c) {
                        line = c.getIdentifierFirstRep().getValue() + line;
                    } else if (resource instanceof Flag f) {
                        line = line + "\t" + f.getStatus().toCode();
                    }
                }
                for (Bundle.BundleEntryComponent entry : bundle.getEntry()) {
                    for (var reference : context.newTerser().getAllPopulatedChildElementsOfType(entry.getResource(), org.hl7.fhir.r4.model.Reference.class)) {
                        if (reference.hasReference() && !store.containsKey(reference.getReferenceElement().toUnqualifiedVersionless().getValue())) {
                            throw new InvalidRequestException("leads nowhere: " + reference.getReference());
                        }
                    }
                }
                System.out.println(line);
            }
            return answer;
        }
    }
}
