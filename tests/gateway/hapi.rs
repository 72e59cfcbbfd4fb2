//! A real peer: HAPI HL7 v2 sends a thousand messages, many at once over one connection, in the
//! clear, over TLS and over mutual TLS.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Site, tls::Certificates};
use crate::support::ok;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/HapiSender.java");
const COUNT: usize = 1_000;

/// The folder of HAPI's jars.
fn jars() -> Option<PathBuf> {
    let Ok(xtask) = std::env::var("BEDWATCH_XTASK") else {
        eprintln!("SKIPPED HAPI HL7 v2: BEDWATCH_XTASK is not set (cargo xtask test sets it)");
        return None;
    };
    let found = ok(Command::new(xtask).args(["peers", "hl7v2"]).stdin(Stdio::null()));
    Some(PathBuf::from(String::from_utf8(found.stdout).unwrap().trim()))
}

/// Runs the program against a site and gives its exit status.
fn send(jars: &Path, site: &Site, first: usize, tls: &[PathBuf]) -> std::process::Output {
    Command::new("java")
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(jars.join("*"))
        .arg(PROGRAM)
        .args(["localhost", &site.mllp().port().to_string(), &COUNT.to_string(), "64", &first.to_string()])
        .args(tls)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Every message of one run is in Kafka, once, under its patient.
fn all_once(site: &Site, first: usize) {
    let records = site.stored(&site.topics.hl7v2);
    let mut ids: Vec<usize> = records
        .iter()
        .map(|r| {
            let text = String::from_utf8(r.payload.clone()).unwrap();
            let id: usize = text.split('|').nth(9).unwrap().strip_prefix("hapi-").unwrap().parse().unwrap();
            assert_eq!(r.key, Some(format!("patient-{}", id % 7)));
            id
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (first..first + COUNT).collect::<Vec<_>>());
    assert!(site.stored(&site.topics.dead_letter).is_empty());
}

fn accepted(output: &std::process::Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert_eq!(said.trim(), format!("{COUNT} accepted"));
    println!("HAPI: {}, {}", said.trim(), errors.trim());
}

#[test]
fn a_thousand_messages_from_hapi_in_the_clear() {
    let Some(jars) = jars() else { return };
    let site = Site::start(|_| {});
    accepted(&send(&jars, &site, 1, &[]));
    all_once(&site, 1);
    site.stop();
}

#[test]
fn a_thousand_messages_from_hapi_over_tls_and_mutual_tls() {
    let Some(jars) = jars() else { return };
    let files = Certificates::make("gateway-tls");
    let tls = |c: &mut bedwatch::config::Config| {
        c.gateway.tls.certificate = files.path("server.pem");
        c.gateway.tls.key = files.path("server.key");
    };
    let site = Site::start(tls);
    accepted(&send(&jars, &site, 5_000, &[files.path("authority.pem")]));
    all_once(&site, 5_000);
    site.stop();

    let site = Site::start(|c| {
        tls(c);
        c.gateway.tls.client_authorities = files.path("authority.pem");
    });
    let shown = ["authority.pem", "client.pem", "client.key"].map(|f| files.path(f));
    accepted(&send(&jars, &site, 9_000, &shown));
    all_once(&site, 9_000);
    site.stop();
}
