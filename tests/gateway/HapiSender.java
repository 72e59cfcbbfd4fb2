// A real peer: HAPI HL7 v2 sends messages over MLLP, many at once over one connection, and checks
// every acknowledgement. Arguments: host, port, count, threads, first number, and for TLS the
// authority's certificate, and for mutual TLS a certificate chain and a PKCS #8 key, all in PEM.

import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.app.Connection;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.util.SocketFactory;
import ca.uhn.hl7v2.util.Terser;
import java.io.FileInputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class HapiSender {
    public static void main(String[] args) throws Exception {
        String host = args[0];
        int port = Integer.parseInt(args[1]);
        int count = Integer.parseInt(args[2]);
        int threads = Integer.parseInt(args[3]);
        int first = Integer.parseInt(args[4]);
        boolean tls = args.length > 5;
        DefaultHapiContext context = new DefaultHapiContext();
        if (tls) {
            context.setSocketFactory(new Tls(args));
        }
        Connection connection = context.newClient(host, port, tls);
        connection.getInitiator().setTimeout(60, java.util.concurrent.TimeUnit.SECONDS);
        long begun = System.nanoTime();
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        List<Future<String>> answers = new ArrayList<>();
        for (int i = first; i < first + count; i++) {
            Message message = message(i);
            answers.add(pool.submit(() -> code(message, connection.getInitiator().sendAndReceive(message))));
        }
        int accepted = 0;
        for (Future<String> answer : answers) {
            String code = answer.get();
            if (code.equals("AA")) {
                accepted++;
            } else {
                System.err.println("not accepted: " + code);
            }
        }
        System.err.println((System.nanoTime() - begun) / 1_000_000 + " ms for all answers");
        pool.shutdown();
        connection.close();
        context.close();
        System.out.println(accepted + " accepted");
        System.exit(accepted == count ? 0 : 1);
    }

    /// The acknowledgement code, once the answer is found to be this message's.
    private static String code(Message sent, Message answer) throws Exception {
        Terser said = new Terser(answer);
        String id = new Terser(sent).get("/MSH-10");
        if (!id.equals(said.get("/MSA-2"))) {
            return "an answer to " + said.get("/MSA-2");
        }
        if (!"BEDWATCH".equals(said.get("/MSH-3")) || !"HAPI".equals(said.get("/MSH-5"))) {
            return "an answer from or to another";
        }
        return said.get("/MSA-1");
    }

    private static Message message(int i) throws Exception {
        String now = ZonedDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyyMMddHHmmss")) + "+0000";
        boolean admission = i % 10 == 0;
        Message message;
        if (admission) {
            ca.uhn.hl7v2.model.v25.message.ADT_A01 adt = new ca.uhn.hl7v2.model.v25.message.ADT_A01();
            adt.initQuickstart("ADT", "A01", "P");
            message = adt;
        } else {
            ca.uhn.hl7v2.model.v26.message.ORU_R01 oru = new ca.uhn.hl7v2.model.v26.message.ORU_R01();
            oru.initQuickstart("ORU", "R01", "P");
            message = oru;
        }
        Terser t = new Terser(message);
        t.set("/MSH-3", "HAPI");
        t.set("/MSH-4", "TEST");
        t.set("/MSH-5", "BEDWATCH");
        t.set("/MSH-7", now);
        t.set("/MSH-10", "hapi-" + i);
        String patient = "patient-" + i % 7;
        String name = "M\u00fcller & S\u00f6hne ^ | \\";
        t.set("/MSH-18", "UNICODE UTF-8");
        if (admission) {
            t.set("/EVN-2", now);
            t.set("/PID-3", patient);
            t.set("/PID-5-1", name);
            t.set("/PV1-2", "I");
            t.set("/PV1-3-1", "ICU");
            t.set("/PV1-3-3", String.valueOf(i % 7));
            return message;
        }
        t.set("/PATIENT_RESULT/PATIENT/PID-3", patient);
        t.set("/PATIENT_RESULT/PATIENT/PID-5-1", name);
        t.set("/PATIENT_RESULT/ORDER_OBSERVATION/OBR-1", "1");
        t.set("/PATIENT_RESULT/ORDER_OBSERVATION/OBR-4-1", "vitals");
        t.set("/PATIENT_RESULT/ORDER_OBSERVATION/OBR-7", now);
        ca.uhn.hl7v2.model.v26.message.ORU_R01 oru = (ca.uhn.hl7v2.model.v26.message.ORU_R01) message;
        ca.uhn.hl7v2.model.v26.segment.OBX obx =
            oru.getPATIENT_RESULT().getORDER_OBSERVATION().getOBSERVATION().getOBX();
        obx.getSetIDOBX().setValue("1");
        obx.getValueType().setValue("NM");
        obx.getObservationIdentifier().getIdentifier().setValue("8867-4");
        obx.getObservationIdentifier().getNameOfCodingSystem().setValue("LN");
        ca.uhn.hl7v2.model.v26.datatype.NM value = new ca.uhn.hl7v2.model.v26.datatype.NM(message);
        value.setValue(String.valueOf(60 + i % 40));
        obx.getObservationValue(0).setData(value);
        obx.getUnits().getIdentifier().setValue("/min");
        obx.getObservationResultStatus().setValue("F");
        obx.getDateTimeOfTheObservation().setValue(now);
        return message;
    }

    /// Sockets that trust one authority and show a certificate of their own where one is given.
    private static final class Tls implements SocketFactory {
        private final SSLContext context;

        Tls(String[] args) throws Exception {
            CertificateFactory certificates = CertificateFactory.getInstance("X.509");
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            try (FileInputStream pem = new FileInputStream(args[5])) {
                trusted.setCertificateEntry("authority", certificates.generateCertificate(pem));
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted);
            KeyManagerFactory keys = null;
            if (args.length > 7) {
                KeyStore own = KeyStore.getInstance(KeyStore.getDefaultType());
                own.load(null, null);
                Certificate[] chain;
                try (FileInputStream pem = new FileInputStream(args[6])) {
                    chain = certificates.generateCertificates(pem).toArray(new Certificate[0]);
                }
                String text = Files.readString(Path.of(args[7])).replaceAll("-----[A-Z ]+-----|\\s", "");
                PrivateKey key = KeyFactory.getInstance("EC")
                    .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
                own.setKeyEntry("own", key, new char[0], chain);
                keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
                keys.init(own, new char[0]);
            }
            context = SSLContext.getInstance("TLS");
            context.init(keys == null ? null : keys.getKeyManagers(), trust.getTrustManagers(), null);
        }

        @Override
        public Socket createSocket() {
            return new Socket();
        }

        @Override
        public ServerSocket createServerSocket() {
            throw new UnsupportedOperationException("this peer only sends");
        }

        @Override
        public Socket createTlsSocket() throws java.io.IOException {
            return context.getSocketFactory().createSocket();
        }

        @Override
        public ServerSocket createTlsServerSocket() {
            throw new UnsupportedOperationException("this peer only sends");
        }

        @Override
        public void configureNewAcceptedSocket(Socket socket) {
        }
    }
}
