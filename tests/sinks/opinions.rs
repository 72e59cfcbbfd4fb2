//! What others say of the messages themselves: HAPI's FHIR validator with the R4 definitions, and
//! hl7apy.

use std::process::{Command, Stdio};

use bedwatch_alerts::render::{fhir, pcd, samples};
use bedwatch_schemas::alert::Alert;

use super::peers::{jars, java};
use crate::support::{Folder, ok, peer};

/// The samples, and some that hospitals and models would rather not write.
fn alerts() -> Vec<Alert> {
    let mut all = samples::all();
    let mut hostile = all[0].clone();
    hostile.sequence = 90;
    hostile.rationale.text =
        "</div><script>x</script>\u{0}\u{1c}\r\nOBX|9|NM|a^b&c~d\\e \u{1F9E0} ".to_owned();
    hostile.decision.by.version = "1|2^3&4<5>".to_owned();
    let mut bare = all[1].clone();
    (bare.sequence, bare.encounter, bare.location) = (91, None, None);
    (bare.evidence.facts, bare.evidence.missing) = (Vec::new(), Vec::new());
    let mut odd = all[2].clone();
    odd.sequence = 92;
    odd.evidence.facts[0].value = f64::NAN;
    odd.evidence.facts[1].value = -1.234_567_890_123_456_7e-9;
    all.extend([hostile, bare, odd]);
    all
}

#[test]
fn the_hapi_fhir_validator_finds_no_error_in_alerts_of_every_kind_and_phase() {
    let Some(jars) = jars("HAPI FHIR validator", "fhir") else { return };
    let folder = Folder::new("sinks-bundles");
    let names = fhir::Names {
        base: "http://127.0.0.1:8080/fhir".to_owned(),
        patients: "https://bedwatch.org/fhir/NamingSystem/patient".to_owned(),
        encounters: "https://bedwatch.org/fhir/NamingSystem/encounter".to_owned(),
    };
    let alerts = alerts();
    assert!(alerts.len() >= 100);
    for alert in &alerts {
        let file = format!("{}-{}-{}.json", alert.kind.name(), alert.id, alert.sequence);
        std::fs::write(folder.join(&file), fhir::bundle(alert, &names)).unwrap();
    }
    let output =
        java(&jars, "BundleValidator.java", "-Xmx1500m").arg(folder.path()).stdin(Stdio::null()).output();
    let output = output.unwrap();
    let (said, aside) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{aside}");
    assert!(output.status.success(), "{said}");
    assert_eq!(said.trim(), format!("{} bundles, 0 errors", alerts.len()));
    println!("HAPI FHIR validator: {}", said.trim());
}

#[test]
fn hl7apy_reads_every_alert_and_writes_it_alike() {
    let Some(packages) = peer("hl7apy", "hl7apy") else { return };
    let folder = Folder::new("sinks-er7");
    let names = pcd::Names {
        sending_application: "BEDWATCH".to_owned(),
        sending_facility: "ICU".to_owned(),
        receiving_application: "AM".to_owned(),
        receiving_facility: "HOSPITAL".to_owned(),
        authority: "BEDWATCH".to_owned(),
    };
    let alerts = alerts();
    for alert in &alerts {
        std::fs::write(folder.join(&format!("{}.hl7", pcd::control_id(alert))), pcd::message(alert, &names))
            .unwrap();
    }
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sinks/hl7apy_check.py");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).arg(program).arg(folder.path()).stdin(Stdio::null());
    let output = ok(&mut command);
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), format!("{} messages", alerts.len()));
}
