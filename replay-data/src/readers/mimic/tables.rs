//! The stays of a folder of tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bedwatch_schemas::{
    event::{Sex, UnitKind},
    time::{EventTime, Span},
};

use super::{
    Edition, Told,
    pass::Pass,
    rows,
    table::Table,
    word::{Reason, Why, Word},
};
use crate::readers::{At, Fault, Format, csv, place::Folder, spool::Spool};

/// No stay in intensive care lasts longer: its end was mistyped, and every hour of it would be scored.
const LONGEST_STAY: Span = Span::hours(2 * 366 * 24);
const STAY_TWICE: Reason = "mimic.stay_stands_twice";

/// One row of `ICUSTAYS`, with what `PATIENTS` and `ADMISSIONS` say.
#[derive(Debug, Clone)]
pub(super) struct Icu {
    pub subject: u64,
    pub admission: u64,
    pub id: u64,
    pub is_metavision: bool,
    pub unit: Option<UnitKind>,
    pub begins: EventTime,
    pub ends: EventTime,
    /// What was left out of the table of stays itself.
    pub left: BTreeMap<Reason, u64>,
}

/// What is known of the patient of a stay.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Person {
    pub sex: Option<Sex>,
    pub born: Option<EventTime>,
    pub hospital_admitted_at: Option<EventTime>,
    pub died_at: Option<EventTime>,
    pub died_in_hospital: Option<bool>,
}

/// Counts of a stay and who the patient is.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub person: Person,
    pub left: BTreeMap<Reason, u64>,
}

/// What the pass over the tables gave.
pub(super) struct Sorted {
    pub spool: Spool<Word>,
    pub counts: Vec<Counted>,
    pub faults: Vec<Told>,
    /// The tables that were read to their end.
    pub whole: BTreeSet<Table>,
}

impl Sorted {
    /// Whether the tables of cultures and of the stay's antibiotics were read whole: without them nobody is
    /// known to have had none. Those of CareVue stays stand in `PRESCRIPTIONS` alone.
    pub(super) fn tells_of_infection(&self, of: &Icu) -> bool {
        let has = |table| self.whole.contains(&table);
        has(Table::MicrobiologyEvents)
            && (has(Table::Prescriptions) || (of.is_metavision && has(Table::InputEventsMv)))
    }
}

/// A folder of tables.
pub(in crate::readers) struct Tables {
    pub(super) folder: Folder,
    pub(super) edition: Edition,
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
    /// Reads the table of stays.
    pub(in crate::readers) fn open(folder: &Folder, format: Format) -> Result<Self, Fault> {
        let edition = Edition::of(format);
        let file = Table::IcuStays.file(folder, edition).ok_or(Fault::Missing("ICUSTAYS".to_owned()))?;
        let (mut stays, mut faults) = (Vec::new(), Vec::new());
        let ids = ["SUBJECT_ID", "HADM_ID", "ICUSTAY_ID|STAY_ID"];
        let wanted = ["?DBSOURCE", "FIRST_CAREUNIT", "INTIME", "OUTTIME"];
        csv::rows(&file, ids, wanted, |line, row| {
            match row.ok_or(Why::Width).and_then(|row| icu(edition, row)) {
                Ok(stay) => stays.push(stay),
                Err(why) => {
                    let at = At::Row(Table::IcuStays.name(), line);
                    faults.push((at, Fault::Record(why.text().to_owned())));
                }
            }
        })?;
        stays.sort_by_key(|s| (s.subject, s.begins, s.id));
        let mut kept: Vec<Icu> = Vec::with_capacity(stays.len());
        let mut places: BTreeMap<u64, usize> = BTreeMap::new();
        for stay in stays {
            match places.get(&stay.id) {
                Some(&first) => *kept[first].left.entry(STAY_TWICE).or_default() += 1,
                None => {
                    places.insert(stay.id, kept.len());
                    kept.push(stay);
                }
            }
        }
        Ok(Self { folder: folder.clone(), edition, stays: kept, faults, sorted: OnceLock::new() })
    }

    /// The table of stays, which stands for the folder; of MIMIC-IV the folder it lies in, so that what lies
    /// around it has the set's name.
    pub(in crate::readers) fn path(&self) -> PathBuf {
        let file = Table::IcuStays.file(&self.folder, self.edition);
        let path = file.map_or_else(|| self.folder.path().to_owned(), |file| file.path().to_owned());
        let is_within = path.parent() != Some(self.folder.path());
        path.parent().filter(|_| is_within).map_or(path.clone(), Path::to_owned)
    }

    /// What is wrong with the table of stays.
    pub(in crate::readers) fn faults(&self) -> &[Told] {
        &self.faults
    }

    /// The tables that are read, as files.
    pub(in crate::readers) fn files(&self) -> Vec<PathBuf> {
        let file = |table: Table| Some(table.file(&self.folder, self.edition)?.path().to_owned());
        Table::ALL.into_iter().filter_map(file).collect()
    }

    /// The names of the stays, in their order.
    pub(in crate::readers) fn names(&self) -> impl Iterator<Item = String> {
        self.stays.iter().map(|s| format!("{}-{}", s.subject, s.id))
    }

    /// The words of all stays; the tables are read when this is first asked.
    pub(super) fn sorted(&self) -> Result<&Sorted, Fault> {
        self.sorted.get_or_init(|| Pass::over(self)).as_ref().map_err(Clone::clone)
    }
}

fn icu(edition: Edition, (ids, row): ([&str; 3], [&str; 4])) -> Result<Icu, Why> {
    let ([subject, admission, id], [source, unit, begins, ends]) = (ids, row);
    let (begins, ends) = (rows::time(begins)?, rows::time(ends)?);
    if ends < begins {
        return Err(Why::Span);
    }
    if ends.since(begins) > LONGEST_STAY {
        return Err(Why::Long);
    }
    Ok(Icu {
        subject: rows::id(subject)?,
        admission: rows::id(admission)?,
        id: rows::id(id)?,
        is_metavision: edition == Edition::Fourth || source == "metavision",
        unit: rows::unit_kind(unit),
        begins,
        ends,
        left: BTreeMap::new(),
    })
}
