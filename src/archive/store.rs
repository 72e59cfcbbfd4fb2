//! An archive being written: rows are cut into batches by table and day, spooled, and become parts.
//!
//! Memory is bounded by [`CHUNK`] rows and by what a Parquet writer holds of one row group.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{array::RecordBatch, error::ArrowError};
use bedwatch_schemas::time::{EventTime, Span};

use super::{
    Config, Error,
    again::Again,
    mark,
    rows::Rows,
    spool::{Published, Spool, publish},
    tables::{self, Sourced, Table, date},
};

/// Rows held before they are written.
const CHUNK: usize = 8_192;
/// Spools open at a time: a replay of many years ends the one that was written to longest ago.
const MOST_OPEN: usize = 64;
/// The folder of spools; hidden, so that no reader of the archive lists it.
const OPEN: &str = ".open";

/// When a spool becomes a part.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Its first row is this old.
    pub age: Span,
    /// It has so many bytes.
    pub bytes: u64,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self { age: Span::minutes(config.rotate_minutes), bytes: config.part_mebibytes << 20 }
    }
}

/// Rows by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// In a spool or part, by table.
    pub written: BTreeMap<Table, u64>,
    /// Left out because their time is no day of the years 0 to 9999, by table.
    pub dateless: BTreeMap<Table, u64>,
    /// Lost because the disk refused.
    pub lost: u64,
    /// Left out because the archive has them, from before a restart.
    pub again: u64,
    /// Of spools found at the start.
    pub recovered: Published,
    /// Parts made.
    pub parts: u64,
    /// Waveform blocks, of which no row is made.
    pub waveforms: u64,
}

struct Open {
    spool: Spool,
    /// The number of the write that last touched it.
    touched: u64,
}

/// An archive open for writing, by this process alone.
pub struct Store {
    folder: PathBuf,
    limits: Limits,
    open: BTreeMap<(Table, String), Open>,
    pending: Pending,
    counts: Counts,
    writes: u64,
    mark: Option<EventTime>,
    again: Again,
    /// Held as long as the store lives.
    _lock: File,
}

/// Rows that wait to be written, each with its source.
#[derive(Default)]
struct Pending {
    events: Vec<Sourced<bedwatch_schemas::event::Event>>,
    frames: Vec<Sourced<crate::engine::keep::Snapshot>>,
    risks: Vec<Sourced<super::rows::RiskOf>>,
    alerts: Vec<Sourced<bedwatch_schemas::alert::Alert>>,
    withheld: Vec<Sourced<bedwatch_schemas::withheld::Withheld>>,
}

impl Pending {
    fn len(&self) -> usize {
        self.events.len() + self.frames.len() + self.risks.len() + self.alerts.len() + self.withheld.len()
    }
}

impl Store {
    /// Opens an archive, or begins one. Spools that a crash left become parts. What comes again of the log,
    /// from the moment of the checkpoint that was `restored` on, is left out where the archive has it;
    /// without a checkpoint the log comes whole, and what was known before the mark is left out by that.
    ///
    /// # Errors
    /// When the folder cannot be used or another process writes it.
    pub fn open(folder: &Path, limits: Limits, restored: Option<EventTime>) -> Result<Self, Error> {
        let mut store = Self::locked(folder, limits)?;
        store.recover()?;
        // Neither checkpoint nor mark, but parts: all of them are of the log that comes again.
        let from = restored.or(store.mark).unwrap_or(EventTime::from_micros(i64::MIN));
        store.again = Again::read(folder, from)?;
        Ok(store)
    }

    /// Begins an archive in a new or empty folder.
    ///
    /// # Errors
    /// When it holds rows already, or cannot be used.
    pub fn create(folder: &Path, limits: Limits) -> Result<Self, Error> {
        let store = Self::locked(folder, limits)?;
        let is_used = Table::ALL.iter().any(|t| folder.join(t.name()).exists());
        if is_used || store.mark.is_some() || !spools(&folder.join(OPEN))?.is_empty() {
            return Err(Error::NotEmpty(folder.to_owned()));
        }
        Ok(store)
    }

