//! The stays of a folder, and the one pass over its tables that gives each stay its words.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::PathBuf,
    sync::OnceLock,
};

use bedwatch_schemas::{
    medication::Drug,
    time::{ArrivalTime, EventTime},
};

use super::{
    Told,
    patient::{self, Icu},
    rows::{self, Clock, Said},
    table::Table,
    word::{Reason, Verdict, What, Why, Word},
};
use crate::readers::{
    At, Fault, csv,
    infection::Act,
    place::{Folder, Place},
    spool::{Sorter, Spool},
};

const UNKNOWN_STAY: Reason = "eicu.unknown_stay";
pub(super) const TABLE_ABSENT: Reason = "eicu.table_absent";
const STAY_TWICE: Reason = "eicu.stay_stands_twice";

/// What the pass over the tables gave.
pub(super) struct Sorted {
    pub spool: Spool<Word>,
    /// What was left out, by stay.
    pub left: Vec<BTreeMap<Reason, u64>>,
    pub faults: Vec<Told>,
    /// The hospitals at which some stay has a culture and some an antibiotic: at the others none is no sign of
    /// health.
    pub tell_of_infection: BTreeSet<String>,
}

/// A folder of tables.
pub(in crate::readers) struct Tables {
    folder: Folder,
    clock: Clock,
    pub(super) stays: Vec<Icu>,
    pub(super) faults: Vec<Told>,
    sorted: OnceLock<Result<Sorted, Fault>>,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({}, {} stays)", self.folder.path().display(), self.stays.len())
    }
}

impl Tables {
    /// Reads the table of stays, which begin at `base`.
    pub(in crate::readers) fn open(folder: &Folder, base: EventTime) -> Result<Self, Fault> {
        let table = Table::Patient;
        let file = table.file(folder).ok_or(Fault::Missing(table.name().to_owned()))?;
        let (clock, mut stays, mut faults) = (Clock(base), Vec::new(), Vec::new());
        csv::rows(&file, patient::IDS, patient::COLUMNS, |line, row| {
            match row.ok_or(Why::Width).and_then(|row| patient::icu(line, clock, row)) {
                Ok(stay) => stays.push(stay),
                Err(why) => {
                    faults.push((At::Row(table.name(), line), Fault::Record(why.text().to_owned())));
                }
            }
        })?;
        stays.sort_by(|a, b| (&a.patient, a.id, a.line).cmp(&(&b.patient, b.id, b.line)));
        let mut kept: Vec<Icu> = Vec::with_capacity(stays.len());
        for stay in stays {
            match kept.last_mut().filter(|last| last.id == stay.id) {
                Some(last) => *last.left.entry(STAY_TWICE).or_default() += 1,
                None => kept.push(stay),
            }
        }
        Ok(Self { folder: folder.clone(), clock, stays: kept, faults, sorted: OnceLock::new() })
    }

    /// The table of stays, which stands for the folder.
    pub(in crate::readers) fn path(&self) -> PathBuf {
        let file = Table::Patient.file(&self.folder);
        file.map_or_else(|| self.folder.path().to_owned(), |file| file.path().to_owned())
    }

    /// What is wrong with the table of stays.
    pub(in crate::readers) fn faults(&self) -> &[Told] {
        &self.faults
    }

    /// The tables that are read, as files.
    pub(in crate::readers) fn files(&self) -> Vec<PathBuf> {
        let file = |table: Table| Some(table.file(&self.folder)?.path().to_owned());
        Table::ALL.into_iter().filter_map(file).collect()
    }

    /// The names of the stays, in their order.
    pub(in crate::readers) fn names(&self) -> impl Iterator<Item = String> {
        self.stays.iter().map(|s| format!("{}-{}", s.patient, s.id))
    }

    /// The words of all stays; the tables are read when this is first asked.
    pub(super) fn sorted(&self) -> Result<&Sorted, Fault> {
        self.sorted.get_or_init(|| Pass::over(self)).as_ref().map_err(Clone::clone)
    }
}

/// How a row of a table is read.
type Read<const N: usize> = fn(Clock, [&str; N], &mut Said) -> Result<Verdict, Why>;

/// The one pass.
struct Pass {
    clock: Clock,
    of_id: BTreeMap<u64, u32>,
    sorter: Sorter<Word>,
    left: Vec<BTreeMap<Reason, u64>>,
    faults: Vec<Told>,
    /// Stays with a culture, and with an antibiotic.
    acted: [BTreeSet<u32>; 2],
    /// Whether no table of these broke off: whose rows are lost then cannot be known.
    acts_are_whole: bool,
    /// What kept a word from being written.
    failed: Option<io::Error>,
}

impl Pass {
    fn over(tables: &Tables) -> Result<Sorted, Fault> {
        let io = |e: io::Error| Fault::Io(e.kind());
        let stays = tables.stays.as_slice();
        let mut pass = Self {
            clock: tables.clock,
            of_id: stays.iter().zip(0..).map(|(s, number)| (s.id, number)).collect(),
            sorter: Sorter::new(stays.len()).map_err(io)?,
            left: stays.iter().map(|s| s.left.clone()).collect(),
            faults: Vec::new(),
            acted: [BTreeSet::new(), BTreeSet::new()],
            acts_are_whole: true,
            failed: None,
        };
        for table in Table::ALL.into_iter().skip(1) {
            pass.table(table, &tables.folder);
        }
        let tell_of_infection = pass.tell_of_infection(stays);
        match pass.failed {
            Some(error) => Err(io(error)),
            None => Ok(Sorted {
                spool: pass.sorter.sorted().map_err(io)?,
                left: pass.left,
                faults: pass.faults,
                tell_of_infection,
            }),
        }
    }

