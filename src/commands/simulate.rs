//! `bedwatch simulate`: the ward simulator into Kafka (in real time) or into a folder (a recording).

use std::{io::Write, path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use bedwatch_ingest::kafka::{
    Topics,
    sink::{self, Sink},
};
use bedwatch_replay_data::simulator::{ScenarioPlan, Ward, WardConfig};
use bedwatch_schemas::time::{EventTime, Span};

use crate::{
    clock::{Clock, SystemClock},
    feed, recording, terminal,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Beds.
    #[arg(long, default_value_t = 8)]
    beds: usize,
    /// How long the live part lasts.
    #[arg(long = "for", value_parser = super::duration, default_value = "60s")]
    length: Span,
    /// Hours of history before the live part.
    #[arg(long, value_parser = super::duration, default_value = "24h")]
    history: Span,
    /// The seed: the same seed gives the same bytes.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Into Kafka: history at once, then in real time.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "out")]
    kafka: Option<String>,
    /// Into a folder, as fast as it goes; the ward starts at 2026-01-01.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out the waveforms.
    #[arg(long)]
    no_waveforms: bool,
}

/// The start of a ward that is written to a folder.
const FIXED_START_MICROS: i64 = 1_767_225_600_000_000;

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    match (&args.kafka, &args.out) {
        (Some(bootstrap), None) => into_kafka(args, bootstrap),
        (None, Some(out)) => into_folder(args, out),
        _ => bail!("say where to: --kafka HOST:PORT or --out DIR"),
    }
}

fn ward(args: &Args, start: EventTime) -> anyhow::Result<Ward> {
    let config = WardConfig {
        beds: args.beds,
        seed: args.seed,
        start,
        history: args.history,
        scenarios: ScenarioPlan::Demo,
        eeg: !args.no_waveforms,
        waveforms: !args.no_waveforms,
    };
    Ok(Ward::new(config)?)
}

fn into_kafka(args: &Args, bootstrap: &str) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let sink = Sink::connect(&sink::Config {
        bootstrap: bootstrap.to_owned(),
        topics: Topics::default(),
        properties: bedwatch_ingest::kafka::Properties::default(),
    })?;
    let start = feed::live_start(&*clock, args.beds, args.history);
    let mut ward = ward(args, start)?;
    terminal::note("sending the history");
    let history = feed::history(&mut ward, start, args.history, &sink, &mut |_| Ok(()))?;
    terminal::note(&format!("{history} records of history sent; live from {start}"));
    let live = feed::live(&mut ward, start, start + args.length, &sink, &*clock, &|| false)?;
    let counts = sink.flush(std::time::Duration::from_secs(30)).context("Kafka did not take everything")?;
    terminal::note(&format!("{live} live records sent, {} delivered in all", counts.delivered));
    Ok(())
}

fn into_folder(args: &Args, out: &std::path::Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("the folder {} cannot be made", out.display()))?;
    let start = EventTime::from_micros(FIXED_START_MICROS);
    let mut ward = ward(args, start)?;
    let path = out.join(recording::FILE);
    let file =
        std::fs::File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    let mut writer = std::io::BufWriter::new(file);
    let (mut records, mut out) = (0_u64, Vec::new());
    let mut until = start - args.history;
    while until < start + args.length {
        until = (until + Span::minutes(1)).min(start + args.length);
        out.clear();
        ward.next_until(until, &mut out);
        for record in out.drain(..) {
            let key = Some(record.key.as_str().to_owned());
            let record = recording::Recorded {
                stream: record.stream,
                at: record.at,
                key,
                payload: record.payload,
                place: None,
            };
            recording::write(&record, &mut writer)?;
            records += 1;
        }
    }
    writer.flush()?;
    terminal::note(&format!("{records} records written to {}", path.display()));
    Ok(())
}
