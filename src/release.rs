//! What leaves for research and training: the gate that every export passes, and the manifest beside it.
//!
//! Consent ([`crate::consent`]) is asked twice. As an operator on the stream, before anything is folded,
//! so that no window, hour or embedding can hold what may not leave; and of every row that is written, by
//! its own times, since a row may also rest on labels and deadlines. Then, if it is wanted, a row loses
//! whose it is ([`crate::deidentify`]). The manifest says by which policy, what was left out and why; it
//! names nobody and holds no key.

mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use bedwatch_ingest::{Record, decode, pseudonym::Pseudonyms};
use bedwatch_schemas::{evidence::Evidence, ids::PatientId, time::EventTime};
use serde::Serialize;

use crate::{
    answers,
    config::Config,
    consent::{Consents, Gate, Merged, Policy, Reason, Statement, Withdrawn, list},
    deidentify::{Deidentifier, OLDEST},
    replay::{Input, Source},
    secrets,
};

/// What the command line says of a release; it wins over `[research]` of the configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Consents: FHIR R4 Consent (JSON or NDJSON), or a list (patient,from,decision). Several files are
    /// one. Without any, nobody is asked.
    #[arg(long, value_name = "FILE")]
    consent: Vec<PathBuf>,
    /// What holds for a patient who has said nothing: opt-in or opt-out.
    #[arg(long, value_name = "POLICY")]
    consent_policy: Option<Ask>,
    /// What becomes of what was recorded before a withdrawal: from-then keeps it, whole leaves it out.
    #[arg(long, value_name = "WHAT")]
    withdrawn: Option<Left>,
    /// Takes away whose it is: pseudonyms, moved dates, no ages over 89.
    #[arg(long)]
    deidentify: bool,
    /// The key of pseudonyms and dates: a secret of at least 32 bytes.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Dates are moved by at most so many days, either way.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
    shift_days: Option<u16>,
}

/// [`Policy`] on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Ask {
    OptIn,
    OptOut,
}

/// [`Withdrawn`] on the command line.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Left {
    FromThen,
    Whole,
}

/// The gate of one export.
#[derive(Debug)]
pub struct Release {
    consents: Option<Arc<Consents>>,
    policy: Policy,
    withdrawn: Withdrawn,
    /// Consents that say nothing here, by reason.
    ignored: BTreeMap<&'static str, u64>,
    names: Option<Deidentifier>,
    ingest: decode::Config,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    events: BTreeMap<Reason, u64>,
    rows: BTreeMap<String, BTreeMap<Reason, u64>>,
    labels: u64,
    patients: BTreeSet<PatientId>,
    merged: BTreeMap<String, Merged>,
}

/// What stands beside an export.
#[derive(Debug, Serialize)]
struct Manifest<'a> {
    schema: &'static str,
    version: &'static str,
    consent: Option<Asked>,
    deidentified: Option<Taken>,
    /// Rows written, by table.
    rows: &'a BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Asked {
    policy: Policy,
    withdrawn: Withdrawn,
    statements: usize,
    ignored: BTreeMap<&'static str, u64>,
    left_out: LeftOut,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    events: BTreeMap<Reason, u64>,
    rows: BTreeMap<String, BTreeMap<Reason, u64>>,
    labels: u64,
    patients: usize,
}

#[derive(Debug, Serialize)]
struct Taken {
    names: &'static str,
    dates: &'static str,
    shift_days_at_most: u16,
    ages_told_up_to: f32,
}

