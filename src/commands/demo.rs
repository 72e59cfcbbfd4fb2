//! `bedwatch demo`: a simulated ward, an in-process broker, the engine and the ward page.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, bail};
use bedwatch_inference::{check, lexicon::Lexicon};
use bedwatch_ingest::kafka::{
    Properties, Topics,
    embedded::Broker,
    sink::{self, Sink},
};
use bedwatch_replay_data::simulator::{ScenarioPlan, Ward, WardConfig};
use bedwatch_schemas::{
    NOTICE,
    alert::{Alert, Phase},
    rationale::RationaleSource,
    time::{EventTime, Span},
};
use serde::Serialize;

use super::run::{serve, shared};
use crate::{
    feed,
    live::{Live, Shared, Summary},
    recorder::{Latency, Received, Recorder, count_by},
    setup,
    terminal::{self, Lines},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Beds of the ward.
    #[arg(long, default_value_t = 8)]
    beds: usize,
    /// How long to watch.
    #[arg(long = "for", value_parser = super::duration, default_value = "60s")]
    length: Span,
    /// The ward's seed.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Address of the ward page; `off` for none.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    /// The last line on standard output is one JSON object.
    #[arg(long)]
    json: bool,
    /// Hours of history sent before the live part.
    #[arg(long, value_parser = super::duration, default_value = "24h")]
    history: Span,
    /// A configuration for the engine; its broker is not used.
    #[arg(long)]
    config: Option<PathBuf>,
}

/// Bytes sent ahead of the reader: whatever their topics, fewer than a partition of the in-process
/// broker keeps.
const AHEAD_BYTES: u64 = 4 << 20;
/// The partitions of each topic.
const PARTITIONS: i32 = 2;

#[derive(Serialize)]
struct Report {
    events_in: u64,
    events_by_stream: BTreeMap<&'static str, u64>,
    alerts_out: u64,
    alerts_by_kind: BTreeMap<&'static str, u64>,
    alerts_by_phase: BTreeMap<&'static str, u64>,
    rationales_model: u64,
    rationales_template: u64,
    template_reasons: BTreeMap<&'static str, u64>,
    dead_letters: u64,
    latency_ms: Latency,
    live: LiveShare,
    unsupported_claims: u64,
    offset_gaps: u64,
    late_to_cell: u64,
    beds: usize,
    seed: u64,
    notice: &'static str,
}

/// Who wrote the rationales of clinical alerts raised live: the history's do not count, and neither
/// do technical, updated and resolved alerts, which the template always tells.
#[derive(Serialize)]
struct LiveShare {
    rationales_model: u64,
    rationales_template: u64,
}