    /// Reads a table; one that is absent is counted with every stay, one that breaks off is a fault.
    #[rustfmt::skip]
    fn table(&mut self, table: Table, folder: &Folder) {
        let Some(file) = table.file(folder) else {
            self.left.iter_mut().for_each(|l| *l.entry(TABLE_ABSENT).or_default() += 1);
            return;
        };
        let read = match table {
            Table::Patient => Ok(()),
            Table::VitalPeriodic => self.rows(table, &file, [
                "observationoffset", "temperature", "sao2", "heartrate", "respiration", "cvp", "etco2",
                "systemicsystolic", "systemicdiastolic", "systemicmean",
            ], rows::periodic),
            Table::VitalAperiodic => self.rows(table, &file, [
                "observationoffset", "noninvasivesystolic", "noninvasivediastolic", "noninvasivemean",
            ], rows::aperiodic),
            Table::Lab => self.rows(table, &file, [
                "labname", "labresult", "labmeasurenamesystem", "labresultoffset", "labresultrevisedoffset",
            ], rows::lab),
            Table::RespiratoryCharting => self.rows(table, &file, [
                "respchartoffset", "respchartentryoffset", "respchartvaluelabel", "respchartvalue",
            ], rows::respiratory),
            Table::RespiratoryCare => self.rows(table, &file, [
                "respcarestatusoffset", "airwaytype", "ventstartoffset", "ventendoffset",
                "priorventstartoffset", "priorventendoffset",
            ], rows::care),
            Table::InfusionDrug => self.rows(table, &file, [
                "infusionoffset", "drugname", "drugrate", "patientweight",
            ], rows::infusion),
            Table::Medication => self.rows(table, &file, [
                "drugstartoffset", "drugorderoffset", "drugname", "routeadmin", "drugordercancelled",
                "?drugstopoffset",
            ], rows::medication),
            Table::MicroLab => self.rows(table, &file, ["culturetakenoffset", "culturesite"], rows::culture),
            Table::Treatment => self.rows(table, &file, ["treatmentoffset", "treatmentstring"], rows::treatment),
            Table::IntakeOutput => self.rows(table, &file, [
                "intakeoutputoffset", "intakeoutputentryoffset", "cellpath", "cellvaluenumeric",
            ], rows::intake_output),
        };
        if let Err(fault) = read {
            self.acts_are_whole &= !table.tells_of_infection();
            self.faults.push((At::Table(table.name()), fault));
        }
    }

    fn tell_of_infection(&self, stays: &[Icu]) -> BTreeSet<String> {
        let hospitals = |acted: &BTreeSet<u32>| -> BTreeSet<&String> {
            acted.iter().map(|stay| &stays[*stay as usize].hospital).collect()
        };
        let [cultures, antibiotics] = self.acted.each_ref().map(hospitals);
        let both = cultures.intersection(&antibiotics).filter(|_| self.acts_are_whole);
        both.map(|hospital| (*hospital).clone()).collect()
    }

    fn rows<const N: usize>(
        &mut self,
        table: Table,
        file: &Place,
        wanted: [&'static str; N],
        read: Read<N>,
    ) -> Result<(), Fault> {
        let mut says = Said::new();
        csv::rows(file, ["patientunitstayid"], wanted, |line, row| {
            let Some(([id], row)) = row else { return self.fault(table, line, 0, Why::Width) };
            let stay = match id.parse::<u64>().map(|id| self.of_id.get(&id).copied()) {
                Err(_) => return self.fault(table, line, 0, Why::Id),
                Ok(None) => return self.left(0, UNKNOWN_STAY),
                Ok(Some(stay)) => stay,
            };
            says.clear();
            match read(self.clock, row, &mut says) {
                Err(why) => self.fault(table, line, stay, why),
                Ok(Verdict::Left(reason)) => self.left(stay, reason),
                Ok(Verdict::Says(known)) => {
                    for ((at, what), part) in says.iter().copied().zip(0..) {
                        self.push(&Word { stay, table, line, part, at, known, what });
                    }
                }
            }
        })
    }

    /// Counts a row left out; one of no stay known is counted with the first.
    fn left(&mut self, stay: u32, reason: Reason) {
        if let Some(left) = self.left.get_mut(stay as usize) {
            *left.entry(reason).or_default() += 1;
        }
    }

    fn fault(&mut self, table: Table, line: u64, stay: u32, why: Why) {
        let (at, known) = (EventTime::from_micros(0), ArrivalTime::from_micros(0));
        self.push(&Word { stay, table, line, part: 0, at, known, what: What::Fault(why) });
    }

    fn push(&mut self, word: &Word) {
        let kind = match word.what {
            What::Act(Act::Cultured(_)) => Some(0),
            What::Act(Act::Ordered(_) | Act::Dosed { .. }) => Some(1),
            What::Rate { drug: Drug::Antibiotic, rate, .. } if rate.runs() => Some(1),
            _ => None,
        };
        if let Some(kind) = kind {
            self.acted[kind].insert(word.stay);
        }
        if self.failed.is_none() {
            self.failed = self.sorter.push(word).err();
        }
    }
}
