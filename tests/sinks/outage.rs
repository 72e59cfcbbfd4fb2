//! Each sink cut off and back, with the receivers of others: HAPI HL7 v2 over MLLP, HAPI's FHIR
//! server, a webhook. In the gate the cut lasts two seconds; `BEDWATCH_OUTAGE_SECS=60` makes it a
//! minute.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use bedwatch_alerts::render::is_over;
use bedwatch_schemas::{alert::Alert, time::ArrivalTime};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::{
    Site, all_in_order, name,
    peers::{Receiver, jars},
    ward,
    webhook::{self, Hook},
};
use crate::support::Folder;

/// A wire that can be cut: what is under way breaks off, nothing connects.
struct Wire {
    cut: watch::Sender<bool>,
    address: SocketAddr,
}

impl Wire {
    fn to(runtime: &tokio::runtime::Runtime, peer: SocketAddr) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, seen) = watch::channel(false);
        runtime.spawn(async move {
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let mut seen = seen.clone();
                if *seen.borrow() {
                    continue; // dropped: reset
                }
                tokio::spawn(async move {
                    let Ok(mut there) = TcpStream::connect(peer).await else { return };
                    here.set_nodelay(true).unwrap();
                    there.set_nodelay(true).unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
                        _ = seen.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { cut, address }
    }
}

/// The three receivers: what each has taken, and when.
struct Receivers {
    hl7v2: Receiver,
    fhir: Receiver,
    hook: Hook,
}

const SINKS: [&str; 3] = ["fhir", "hl7v2", "webhook"];

impl Receivers {
    /// Message names in the order taken.
    fn taken(&self, sink: &str) -> Vec<(ArrivalTime, String)> {
        let first = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
        match sink {
            "fhir" => self.fhir.lines().iter().map(|(at, line)| (*at, first(line))).collect(),
            "hl7v2" => {
                let back = |id: String| id.rsplit_once('-').map(|(id, n)| format!("{id}/{n}")).unwrap();
                self.hl7v2.lines().iter().map(|(at, line)| (*at, back(first(line)))).collect()
            }
            _ => self
                .hook
                .received
                .lock()
                .unwrap()
                .accepted
                .iter()
                .map(|(at, id, _)| (*at, id.clone()))
                .collect(),
        }
    }
}

/// Publishes at an even pace over at least so long; the messages and when each was published.
fn publish(site: &Site, alerts: &[Alert], over: Duration) -> BTreeMap<String, ArrivalTime> {
    let pause = over / u32::try_from(alerts.len()).unwrap();
    alerts
        .iter()
        .map(|alert| {
            let at = site.clock.now();
            site.publish(alert);
            site.runtime.block_on(async { tokio::time::sleep(pause).await });
            (name(alert), at)
        })
        .collect()
}

/// The 99th percentile of the time from publishing to the receiver, ms.
fn p99(published: &BTreeMap<String, ArrivalTime>, taken: &[(ArrivalTime, String)]) -> f64 {
    let mut times: BTreeMap<&str, f64> = BTreeMap::new();
    for (at, message) in taken {
        if let Some(from) = published.get(message) {
            times.entry(message).or_insert(at.since(*from).as_secs_f64() * 1e3);
        }
    }
    let mut times: Vec<f64> = times.into_values().collect();
    times.sort_by(f64::total_cmp);
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[test]
fn a_sink_cut_off_loses_nothing_and_holds_up_no_other() {
    let test = "sinks cut off";
    let (Some(hl7v2), Some(fhir)) = (jars(test, "hl7v2"), jars(test, "fhir")) else { return };
    let secs = std::env::var("BEDWATCH_OUTAGE_SECS").map_or(2, |text| text.parse().unwrap());
    let over = Duration::from_secs(secs);
    let folder = Folder::new("sinks-outage");
    let mut site = Site::start(|_| {});
    let (hook, hook_address) = Hook::start(&site.runtime);
    let receivers = Arc::new(Receivers {
        hl7v2: Receiver::start(&hl7v2, "HapiReceiver.java"),
        fhir: Receiver::start(&fhir, "FhirServer.java"),
        hook,
    });
    let wires: BTreeMap<&str, Wire> =
        [("fhir", receivers.fhir.address), ("hl7v2", receivers.hl7v2.address), ("webhook", hook_address)]
            .map(|(sink, peer)| (sink, Wire::to(&site.runtime, peer)))
            .into();
    site.config.sinks.fhir.url = format!("http://{}/fhir", wires["fhir"].address);
    site.config.sinks.hl7v2.address = wires["hl7v2"].address.to_string();
    webhook::configure(&mut site.config, &folder, wires["webhook"].address);
    let sinks = site.sinks();
    assert_eq!(sinks.names(), SINKS);
    let has = |sink: &str, all: &[Alert]| {
        let taken: Vec<String> = receivers.taken(sink).into_iter().map(|(_, m)| m).collect();
        all.iter().all(|a| taken.contains(&name(a)))
    };
    let mut published = ward("warm");
    published.iter().for_each(|a| site.publish(a));
    SINKS.iter().for_each(|sink| site.until(sink, || has(sink, &published)));
    // The figures to compare with.
    let whole = ward("whole");
    let times = publish(&site, &whole, over);
    SINKS.iter().for_each(|sink| site.until(sink, || has(sink, &whole)));
    let before: BTreeMap<&str, f64> = SINKS.map(|s| (s, p99(&times, &receivers.taken(s)))).into();
    published.extend(whole);
    for cut in SINKS {
        wires[cut].cut.send_replace(true);
        let these = ward(&format!("cut-{cut}"));
        let times = publish(&site, &these, over);
        for other in SINKS.iter().filter(|s| **s != cut) {
            // While the one is still cut off.
            site.until(other, || has(other, &these));
            let (was, is) = (before[other], p99(&times, &receivers.taken(other)));
            println!("{cut} cut off for {secs} s: {other} p99 {is:.1} ms, before {was:.1} ms");
        }
        assert!(!has(cut, &these), "{cut} was not cut off");
        wires[cut].cut.send_replace(false);
        site.until(cut, || has(cut, &these));
        published.extend(these);
    }
    site.runtime.block_on(sinks.stop());
    for sink in SINKS {
        let taken: Vec<String> = receivers.taken(sink).into_iter().map(|(_, m)| m).collect();
        all_in_order(&published, &taken);
        println!("{sink}: {} messages published, {} taken", published.len(), taken.len());
        let letters = format!("bedwatch_sink_dead_letters_total{{reason=\"refused\",sink=\"{sink}\"}}");
        assert_eq!(site.metric(&letters), 0);
    }
    facets_are_read(&published, &receivers);
    let Ok(receivers) = Arc::try_unwrap(receivers).map_err(drop) else { panic!("still shared") };
    receivers.hl7v2.finish();
    let held = receivers.fhir.finish().pop().unwrap();
    let risks = published.iter().filter(|a| is_over(a.phase) && !a.kind.is_technical()).count();
    println!("HAPI FHIR server {held}");
    assert!(held.contains(&format!("RiskAssessment={risks}")), "{held}");
    assert!(held.contains(&format!("Communication={}", published.len())), "{held}");
}

/// HAPI HL7 v2 reads what was meant: patient, episode, phase, state and priority.
fn facets_are_read(published: &[Alert], receivers: &Receivers) {
    let alerts: BTreeMap<String, &Alert> =
        published.iter().map(|a| (format!("{}-{}", a.id, a.sequence), a)).collect();
    for (_, line) in receivers.hl7v2.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let alert = alerts[fields[0]];
        assert_eq!((fields[1], fields[2]), (alert.patient.as_str(), alert.id.to_string().as_str()));
        let facet = |n: &str| {
            let facet = fields.iter().find_map(|f| f.strip_prefix(&format!("1.0.0.1.{n}=")));
            facet.unwrap_or_else(|| panic!("no facet {n}: {line}")).to_owned()
        };
        use bedwatch_schemas::alert::{Phase, Priority};
        let phase = match alert.phase {
            Phase::Raised => "start",
            Phase::Updated | Phase::Acknowledged => "update",
            Phase::Escalated => "escalate",
            Phase::Resolved | Phase::Expired => "end",
        };
        assert_eq!(facet("3"), phase);
        assert_eq!(facet("4"), if is_over(alert.phase) { "inactive" } else { "active" });
        assert_eq!(facet("5") == "alarm-acknowledged", alert.phase == Phase::Acknowledged);
        let priority = match alert.priority {
            Priority::High => "PH",
            Priority::Medium => "PM",
            Priority::Low => "PL",
        };
        assert_eq!(facet("6"), priority);
        assert!(facet("1").ends_with(&alert.rationale.text), "{line}");
        assert_eq!(fields.len() - 3, 7 + alert.evidence.facts.len());
    }
}
