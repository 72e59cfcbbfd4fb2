//! The stays of a set of tables, and the one pass over them that gives each stay its words.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt, io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bedwatch_schemas::ids::PatientId;
use parquet::arrow::ProjectionMask;

use super::{
    chunks,
    layout::Layout,
    rows::{Rows, Texts},
    word::{What, Why, Word},
};
use crate::readers::{
    At, Fault,
    place::Place,
    spool::{Sorter, Spool},
};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Tables of one export that say different things of the same stays; the others repeat what these say, or
/// what was made of waveforms.
const OF_AN_EXPORT: [&str; 2] = ["events", "minutes"];
const REPEATED: [&str; 5] = ["hours", "eeg", "cardiac", "glucose", "moments"];

/// A fault of a table as a whole or of one of its rows, and where.
pub type Told = (At, Fault);

/// What the pass over the tables gave.
pub struct Sorted {
    pub spool: Spool<Word>,
    /// What belongs to no patient, or to none alone.
    pub faults: Vec<Told>,
}

/// One table of a set.
struct File {
    place: Place,
    layout: Layout,
    /// Its name within an export.
    name: Option<&'static str>,
}

/// A set of tables.
pub struct Tables {
    files: Vec<File>,
    /// The patients, whose places here number the stays.
    patients: Vec<PatientId>,
    sorted: OnceLock<Result<Sorted, Fault>>,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tables({} files, {} stays)", self.files.len(), self.patients.len())
    }
}

/// The tables among files that belong together, and those that only repeat what others say: the tables of an
/// export, and the parts of one table, which lie in one folder, have the same columns and names that differ
/// in numbers alone (`part-0`, `part-1`). Files of other names may be of other hospitals, whose patients bear
/// the same numbers.
pub fn grouped(places: Vec<Place>) -> (Vec<Vec<Place>>, Vec<Place>) {
    let stem = |place: &Place| place.path().file_stem().map(|s| s.to_string_lossy().into_owned());
    let mut exports: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (place, stem) in places.iter().filter_map(|p| Some((p, stem(p)?))) {
        let folder = place.path().parent().map(Path::to_owned).unwrap_or_default();
        exports.entry(folder).or_default().insert(stem);
    }
    exports.retain(|_, stems| OF_AN_EXPORT.iter().all(|name| stems.contains(*name)));
    let (mut sets, mut repeated) = (Vec::<Vec<Place>>::new(), Vec::new());
    let mut parts: BTreeMap<(PathBuf, String, Option<Vec<String>>), usize> = BTreeMap::new();
    for place in places {
        let stem = stem(&place).unwrap_or_default();
        let folder = place.path().parent().map(Path::to_owned).unwrap_or_default();
        if !exports.contains_key(&folder) {
            match parts.entry((folder, without_numbers(&stem), columns(&place))) {
                Entry::Occupied(set) => sets[*set.get()].push(place),
                Entry::Vacant(entry) => {
                    entry.insert(sets.len());
                    sets.push(vec![place]);
                }
            }
        } else if REPEATED.contains(&stem.as_str()) {
            repeated.push(place);
        } else if OF_AN_EXPORT.contains(&stem.as_str()) {
            let of_export = sets.iter_mut().find(|set| {
                set[0].path().parent() == place.path().parent() && is_of_export(&set[0]).is_some()
            });
            match of_export {
                Some(set) => set.push(place),
                None => sets.push(vec![place]),
            }
        } else {
            sets.push(vec![place]);
        }
    }
    (sets, repeated)
}

/// A name with `#` for each number.
fn without_numbers(stem: &str) -> String {
    let mut name = String::new();
    for c in stem.chars() {
        match c.is_ascii_digit() {
            true if name.ends_with('#') => {}
            true => name.push('#'),
            false => name.push(c),
        }
    }
    name
}

/// The columns of a file by name and kind; `None` where its footer cannot be read.
fn columns(place: &Place) -> Option<Vec<String>> {
    let file = chunks::open(place).ok()?;
    Some(file.schema().fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect())
}

fn is_of_export(place: &Place) -> Option<&'static str> {
    let stem = place.path().file_stem()?.to_string_lossy().into_owned();
    OF_AN_EXPORT.into_iter().find(|name| *name == stem)
}

impl Tables {
    /// Reads the footers and the patients of the tables of a set; gives the files that cannot be read, with
    /// their faults.
    pub fn open(places: Vec<Place>) -> (Self, Vec<(Place, Fault)>) {
        let (mut files, mut patients, mut refused) = (Vec::new(), BTreeSet::new(), Vec::new());
        let is_set = places.len() > 1;
        for place in places {
            match table(&place) {
                Ok((layout, ids)) => {
                    patients.extend(ids);
                    let name = is_of_export(&place).filter(|_| is_set);
                    files.push(File { place, layout, name });
                }
                Err(fault) => refused.push((place, fault)),
            }
        }
        (Self { files, patients: patients.into_iter().collect(), sorted: OnceLock::new() }, refused)
    }

    /// Whether some table may say when its values became known.
    pub fn tell_availability(&self) -> bool {
        self.files.iter().any(|f| f.layout.tells_availability())
    }

