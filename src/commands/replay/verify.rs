//! `bedwatch replay --verify RUN`: decides a recorded run again and compares every alert.
//!
//! A log that is not the whole one proves nothing: what was decided after its end would count as decided in
//! the silence after it. So a log out of Kafka must be the one that `record` wrote, and a run of which nobody
//! says how much it read has no such silence: all of its messages must come again.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use bedwatch_schemas::alert::Alert;

use super::Args;
use crate::{
    recording::capture,
    replay::{self, Options, Outcome, Source, verify, versions},
    terminal,
};

/// What is replayed: the given paths, or the recording that lies in the run's folder.
pub(super) fn paths(args: &Args, run: &Path) -> Vec<PathBuf> {
    if args.paths.is_empty() { vec![run.to_owned()] } else { args.paths.clone() }
}

pub(super) fn run(args: &Args, run: &Path, sources: &[Source], options: &Options) -> anyhow::Result<()> {
    let is_live = is_recorded(run, sources, args.paths.is_empty())?;
    let recorded = alerts(&run.join("alerts.ndjson"))?;
    let ours = &options.core.hash;
    if let Some(other) = recorded.iter().find(|a| a.config != *ours) {
        bail!(
            "the run was decided with configuration {} and this is {ours}; give its own with --config",
            other.config
        );
    }
    let moments = verify::Moments::new(&recorded);
    let progress = super::Progress::new(sources.len());
    let outcomes =
        replay::run_with(sources, options, &|outcome: &Outcome| progress.replayed(outcome), &|_, output| {
            Some(moments.tell(output, &options.models.writer))
        })?;
    progress.end();
    let mut replayed: Vec<&Alert> = outcomes.iter().flat_map(|o| &o.alerts).collect();
    replay::sort(&mut replayed);
    whole(run, is_live, &outcomes)?;
    let last = outcomes.iter().filter_map(|o| o.span).map(|(_, last)| last).max();
    if last.is_none() && !recorded.is_empty() {
        bail!("nothing could be decided from the log, and the run has {} alert messages", recorded.len());
    }
    let verdict = verify::compare(&recorded, &replayed, last.filter(|_| is_live))?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("{} cannot be made", args.out.display()))?;
    replay::write_lines(&replayed, &args.out.join("alerts.ndjson"))?;
    let json = serde_json::to_string_pretty(&verdict)? + "\n";
    std::fs::write(args.out.join("verify.json"), json)?;
    if args.json {
        terminal::result(&serde_json::to_string(&verdict)?);
    }
    if !verdict.same {
        bail!("{}; all stand in {}", verdict.sentence(), args.out.join("verify.json").display());
    }
    terminal::note(&verdict.sentence());
    Ok(())
}

/// Whether the run is one out of Kafka: then every source must be the log that was recorded, byte for byte.
fn is_recorded(run: &Path, sources: &[Source], is_alone: bool) -> anyhow::Result<bool> {
    let Some(captured) = capture::summary(run)? else {
        if is_alone {
            bail!(
                "{} has no {}: whether its log is whole cannot be told; record the run again, or name the paths that it read",
                run.display(),
                capture::SUMMARY
            );
        }
        return Ok(false);
    };
    for source in sources {
        let Source::Recording { path, .. } = source else {
            bail!("{} is no recording, and the run read one", source.name());
        };
        let found = capture::blake3_of(path).with_context(|| format!("{} cannot be read", path.display()))?;
        if found != captured.records_blake3 {
            bail!(
                "{} is not the log of {} records that was recorded: it was cut short or changed since",
                path.display(),
                captured.records
            );
        }
    }
    Ok(true)
}

/// Refuses what was not read to its end: of a log any fault, of other sources faults that the run had not,
/// which is to be seen by the sum of what it read.
fn whole(run: &Path, is_live: bool, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let Some((name, fault)) = outcomes.iter().find_map(|o| Some((&o.name, o.faults.first()?))) else {
        return Ok(());
    };
    if !is_live && read_before(run).is_some_and(|data| data == versions::data(outcomes)) {
        return Ok(());
    }
    let faults: usize = outcomes.iter().map(|o| o.faults.len()).sum();
    bail!("not all could be read, so that nothing is verified: {faults} faults, the first in {name}: {fault}")
}

