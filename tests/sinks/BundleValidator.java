// A real peer: the HAPI FHIR validator with its R4 definitions reads every Bundle of a folder.
// Prints each error with its file and place; exits with 1 when there is one. Argument: the folder.

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport.IssueSeverity;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

public class BundleValidator {
    public static void main(String[] args) throws Exception {
        FhirContext context = FhirContext.forR4();
        // LOINC and our own code systems are not at hand: a code of theirs is a warning.
        UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
        unknown.setNonExistentCodeSystemSeverity(IssueSeverity.WARNING);
        ValidationSupportChain chain = new ValidationSupportChain(
                new DefaultProfileValidationSupport(context),
                new CommonCodeSystemsTerminologyService(context),
                new InMemoryTerminologyServerValidationSupport(context),
                unknown);
        FhirValidator validator = context.newValidator();
        validator.registerValidatorModule(new FhirInstanceValidator(chain));
        List<Path> files;
        try (Stream<Path> listed = Files.list(Path.of(args[0]))) {
            files = listed.filter(p -> p.toString().endsWith(".json")).sorted().collect(Collectors.toList());
        }
        int errors = 0;
        TreeMap<String, Integer> warnings = new TreeMap<>();
        for (Path file : files) {
            for (SingleValidationMessage m : validator.validateWithResult(Files.readString(file)).getMessages()) {
                if (m.getSeverity() == ResultSeverityEnum.ERROR || m.getSeverity() == ResultSeverityEnum.FATAL) {
                    errors++;
                    System.out.println(file.getFileName() + ": " + m.getLocationString() + ": " + m.getMessage());
                } else if (m.getSeverity() == ResultSeverityEnum.WARNING) {
                    warnings.merge(m.getMessage().replaceAll("'[^']*'", "'_'"), 1, Integer::sum);
                }
            }
        }
        warnings.forEach((text, n) -> System.err.println("warning x" + n + ": " + text));
        System.out.println(files.size() + " bundles, " + errors + " errors");
        System.exit(errors == 0 ? 0 : 1);
    }
}
