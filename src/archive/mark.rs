//! How far an archive reaches: everything the engine knew and said up to this moment of the log is in
//! its files. After a crash the rows behind it come again from Kafka, and only those.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use bedwatch_schemas::time::EventTime;

use super::Error;

fn path(folder: &Path) -> PathBuf {
    folder.join("archived_to")
}

/// The mark; `None` where none was ever made.
pub(super) fn read(folder: &Path) -> Result<Option<EventTime>, Error> {
    let path = path(folder);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::Io(path, e)),
    };
    let damaged = || Error::Io(path.clone(), std::io::Error::new(std::io::ErrorKind::InvalidData, "no time"));
    EventTime::parse_rfc3339(text.trim()).map(Some).map_err(|_| damaged())
}

/// Sets it, durably.
pub(super) fn write(folder: &Path, to: EventTime) -> Result<(), Error> {
    let path = path(folder);
    let new = path.with_extension("new");
    let put = || {
        let mut file = File::create(&new)?;
        writeln!(file, "{to}")?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    put().map_err(|e| Error::Io(path.clone(), e))
}