impl Release {
    /// By the configuration and the command line.
    ///
    /// # Errors
    /// When a consent file cannot be read or understood, or de-identification is wanted without a key.
    pub fn open(config: &Config, args: &Args) -> anyhow::Result<Self> {
        let site = &config.research;
        let policy = match args.consent_policy {
            Some(Ask::OptIn) => Policy::OptIn,
            Some(Ask::OptOut) => Policy::OptOut,
            None => site.policy,
        };
        let withdrawn = match args.withdrawn {
            Some(Left::FromThen) => Withdrawn::FromThen,
            Some(Left::Whole) => Withdrawn::Whole,
            None => site.withdrawn,
        };
        let files = if args.consent.is_empty() { &site.consent_files } else { &args.consent };
        if files.is_empty() && (args.consent_policy.is_some() || args.withdrawn.is_some()) {
            bail!("a policy of consent needs --consent FILE, or research.consent_files");
        }
        let mut ignored = BTreeMap::new();
        let mut statements = Vec::new();
        let pseudonyms = match &config.gateway.pseudonym_secret_file {
            path if path.as_os_str().is_empty() || files.is_empty() => None,
            path => Some(Pseudonyms::new(secrets::read(path)?.bytes())?),
        };
        for path in files {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("the consents {} cannot be read", path.display()))?;
            let read = list::read(&text, &config.gateway.fhir.identifier_system);
            let read = read.with_context(|| format!("the consents {} are refused", path.display()))?;
            for (why, n) in read.ignored {
                *ignored.entry(why).or_default() += n;
            }
            // Data of the gateway names patients by pseudonyms, a consent by their number: both count.
            let named =
                |s: &Statement| Some(Statement { patient: pseudonyms.as_ref()?.of(&s.patient), ..s.clone() });
            statements.extend(read.statements.iter().filter_map(named));
            statements.extend(read.statements);
        }
        let consents = (!files.is_empty()).then(|| Arc::new(Consents::new(policy, withdrawn, statements)));
        let key = args.key_file.as_ref().unwrap_or(&site.key_file);
        let names = match args.deidentify || site.deidentify {
            false => None,
            true if key.as_os_str().is_empty() => {
                bail!(
                    "--deidentify needs --key-file FILE, or research.key_file: (umask 077; openssl rand -hex 32 > FILE)"
                )
            }
            true => {
                let days = args.shift_days.unwrap_or(site.shift_days);
                let made = Deidentifier::new(secrets::read(key)?.bytes(), days);
                Some(made.with_context(|| format!("the key {} is refused", key.display()))?)
            }
        };
        Ok(Self { consents, policy, withdrawn, ignored, names, ..Self::free(config.ingest.clone()) })
    }

    /// Asks nobody and takes nothing away.
    #[must_use]
    pub fn free(ingest: decode::Config) -> Self {
        Self {
            consents: None,
            policy: Policy::default(),
            withdrawn: Withdrawn::default(),
            ignored: BTreeMap::new(),
            names: None,
            ingest,
            counts: Mutex::default(),
        }
    }

    /// The sources with what may leave of each. De-identified, they come in the order of their
    /// pseudonyms: the order of names is often that of admissions.
    #[must_use]
    pub fn sources(self: &Arc<Self>, mut sources: Vec<Source>) -> Vec<Source> {
        if let Some(names) = &self.names {
            sources.sort_by_cached_key(|s| names.name("source", s.name()));
        }
        let consented = |of| Source::Consented { of: Box::new(of), release: self.clone() };
        if self.consents.is_some() { sources.into_iter().map(consented).collect() } else { sources }
    }

    /// The operator over one stream of events; `None` where nobody is asked.
    #[must_use]
    pub fn gate(&self) -> Option<Gate> {
        self.consents.clone().map(Gate::new)
    }

    /// What of an input may pass: itself where all of it may, else those of its events that may.
    #[must_use]
    pub fn pass(&self, gate: &mut Gate, input: Input) -> Vec<Input> {
        match input {
            Input::Event(event) => gate.admits(&event).then_some(Input::Event(event)).into_iter().collect(),
            Input::Record(entry) => {
                let record = Record { arrival: entry.stamp, ..entry.record.as_record(entry.stamp) };
                let events = decode::decode(&record, &self.ingest).events;
                let all = events.len();
                let passed: Vec<_> = events.into_iter().filter(|event| gate.admits(event)).collect();
                match passed.len() == all {
                    true => vec![Input::Record(entry)],
                    false => passed.into_iter().map(Input::Event).collect(),
                }
            }
        }
    }

    /// Takes note of what a gate has left out since the last note, and of who is whom in a source.
    pub fn note(&self, source: &str, gate: &mut Gate) {
        if gate.left_out.is_empty() && gate.merged == Merged::default() {
            return;
        }
        let mut counts = self.counts();
        for (reason, n) in std::mem::take(&mut gate.left_out) {
            *counts.events.entry(reason).or_default() += n;
        }
        counts.patients.append(&mut gate.patients);
        if gate.merged != Merged::default() {
            counts.merged.insert(source.to_owned(), gate.merged.clone());
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, table: &str, patient: &PatientId, reason: Reason) {
        let mut counts = self.counts();
        *counts.rows.entry(table.to_owned()).or_default().entry(reason).or_default() += 1;
        counts.patients.insert(patient.clone());
    }

    /// A batch of a training table with the rows that may leave, without whose they are.
    ///
    /// # Errors
    /// When a column is not known to the de-identification: what is not known does not leave.
    pub fn batch(&self, table: &str, source: &str, batch: RecordBatch) -> anyhow::Result<RecordBatch> {
        if self.consents.is_none() && self.names.is_none() {
            return Ok(batch);
        }
        let merged = self.counts().merged.get(source).cloned().unwrap_or_default();
        let batch = match &self.consents {
            None => batch,
            Some(consents) => {
                let left = table::consented(&batch, consents, &merged)?;
                left.refused.iter().for_each(|(patient, reason)| self.refused(table, patient, *reason));
                self.counts().labels += left.labels;
                left.batch
            }
        };
        match &self.names {
            None => Ok(batch),
            Some(names) => table::deidentified(&batch, names),
        }
    }

    /// What people said, as it may leave, in the order of [`answers::join`].
    #[must_use]
    pub fn answers(&self, rows: Vec<answers::Row>) -> Vec<answers::Row> {
        let none = Merged::default();
        let may = |row: &answers::Row| {
            let Some(consents) = &self.consents else { return true };
            let times = [Some(row.at), row.raised_at, row.onset];
            let refusal =
                times.into_iter().flatten().find_map(|at| consents.refusal(&row.patient, &none, at));
            refusal.iter().for_each(|reason| self.refused("answers", &row.patient, *reason));
            refusal.is_none()
        };
        let mut rows: Vec<_> = rows.into_iter().filter(may).collect();
        if let Some(names) = &self.names {
            rows = rows.into_iter().map(|row| names.answer(row)).collect();
            answers::sort(&mut rows);
        }
        rows
    }

    /// Evidence of a patient at a time as it may leave, with where it stands among the others: its source.
    #[must_use]
    pub fn evidence(
        &self,
        source: &str,
        patient: &PatientId,
        at: EventTime,
        evidence: Evidence,
    ) -> Option<(String, Evidence)> {
        if let Some(consents) = &self.consents {
            let merged = self.counts().merged.get(source).cloned().unwrap_or_default();
            if let Some(reason) = consents.refusal(patient, &merged, at) {
                self.refused("evidence", patient, reason);
                return None;
            }
        }
        Some(match &self.names {
            None => (source.to_owned(), evidence),
            // Patient after patient, as in the tables.
            Some(names) => {
                let place = format!("{}/{}", names.name("source", source), names.patient(patient).as_str());
                (place, names.evidence(patient, evidence))
            }
        })
    }

    /// Whether whose it is is taken away.
    #[must_use]
    pub const fn deidentifies(&self) -> bool {
        self.names.is_some()
    }

    /// Writes the manifest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_manifest(&self, path: &Path, rows: &BTreeMap<&'static str, u64>) -> anyhow::Result<()> {
        let counts = self.counts();
        let manifest = Manifest {
            schema: "export-manifest/1",
            version: env!("CARGO_PKG_VERSION"),
            consent: self.consents.as_ref().map(|consents| Asked {
                policy: self.policy,
                withdrawn: self.withdrawn,
                statements: consents.len(),
                ignored: self.ignored.clone(),
                left_out: LeftOut {
                    events: counts.events.clone(),
                    rows: counts.rows.clone(),
                    labels: counts.labels,
                    patients: counts.patients.len(),
                },
            }),
            deidentified: self.names.as_ref().map(|names| Taken {
                names: "keyed hashes (BLAKE3)",
                dates: "moved by whole days, one number a patient; time of day and intervals exact",
                shift_days_at_most: names.days(),
                ages_told_up_to: OLDEST,
            }),
            rows,
        };
        let text = serde_json::to_string_pretty(&manifest)? + "\n";
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// The manifest's path beside a file.
    #[must_use]
    pub fn beside(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".manifest.json");
        name.into()
    }
}
