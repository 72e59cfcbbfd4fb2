//! `bedwatch feedback export`: what people said of alerts, beside the alerts, for training.
//!
//! The words come from the feedback topic, or from a recording; the alerts from their topic, or from a
//! replay. Rows are as confidential as the records they come from.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use bedwatch_ingest::{Record, feedback};
use bedwatch_schemas::{
    alert::Alert,
    event::{Event, Stream},
    time::{ArrivalTime, Span},
};
use clap::Subcommand;

use crate::{
    answers,
    config::Config,
    recording,
    release::{self, Release},
    terminal,
    topic::Topic,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Writes one row for each thing said, with the alert it was said of.
    Export(Export),
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Out of Kafka: the feedback and the alerts topics as they are now.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "file", required_unless_present = "file")]
    kafka: Option<String>,
    /// Out of a recording (records.jsonl, or its folder), with --alerts.
    #[arg(long, requires = "alerts")]
    file: Option<PathBuf>,
    /// The alerts of a replay (alerts.ndjson).
    #[arg(long, requires = "file")]
    alerts: Option<PathBuf>,
    /// Where the rows go: .ndjson or .parquet.
    #[arg(long)]
    out: PathBuf,
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    #[command(flatten)]
    release: release::Args,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Export(args) = command;
    let mut config = super::load_config(args.config.as_ref())?;
    if let Some(bootstrap) = &args.kafka {
        config.kafka.bootstrap.clone_from(bootstrap);
    }
    let release = Release::open(&config, &args.release)?;
    let write: fn(&[answers::Row], &Path) -> anyhow::Result<()> =
        match args.out.extension().and_then(|e| e.to_str()) {
            Some("ndjson") => answers::write_ndjson,
            Some("parquet") => answers::write_parquet,
            _ => bail!("--out ends in .ndjson or .parquet"),
        };
    let (alerts, mut said) = match (&args.kafka, &args.file, &args.alerts) {
        (Some(_), ..) => from_kafka(&config)?,
        (None, Some(file), Some(alerts)) => (alerts_of(alerts)?, said_in(file, &config)?),
        _ => bail!("say where from: --kafka HOST:PORT, or --file RECORDS with --alerts ALERTS"),
    };
    if let Some(mut gate) = release.gate() {
        said.events.retain(|event| gate.admits(event));
        release.note("", &mut gate);
    }
    // A subscription may tell the same twice.
    let mut joined = answers::join(&alerts, &said.events);
    let all = joined.len();
    joined.dedup();
    let repeats = all - joined.len();
    let rows = release.answers(joined);
    write(&rows, &args.out).with_context(|| format!("{} cannot be written", args.out.display()))?;
    let count = [("answers", rows.len() as u64)].into();
    release.write_manifest(&Release::beside(&args.out), &count)?;
    let labels = rows.iter().filter(|r| r.right.is_some()).count();
    let strangers = rows.iter().filter(|r| r.kind.is_none()).count();
    terminal::note(&format!(
        "{} rows, {labels} of them labels, {strangers} without their alert, {repeats} repeats left out, {} messages rejected; in {}",
        rows.len(),
        said.rejected,
        args.out.display()
    ));
    Ok(())
}

/// What was said, and how many messages could not be read.
#[derive(Default)]
struct Said {
    events: Vec<Event>,
    rejected: usize,
}

impl Said {
    fn take(&mut self, record: &Record<'_>, tolerance: Span) {
        let decoded = feedback::decode(record, tolerance);
        self.rejected += decoded.rejections.len();
        self.events.extend(decoded.events);
    }
}

fn alerts_of(path: &Path) -> anyhow::Result<Vec<Alert>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = BufReader::new(file).lines().enumerate();
    lines
        .map(|(i, line)| {
            let place = || format!("line {} of {} is no alert", i + 1, path.display());
            serde_json::from_str(&line?).with_context(place)
        })
        .collect()
}

fn said_in(path: &Path, config: &Config) -> anyhow::Result<Said> {
    let path = if path.is_dir() { path.join(recording::FILE) } else { path.to_owned() };
    let file = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut said = Said::default();
    let mut offset = -1;
    for record in recording::read(BufReader::new(file)) {
        let record = record?;
        if record.stream == Stream::Feedback {
            offset += 1;
            let (key, payload) = (record.key.as_deref(), &record.payload[..]);
            let record =
                Record { stream: Stream::Feedback, partition: 0, offset, arrival: record.at, key, payload };
            said.take(&record, config.ingest.future_tolerance);
        }
    }
    Ok(said)
}

fn from_kafka(config: &Config) -> anyhow::Result<(Vec<Alert>, Said)> {
    let mut alerts = Vec::new();
    Topic::open(config, &config.kafka.topics.alerts)?.read(Stream::Feedback, |record| {
        let alert = serde_json::from_slice(&record.payload);
        alerts.push(alert.context("a message of the alerts topic is no alert")?);
        Ok(())
    })?;
    let mut said = Said::default();
    Topic::open(config, &config.kafka.topics.feedback)?.read(Stream::Feedback, |record| {
        said.take(&record.as_record(ArrivalTime::from_millis(0)), config.ingest.future_tolerance);
        Ok(())
    })?;
    Ok((alerts, said))
}