/// The sum of what an earlier replay read.
fn read_before(run: &Path) -> Option<String> {
    let metrics: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("metrics.json")).ok()?).ok()?;
    metrics["versions"]["data"].as_str().map(str::to_owned)
}

fn alerts(path: &Path) -> anyhow::Result<Vec<Alert>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut alerts = Vec::new();
    for (i, line) in BufReader::new(file).lines().enumerate() {
        let alert = serde_json::from_str(&line?);
        alerts.push(alert.with_context(|| format!("line {} of {} is no alert", i + 1, path.display()))?);
    }
    replay::sort(&mut alerts);
    Ok(alerts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording;

    /// A folder in the system's, gone when dropped.
    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn recorded(run: &Path, log: &str) {
        std::fs::write(run.join(recording::FILE), log).unwrap();
        let records_blake3 = capture::blake3_of(&run.join(recording::FILE)).unwrap();
        let captured = capture::Captured { records: 2, records_blake3, ..capture::Captured::default() };
        std::fs::write(run.join(capture::SUMMARY), serde_json::to_string(&captured).unwrap()).unwrap();
    }

    #[test]
    fn a_log_that_is_not_the_recorded_one_is_refused() {
        let whole = "{\"a\": 1}\n{\"a\": 2}\n";
        let cases: [(Option<&str>, Option<&str>); 6] = [
            (Some(whole), None),
            (Some(&whole[..whole.len() - 1]), Some("cut short or changed")),
            (Some("{\"a\": 1}\n"), Some("cut short or changed")),
            (Some(""), Some("cut short or changed")),
            (Some("{\"a\": 1}\n{\"a\": 3}\n"), Some("cut short or changed")),
            (None, Some("cannot be read")),
        ];
        for (log, want) in cases {
            let run = folder();
            recorded(run.path(), whole);
            let path = run.path().join(recording::FILE);
            match log {
                Some(log) => std::fs::write(&path, log).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let sources = [Source::Recording { name: "run".to_owned(), path }];
            match (is_recorded(run.path(), &sources, true), want) {
                (Ok(is_live), None) => assert!(is_live, "{log:?}"),
                (Err(error), Some(want)) => assert!(error.to_string().contains(want), "{log:?}: {error}"),
                (got, _) => panic!("{log:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_folder_without_a_summary_is_verified_only_with_its_paths() {
        let run = folder();
        let path = run.path().join(recording::FILE);
        std::fs::write(&path, "").unwrap();
        let sources = [Source::Recording { name: "run".to_owned(), path }];
        assert!(is_recorded(run.path(), &sources, true).is_err());
        assert!(!is_recorded(run.path(), &sources, false).unwrap());
        std::fs::write(run.path().join(capture::SUMMARY), "{}").unwrap();
        assert!(is_recorded(run.path(), &sources, false).is_err(), "a summary that says nothing");
    }

    #[test]
    fn faults_are_borne_only_where_the_run_read_the_same() {
        let run = folder();
        let mut outcome = replay::outcome::testing::outcome();
        let verdict =
            |is_live, outcome: &Outcome| whole(run.path(), is_live, std::slice::from_ref(outcome)).is_ok();
        assert!(verdict(true, &outcome) && verdict(false, &outcome), "without a fault");
        outcome.faults.push("line 3 of the recording is not a record".to_owned());
        assert!(!verdict(true, &outcome) && !verdict(false, &outcome));
        for (data, is_borne) in
            [(versions::data(std::slice::from_ref(&outcome)), true), ("00".to_owned(), false)]
        {
            let metrics = serde_json::json!({"versions": {"data": data}});
            std::fs::write(run.path().join("metrics.json"), metrics.to_string()).unwrap();
            assert_eq!((verdict(true, &outcome), verdict(false, &outcome)), (false, is_borne));
        }
    }
}