    /// Columns of signals that are not read.
    pub fn unread_columns(&self) -> u64 {
        self.files.iter().map(|f| f.layout.unread as u64).sum()
    }

    /// The first table, which stands for the set.
    pub fn path(&self) -> PathBuf {
        self.files.first().map(|f| f.place.path().to_owned()).unwrap_or_default()
    }

    /// Where the tables are.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.files.iter().map(|f| &f.place)
    }

    /// The tables, as files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.places().map(|place| place.path().to_owned()).collect()
    }

    /// The patients, in the order of the stays.
    pub fn patients(&self) -> &[PatientId] {
        &self.patients
    }

    /// Where a row stands.
    pub fn at(&self, file: u32, row: u64) -> At {
        match self.files.get(file as usize).and_then(|f| f.name) {
            Some(name) => At::Row(name, row + 1),
            None if self.files.len() > 1 => At::Part(file + 1, row),
            None => At::Record(row),
        }
    }

    /// The words of all stays; the tables are read when this is first asked.
    pub fn sorted(&self) -> Result<&Sorted, Fault> {
        self.sorted.get_or_init(|| self.pass()).as_ref().map_err(Clone::clone)
    }

    fn pass(&self) -> Result<Sorted, Fault> {
        let io = |e: io::Error| Fault::Io(e.kind());
        let mut sorter = Sorter::new(self.patients.len()).map_err(io)?;
        let mut faults = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            self.file(number as u32, file, &mut sorter, &mut faults)?;
        }
        Ok(Sorted { spool: sorter.sorted().map_err(io)?, faults })
    }

    fn file(
        &self,
        number: u32,
        file: &File,
        sorter: &mut Sorter<Word>,
        faults: &mut Vec<Told>,
    ) -> Result<(), Fault> {
        let opened = chunks::open(&file.place)?;
        let mut columns = file.layout.columns();
        columns.sort_unstable();
        columns.dedup();
        let promised = opened.metadata().file_metadata().num_rows();
        let mask = ProjectionMask::roots(opened.parquet_schema(), columns.iter().copied());
        let batches = opened.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        let mut first = 0;
        for batch in batches.map_err(|e| chunks::fault(&e, "it"))? {
            let Ok(batch) = batch else {
                // What was read before stands; the rest is lost, and said to be.
                faults.push((
                    self.at(number, first),
                    Fault::Record("the rows from here on cannot be read".into()),
                ));
                return Ok(());
            };
            // A column that was chosen is in the batch.
            let place = |i: usize| columns.binary_search(&i).unwrap_or_default();
            let rows = match Rows::of(&batch, &file.layout, place) {
                Ok(rows) => rows,
                Err(fault) if self.files.len() == 1 => return Err(fault),
                // Of several files one fails alone.
                Err(fault) => {
                    faults.push((self.at(number, first), fault));
                    return Ok(());
                }
            };
            for row in 0..rows.count {
                self.row(number, first + row as u64, row, &rows, sorter, faults)?;
            }
            first += rows.count as u64;
        }
        if i64::try_from(first) != Ok(promised) {
            let why = "there are not as many rows as the footer says".to_owned();
            faults.push((self.at(number, first), Fault::Record(why)));
        }
        Ok(())
    }

    fn row(
        &self,
        file: u32,
        number: u64,
        row: usize,
        rows: &Rows,
        sorter: &mut Sorter<Word>,
        faults: &mut Vec<Told>,
    ) -> Result<(), Fault> {
        let patient = rows.patients.at(row).and_then(|id| PatientId::new(id).ok());
        let Some(stay) = patient.and_then(|id| self.patients.binary_search(&id).ok()) else {
            faults.push((self.at(file, number), Fault::Record(Why::Patient.text().into())));
            return Ok(());
        };
        let (mut words, mut failed) = (0, None);
        rows.said(row, |(part, at, known, what): (u32, _, _, What)| {
            let word = Word { stay: stay as u32, file, row: number, part, at, known, what };
            words += 1;
            failed = failed.take().or(sorter.push(&word).err());
        });
        match failed {
            Some(e) => Err(Fault::Io(e.kind())),
            None => Ok(()),
        }
    }
}

/// The layout of a table and its patients.
fn table(place: &Place) -> Result<(Layout, BTreeSet<PatientId>), Fault> {
    let file = chunks::open(place)?;
    let layout = Layout::of(file.schema()).map_err(|why| Fault::Header(why.to_owned()))?;
    let mask = ProjectionMask::roots(file.parquet_schema(), [layout.patient]);
    let rows = file.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let mut patients = BTreeSet::new();
    for batch in rows.map_err(|e| chunks::fault(&e, "its column of patients"))? {
        let batch = batch.map_err(|_| Fault::Header("its column of patients cannot be read".into()))?;
        let texts = Texts::of(batch.column(0), "patient")?;
        let ids = (0..batch.num_rows()).filter_map(|row| PatientId::new(texts.at(row)?).ok());
        // Most rows are of the patient before them.
        let mut last = None;
        for id in ids {
            if last.as_ref() != Some(&id) {
                patients.insert(id.clone());
                last = Some(id);
            }
        }
    }
    Ok((layout, patients))
}