impl LiveShare {
    fn of(received: &[Received], start: EventTime) -> Self {
        let from = start.as_arrival_time();
        let live = || {
            received.iter().map(|r| (r.triggered, &r.alert)).filter(|(at, alert)| {
                *at >= from && alert.phase == Phase::Raised && !alert.kind.is_technical()
            })
        };
        let by_model = |alert: &Alert| matches!(alert.rationale.source, RationaleSource::Model(_));
        let model = live().filter(|(_, alert)| by_model(alert)).count() as u64;
        Self { rationales_model: model, rationales_template: live().count() as u64 - model }
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = super::load_config(args.config.as_ref())?;
    let topics = Topics::default();
    let broker = Broker::start(&topics, PARTITIONS)?;
    broker.bootstrap().clone_into(&mut config.kafka.bootstrap);
    config.kafka.topics = topics.clone();
    config.kafka.instance = None;
    // The simulator is still writing the history while it is read: a stream that pauses is not at its end.
    config.engine.settle_millis = config.engine.settle_millis.max(SETTLE_MILLIS);
    terminal::note(NOTICE);
    let models = setup::models(&config)?;
    let lines = if args.json { Lines::Stderr } else { Lines::Stdout };
    let shared = shared(Arc::new(move |told| terminal::alert(lines, &told.alert)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    config.http.listen = if args.listen == "off" { String::new() } else { args.listen.clone() };
    serve(&runtime, &config, &shared)?;
    let recorder = Recorder::start(broker.bootstrap(), &topics.alerts, shared.clock.clone())?;
    let writer = models.writer.clone();
    let live = Live::start(&config, models, shared.clone())?;
    let stop = shared.stop.clone();
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let engine = std::thread::Builder::new().name("engine".to_owned()).spawn(move || live.run())?;
    let start = feed_ward(args, broker.bootstrap(), &topics, &shared);
    // Whatever happened to the feeding, the engine ends cleanly and says what it has seen.
    if start.is_ok() {
        settle(&shared);
    }
    shared.stop.store(true, Ordering::Relaxed);
    let summary = engine.join().map_err(|_| anyhow::anyhow!("the engine's thread panicked"))??;
    let received = recorder.finish()?;
    let report = report(args, &summary, &received, start?, writer.lexicon());
    say(args, &report)?;
    if report.offset_gaps > 0 {
        bail!("{} records vanished in the in-process broker before they were read", report.offset_gaps);
    }
    Ok(())
}

/// How long a stream of the history may pause, ms.
const SETTLE_MILLIS: i64 = 1_500;

/// Feeds the ward and returns when its live part began.
fn feed_ward(args: &Args, bootstrap: &str, topics: &Topics, shared: &Shared) -> anyhow::Result<EventTime> {
    let sink = Sink::connect(&sink::Config {
        bootstrap: bootstrap.to_owned(),
        topics: topics.clone(),
        properties: Properties::default(),
    })?;
    let start = feed::live_start(&*shared.clock, args.beds, args.history);
    let mut ward = Ward::new(WardConfig {
        beds: args.beds,
        seed: args.seed,
        start,
        history: args.history,
        scenarios: ScenarioPlan::Demo,
        eeg: true,
        waveforms: true,
    })?;
    let hours = args.history.as_hours_f64();
    terminal::note(&format!("{} beds; sending {hours:.0} h of their history", args.beds));
    let mut pace = Pace { shared, sent: Vec::new() };
    let sent = feed::history(&mut ward, start, args.history, &sink, &mut |sizes| pace.keep(sizes))?;
    let begun = shared.clock.now().as_event_time();
    let behind = begun.since(start);
    if behind > Span::ZERO {
        terminal::note(&format!("the history took {:.1} s longer than foreseen", behind.as_secs_f64()));
    }
    terminal::note(&format!(
        "{sent} records of history read; the ward is live for {:.0} s",
        args.length.as_secs_f64()
    ));
    let stopped = || shared.stop.load(Ordering::Relaxed);
    feed::live(&mut ward, start, start.max(begun) + args.length, &sink, &*shared.clock, &stopped)?;
    sink.flush(Duration::from_secs(10))?;
    Ok(start.max(begun))
}

/// Holds the feeding back while the reader is far behind: the in-process broker keeps only so much.
struct Pace<'a> {
    shared: &'a Shared,
    /// Bytes sent up to and with each record.
    sent: Vec<u64>,
}

impl Pace<'_> {
    fn keep(&mut self, sizes: &[usize]) -> anyhow::Result<()> {
        for size in sizes {
            self.sent.push(self.sent.last().unwrap_or(&0) + *size as u64);
        }
        let mut waited = Duration::ZERO;
        let pause = Duration::from_millis(2);
        while self.ahead() > AHEAD_BYTES {
            if self.shared.stop.load(Ordering::Relaxed) {
                bail!("stopped while the history was being sent");
            }
            if waited > Duration::from_secs(60) {
                bail!("the engine has not read the history for a minute");
            }
            std::thread::sleep(pause);
            waited += pause;
        }
        Ok(())
    }

    fn ahead(&self) -> u64 {
        let folded = usize::try_from(self.shared.folded.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let read = folded.checked_sub(1).map_or(0, |i| self.sent[i.min(self.sent.len() - 1)]);
        self.sent.last().unwrap_or(&0) - read
    }
}

/// Lets the last samples become alerts: two deadlines long.
fn settle(shared: &Shared) {
    let from = shared.clock.now();
    while shared.clock.now().since(from) < Span::millis(1_500) && !shared.stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn report(
    args: &Args,
    summary: &Summary,
    received: &[Received],
    start: EventTime,
    lexicon: &Lexicon,
) -> Report {
    let unsupported = received
        .iter()
        .filter_map(|r| check::check(&r.alert.rationale.text, r.alert.kind, &r.alert.evidence, lexicon).err())
        .map(|faults| faults.len() as u64)
        .sum();
    let is_model = |r: &&Received| matches!(r.alert.rationale.source, RationaleSource::Model(_));
    let reasons = received.iter().filter_map(|r| match &r.alert.rationale.source {
        RationaleSource::Template(reason) if !r.alert.phase.ends() => Some(reason),
        _ => None,
    });
    let events: BTreeMap<&'static str, u64> =
        summary.counters.events.iter().map(|(stream, n)| (stream.name(), *n)).collect();
    let model = received.iter().filter(is_model).count() as u64;
    Report {
        events_in: events.values().sum(),
        events_by_stream: events,
        alerts_out: received.len() as u64,
        alerts_by_kind: count_by(received, |r| r.alert.kind.name()),
        alerts_by_phase: count_by(received, |r| r.alert.phase.name()),
        rationales_model: model,
        rationales_template: received.len() as u64 - model,
        template_reasons: count_by(reasons, |r| r.name()),
        dead_letters: summary.counters.dead_letters,
        latency_ms: Latency::of(received, start.as_arrival_time()),
        live: LiveShare::of(received, start),
        unsupported_claims: unsupported,
        offset_gaps: summary.gaps,
        late_to_cell: summary.late_to_cell,
        beds: args.beds,
        seed: args.seed,
        notice: NOTICE,
    }
}

fn say(args: &Args, report: &Report) -> anyhow::Result<()> {
    if args.json {
        terminal::result(&serde_json::to_string(report).context("the summary cannot be written")?);
        return Ok(());
    }
    let list = |counts: &BTreeMap<&'static str, u64>| {
        counts.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
    };
    let l = &report.latency_ms;
    terminal::result("");
    terminal::result(&format!("events in        {} ({})", report.events_in, list(&report.events_by_stream)));
    terminal::result(&format!("alerts out       {} ({})", report.alerts_out, list(&report.alerts_by_kind)));
    terminal::result(&format!(
        "rationales       {} by the model, {} by template; {} unsupported claims",
        report.rationales_model, report.rationales_template, report.unsupported_claims
    ));
    terminal::result(&format!("dead letters     {}", report.dead_letters));
    terminal::result(&format!(
        "sample to alert  median {:.0} ms, 99th centile {:.0} ms, longest {:.0} ms over {} alerts",
        l.p50, l.p99, l.max, l.count
    ));
    Ok(())
}
