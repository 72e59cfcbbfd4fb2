//! `bedwatch record`: what Kafka holds, as a recording that `replay` reads and `replay --verify` checks.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{clock::SystemClock, recording::capture, terminal};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The broker, in place of the configuration's.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Where records.jsonl, alerts.ndjson, withheld.ndjson and captured.json go. They are as confidential as the topics.
    #[arg(long)]
    out: PathBuf,
    /// Prints the counts as one line of JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Records between two lines about the work.
const EVERY: u64 = 250_000;

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = super::load_config(args.config.as_ref())?;
    if let Some(bootstrap) = &args.kafka {
        config.kafka.bootstrap.clone_from(bootstrap);
    }
    let told = AtomicU64::new(0);
    let progress = |records: u64| {
        if records / EVERY > told.swap(records / EVERY, Ordering::Relaxed) {
            terminal::note(&format!("{records} records"));
        }
    };
    let captured = capture::capture(&config, &SystemClock::default(), &args.out, &progress)?;
    terminal::note(&format!(
        "{} records, {} alert messages and {} entries of the ledger in {}",
        captured.records,
        captured.alerts,
        captured.withheld,
        args.out.display()
    ));
    if captured.expired > 0 {
        terminal::note(&format!(
            "{} earlier records are no longer in the topics: what was decided with their help cannot be decided again",
            captured.expired
        ));
    }
    if captured.late_to_cell > 0 || captured.out_of_order > 0 {
        terminal::note(&format!(
            "{} records came late to their cell and {} are stamped behind one before them in their partition: the live engine may have put these into other cells, and what it decided there can differ",
            captured.late_to_cell, captured.out_of_order
        ));
    }
    if args.json {
        terminal::result(&serde_json::to_string(&captured)?);
    }
    Ok(())
}
