// A real peer: HAPI HL7 v2 receives alerts over MLLP, parses each as ORU^R40 of HL7 v2.6 with its
// data type rules on, acknowledges it, and prints one line: control id, patient, and the value of
// every facet. Argument: the port. The line "listening" comes first.

import ca.uhn.hl7v2.AcknowledgmentCode;
import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.app.HL7Service;
import ca.uhn.hl7v2.llp.MinLowerLayerProtocol;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.model.v26.group.ORU_R01_OBSERVATION;
import ca.uhn.hl7v2.model.v26.group.ORU_R01_ORDER_OBSERVATION;
import ca.uhn.hl7v2.model.v26.message.ORU_R01;
import ca.uhn.hl7v2.model.v26.segment.OBX;
import ca.uhn.hl7v2.parser.DefaultModelClassFactory;
import ca.uhn.hl7v2.protocol.ReceivingApplication;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

public class HapiReceiver {
    /// HL7 v2.6 has no structure ORU_R40; the profile gives it that of ORU_R01.
    static class Profile extends DefaultModelClassFactory {
        @Override
        public Class<? extends Message> getMessageClass(String name, String version, boolean explicit)
                throws HL7Exception {
            return super.getMessageClass(name.equals("ORU_R40") ? "ORU_R01" : name, version, explicit);
        }
    }

    public static void main(String[] args) throws Exception {
        DefaultHapiContext context = new DefaultHapiContext(new Profile());
        // The character set is what MSH-18 says.
        context.setLowerLayerProtocol(new MinLowerLayerProtocol(true));
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8));
        HL7Service server = context.newServer(Integer.parseInt(args[0]), false);
        server.registerApplication("ORU", "R40", new Alerts());
        server.startAndWait();
        System.out.println("listening");
        // Ends with whoever started it.
        while (System.in.read() >= 0) {}
        System.exit(0);
    }

    static class Alerts implements ReceivingApplication<Message> {
        public boolean canProcess(Message message) {
            return true;
        }

        public Message processMessage(Message message, Map<String, Object> metadata) throws HL7Exception {
            try {
                String line = read((ORU_R01) message);
                synchronized (System.out) {
                    System.out.println(line);
                }
                return message.generateACK();
            } catch (Exception error) {
                System.err.println(error);
                try {
                    return message.generateACK(AcknowledgmentCode.AR, new HL7Exception(error));
                } catch (java.io.IOException io) {
                    throw new HL7Exception(io);
                }
            }
        }

        String read(ORU_R01 message) throws Exception {
            StringBuilder out = new StringBuilder(message.getMSH().getMessageControlID().getValue());
            if (message.getPATIENT_RESULTReps() != 1) {
                throw new HL7Exception("not one patient");
            }
            out.append('\t').append(message.getPATIENT_RESULT().getPATIENT().getPID()
                    .getPatientIdentifierList(0).getIDNumber().getValue());
            if (message.getPATIENT_RESULT().getORDER_OBSERVATIONReps() != 1) {
                throw new HL7Exception("not one alert");
            }
            ORU_R01_ORDER_OBSERVATION order = message.getPATIENT_RESULT().getORDER_OBSERVATION();
            out.append('\t').append(order.getOBR().getFillerOrderNumber().getEntityIdentifier().getValue());
            for (ORU_R01_OBSERVATION observation : order.getOBSERVATIONAll()) {
                OBX obx = observation.getOBX();
                if (obx.getObservationValueReps() > 1) {
                    throw new HL7Exception("more than one value");
                }
                String value = String.valueOf(obx.getObservationValue(0).getData());
                out.append('\t').append(obx.getObservationSubID().getValue()).append('=').append(value);
            }
            return out.toString();
        }
    }
}