    fn locked(folder: &Path, limits: Limits) -> Result<Self, Error> {
        let open = folder.join(OPEN);
        fs::create_dir_all(&open).map_err(|e| Error::Io(open.clone(), e))?;
        let path = open.join("lock");
        let lock = File::create(&path).map_err(|e| Error::Io(path.clone(), e))?;
        lock.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => Error::Locked(folder.to_owned()),
            fs::TryLockError::Error(e) => Error::Io(path, e),
        })?;
        Ok(Self {
            mark: mark::read(&open)?,
            again: Again::default(),
            folder: folder.to_owned(),
            limits,
            open: BTreeMap::new(),
            pending: Pending::default(),
            counts: Counts::default(),
            writes: 0,
            _lock: lock,
        })
    }

    fn recover(&mut self) -> Result<(), Error> {
        for (path, table, date) in spools(&self.folder.join(OPEN))? {
            let done = publish(table, &path, &self.place(table, &date), true)?;
            if done.damaged > 0 {
                tracing::error!(table = table.name(), "a file of rows was damaged and is kept aside");
            }
            self.counts.recovered.rows += done.rows;
            self.counts.recovered.damaged += done.damaged;
        }
        Ok(())
    }

    /// The moment of the log up to which everything is in the files.
    #[must_use]
    pub const fn mark(&self) -> Option<EventTime> {
        self.mark
    }

    /// What has been written.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes rows of a source.
    ///
    /// # Errors
    /// When rows held cannot be written.
    pub fn push(&mut self, source: &Arc<str>, rows: Rows) -> Result<(), Error> {
        fn with<T>(source: &Arc<str>, of: Vec<T>, to: &mut Vec<Sourced<T>>) {
            to.extend(of.into_iter().map(|row| (source.clone(), row)));
        }
        with(source, rows.events, &mut self.pending.events);
        with(source, rows.frames, &mut self.pending.frames);
        with(source, rows.risks, &mut self.pending.risks);
        with(source, rows.alerts, &mut self.pending.alerts);
        with(source, rows.withheld, &mut self.pending.withheld);
        self.counts.waveforms += rows.waveforms;
        if self.pending.len() >= CHUNK { self.spill() } else { Ok(()) }
    }

    /// Writes what is held into the spools; what cannot be written is counted as lost.
    fn spill(&mut self) -> Result<(), Error> {
        let accounted =
            |c: &Counts| c.written.values().sum::<u64>() + c.dateless.values().sum::<u64>() + c.again;
        let whole = accounted(&self.counts) + self.pending.len() as u64;
        let done = self.spill_all();
        self.counts.lost += whole - accounted(&self.counts);
        done
    }

    fn spill_all(&mut self) -> Result<(), Error> {
        let Pending { events, frames, risks, alerts, withheld } = std::mem::take(&mut self.pending);
        self.table(Table::Events, events, |e| e.arrival.as_event_time(), tables::events)?;
        self.table(Table::Frames, frames, |f| f.at, tables::frames)?;
        self.table(Table::Risks, risks, |r| r.row.at, tables::risks)?;
        self.table(Table::Alerts, alerts, |a| a.at, tables::alerts)?;
        self.table(Table::Withheld, withheld, |w| w.at, tables::withheld)
    }

    fn table<T>(
        &mut self,
        table: Table,
        rows: Vec<Sourced<T>>,
        known: impl Fn(&T) -> EventTime,
        batch: impl Fn(&[Sourced<T>]) -> Result<RecordBatch, ArrowError>,
    ) -> Result<(), Error> {
        let mut days: BTreeMap<String, Vec<Sourced<T>>> = BTreeMap::new();
        for row in rows {
            match date(known(&row.1)) {
                Some(day) => days.entry(day).or_default().push(row),
                None => *self.counts.dateless.entry(table).or_default() += 1,
            }
        }
        for (day, rows) in days {
            let arrow = |source| Error::Arrow { table: table.name(), source };
            let columns = self.again.fresh(table, batch(&rows).map_err(arrow)?)?;
            self.counts.again += (rows.len() - columns.num_rows()) as u64;
            if columns.num_rows() == 0 {
                continue;
            }
            let first = rows.iter().map(|r| known(&r.1)).min().unwrap_or(EventTime::from_micros(0));
            self.write(table, &day, first, &columns)?;
            *self.counts.written.entry(table).or_default() += columns.num_rows() as u64;
        }
        Ok(())
    }

    fn write(&mut self, table: Table, day: &str, first: EventTime, batch: &RecordBatch) -> Result<(), Error> {
        self.writes += 1;
        let key = (table, day.to_owned());
        let mut open = match self.open.remove(&key) {
            Some(open) => open,
            None => {
                self.make_room()?;
                let path = self.unused(table, day)?;
                Open { spool: Spool::create(table, path, first)?, touched: 0 }
            }
        };
        open.touched = self.writes;
        // A spool that cannot be written to is left as it is: the next start takes what it holds.
        open.spool.write(batch)?;
        self.open.insert(key, open);
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), Error> {
        while self.open.len() >= MOST_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, o)| o.touched).map(|(key, _)| key.clone());
            let Some(key) = oldest else { break };
            self.end(&key)?;
        }
        Ok(())
    }

    fn unused(&self, table: Table, day: &str) -> Result<PathBuf, Error> {
        let folder = self.folder.join(OPEN);
        let named = (0_u32..).map(|n| folder.join(format!("{}@{day}.{n}.arrows", table.name())));
        let mut free = named.filter(|path| !path.exists());
        free.next().ok_or_else(|| Error::Io(folder, std::io::ErrorKind::AlreadyExists.into()))
    }

    fn place(&self, table: Table, day: &str) -> PathBuf {
        self.folder.join(table.name()).join(format!("date={day}"))
    }

    fn end(&mut self, key: &(Table, String)) -> Result<(), Error> {
        if let Some(open) = self.open.remove(key) {
            let path = open.spool.end()?;
            publish(key.0, &path, &self.place(key.0, &key.1), false)?;
            self.counts.parts += 1;
        }
        Ok(())
    }

    /// Everything taken so far is durable, and is everything the engine knew and said up to `to`: the
    /// mark is set, and spools that are due become parts.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn settle(&mut self, to: EventTime) -> Result<(), Error> {
        self.spill()?;
        for open in self.open.values_mut() {
            open.spool.sync()?;
        }
        mark::write(&self.folder.join(OPEN), to)?;
        self.mark = Some(to);
        self.again.passed(to);
        let limits = self.limits;
        let due = |s: &Spool| s.bytes >= limits.bytes || to.since(s.first) >= limits.age;
        let keys: Vec<_> = self.open.iter().filter(|(_, o)| due(&o.spool)).map(|(k, _)| k.clone()).collect();
        keys.iter().try_for_each(|key| self.end(key))
    }

    /// Makes parts of the spools that have grown beyond the limit, where nothing is followed by a mark.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn trim(&mut self) -> Result<(), Error> {
        let most = self.limits.bytes;
        let keys: Vec<_> =
            self.open.iter().filter(|(_, o)| o.spool.bytes >= most).map(|(k, _)| k.clone()).collect();
        keys.iter().try_for_each(|key| self.end(key))
    }

    /// Makes parts of everything.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> Result<Counts, Error> {
        self.spill()?;
        let keys: Vec<_> = self.open.keys().cloned().collect();
        keys.iter().try_for_each(|key| self.end(key))?;
        Ok(self.counts)
    }
}

/// The spools in a folder, in the order of their names: file, table, day.
fn spools(folder: &Path) -> Result<Vec<(PathBuf, Table, String)>, Error> {
    let io = |e| Error::Io(folder.to_owned(), e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let Some((table, rest)) = name.split_once('@') else { continue };
        let (Some(table), Some((day, end))) = (Table::from_name(table), rest.split_once('.')) else {
            continue;
        };
        if end.ends_with("arrows") {
            found.push((path.clone(), table, day.to_owned()));
        }
    }
    found.sort();
    Ok(found)
}
