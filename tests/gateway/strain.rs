//! Slow, silent, endless and too many peers.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use bedwatch_ingest::kafka::{Topics, embedded::Broker};

use super::{Sender, Site, oru, told};
use crate::support::{Folder, bedwatch};

#[test]
fn a_thousand_silent_sockets_do_not_hold_up_the_next() {
    let site = Site::start(|_| {});
    let silent: Vec<Sender> = (0..1_000).map(|_| Sender::connect(site.mllp())).collect();
    site.until("bedwatch_gateway_connections{protocol=\"mllp\"}", 1_000);
    let mut next = Sender::connect(site.mllp());
    assert_eq!(next.ask(&oru("1", "p1", "80")).0, "AA");
    // And each of them would still be heard.
    let mut last = silent.into_iter().next_back().unwrap();
    assert_eq!(last.ask(&oru("2", "p1", "80")).0, "AA");
    site.stop();
}

#[test]
fn over_the_cap_slow_and_idle_peers_are_let_go_and_counted() {
    let site = Site::start(|c| {
        c.gateway.mllp.connections = 2;
        c.gateway.mllp.frame_timeout_secs = 1;
        c.gateway.mllp.idle_secs = 2;
    });
    let ended =
        |how: &str| format!("bedwatch_gateway_connections_ended_total{{how=\"{how}\",protocol=\"mllp\"}}");
    let mut slow = Sender::connect(site.mllp());
    let mut idle = Sender::connect(site.mllp());
    site.until("bedwatch_gateway_connections{protocol=\"mllp\"}", 2);
    let mut third = Sender::connect(site.mllp());
    assert_eq!(third.answer(), None);
    assert_eq!(site.metric(&ended("over_the_cap")), 1);
    slow.socket.write_all(b"\x0bMSH|").unwrap();
    assert_eq!(slow.answer(), None);
    site.until(&ended("frame_slow"), 1);
    assert_eq!(idle.answer(), None);
    site.until(&ended("idle"), 1);
    // Their places are free again.
    assert_eq!(Sender::connect(site.mllp()).ask(&oru("1", "p1", "80")).0, "AA");
    site.stop();
}

#[test]
fn frames_that_break_off_and_stray_bytes_are_counted_and_the_stream_goes_on() {
    let site = Site::start(|_| {});
    let mut sender = Sender::connect(site.mllp());
    sender.socket.write_all(b"\r\nGET / HTTP/1.1\r\n\x0bMSH|^~\\&|half a mess").unwrap();
    assert_eq!(sender.ask(&oru("1", "p1", "80")).1, "1");
    drop(sender);
    let framing = |what: &str| format!("bedwatch_gateway_mllp_framing_total{{what=\"{what}\"}}");
    site.until(&framing("stray_bytes"), 18);
    assert_eq!((site.metric(&framing("broken")), site.metric(&framing("broken_bytes"))), (1, 20));
    site.stop();
}

#[test]
fn messages_begun_and_not_ended_have_a_bound_together() {
    let site = Site::start(|c| {
        c.gateway.mllp.max_frame_bytes = 1 << 20;
        c.gateway.mllp.max_begun_bytes = 1 << 20;
    });
    let half = vec![b'x'; 600 << 10];
    let mut first = Sender::connect(site.mllp());
    first.socket.write_all(b"\x0bMSH|").unwrap();
    first.socket.write_all(&half).unwrap();
    let mut second = Sender::connect(site.mllp());
    second.socket.write_all(b"\x0bMSH|").unwrap();
    // One of the two is let go, and the other is still heard.
    let _ = second.socket.write_all(&half);
    site.until("bedwatch_gateway_connections_ended_total{how=\"memory\",protocol=\"mllp\"}", 1);
    let mut third = Sender::connect(site.mllp());
    assert_eq!(third.ask(&oru("1", "p1", "80")).0, "AA");
    site.stop();
}

/// The binary as a process of its own.
struct Process {
    child: Child,
    mllp: SocketAddr,
    /// Kept open: a process whose lines nobody reads would end at the next one.
    _said: Box<dyn std::any::Any>,
    _broker: Broker,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn process(folder: &Folder, gateway: &str) -> Process {
    let broker = Broker::start(&Topics::default(), 2).unwrap();
    let config = folder.join("gateway.toml");
    let text = format!("[kafka]\nbootstrap = {:?}\n{gateway}", broker.bootstrap());
    std::fs::write(&config, text).unwrap();
    let mut child = bedwatch()
        .args(["gateway", "--mllp", "127.0.0.1:0", "--fhir", "off", "--listen", "off", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = said.find_map(|l| l.unwrap().strip_prefix("HL7 v2 over MLLP on ").map(str::to_owned)).unwrap();
    Process { child, mllp: line.parse().unwrap(), _said: Box::new(said), _broker: broker }
}

/// A line of /proc/PID/status, in KiB.
fn memory(process: &Process, line: &str) -> u64 {
    let path = format!("/proc/{}/status", process.child.id());
    let status = std::fs::read_to_string(path).unwrap();
    let value = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
    value.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

#[test]
fn a_gigabyte_without_an_end_stays_within_sixteen_mebibytes() {
    let folder = Folder::new("gateway-endless");
    let process = process(&folder, "[gateway.mllp]\nframe_timeout_secs = 600\n");
    let mut sender = Sender::connect(process.mllp);
    assert_eq!(sender.ask(&oru("before", "p1", "80")).0, "AA");
    let before = memory(&process, "VmRSS:");
    sender.socket.write_all(b"\x0bMSH|^~\\&|MON|ICU|BW|H|||ORU^R01|endless|P|2.6\r").unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..1_024 {
        sender.socket.write_all(&block).unwrap();
    }
    sender.socket.write_all(b"\x1c\r").unwrap();
    sender.send(&oru("after", "p1", "80"));
    let (code, id, rest) = told(&sender.answer().unwrap());
    assert_eq!((code.as_str(), id.as_str()), ("AE", "endless"));
    assert!(rest.contains("too_large"), "{rest}");
    assert_eq!(told(&sender.answer().unwrap()).1, "after");
    let peak = memory(&process, "VmHWM:");
    println!("1 GiB without an end: {} KiB before, {peak} KiB at the peak", before);
    assert!(peak < before + (16 << 10), "grew from {before} to {peak} KiB");
}

#[test]
fn asked_to_stop_it_answers_what_it_has_taken() {
    let folder = Folder::new("gateway-stop");
    let mut process = process(&folder, "");
    let mut sender = Sender::connect(process.mllp);
    assert_eq!(sender.ask(&oru("1", "p1", "80")).0, "AA");
    let kill = Command::new("kill").args(["-TERM", &process.child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(sender.answer(), None);
    assert!(process.child.wait().unwrap().success());
}
