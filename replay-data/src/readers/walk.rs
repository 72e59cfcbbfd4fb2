//! A path to the stays under it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Format, Options, StaySource, cgm, detect,
    error::{Error, Fault},
    mimic3, safe_name, wfdb,
};

/// Folders deeper than this are not entered, so that a loop of links ends.
const MAX_DEPTH: usize = 16;

/// What a path holds.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The stays, in the order of their paths.
    pub stays: Vec<StaySource>,
    /// Files that follow no format known, or not the one asked for.
    pub others: Vec<PathBuf>,
}

/// The stays of a file or folder, in sorted order.
///
/// # Errors
/// When the path cannot be read, or a file named directly follows no format known.
pub fn open(path: &Path, options: &Options) -> Result<Vec<StaySource>, Error> {
    survey(path, options).map(|s| s.stays)
}

/// The stays of a file or folder, and the files that are none.
///
/// # Errors
/// As [`open`].
pub fn survey(path: &Path, options: &Options) -> Result<Survey, Error> {
    let name = safe_name(path);
    let mut found = Survey::default();
    let is_wanted = options.format.is_none_or(|f| f == Format::Mimic3);
    if fs::metadata(path).map_err(|e| Error::io(&name, &e))?.is_file() {
        if let Some(folder) = path.parent().filter(|_| is_wanted && mimic3::is_stays(path)) {
            add_tables(&mut found, folder, options)?;
            return Ok(found);
        }
        let path = wfdb::header_beside(path).unwrap_or_else(|| path.to_owned());
        let format = options.format.map_or_else(|| detect(&path), Ok)?;
        add(&mut found, &path, format, options);
        return Ok(found);
    }
    let mut files = Vec::new();
    walk(path, 0, &mut files).map_err(|e| Error::io(&name, &e))?;
    files.sort();
    if is_wanted {
        let folders: BTreeSet<&Path> = files.iter().filter_map(|f| f.parent()).collect();
        let folders: BTreeSet<PathBuf> =
            folders.into_iter().filter(|f| mimic3::is_folder(f)).map(Path::to_owned).collect();
        for folder in &folders {
            add_tables(&mut found, folder, options)?;
        }
        files.retain(|f| !(f.parent().is_some_and(|p| folders.contains(p)) && mimic3::is_table(f)));
    }
    let segments: BTreeSet<PathBuf> = files.iter().flat_map(|f| wfdb::segments(f)).collect();
    for file in &files {
        match format_within(file, options) {
            Some(Format::Wfdb) if segments.contains(file) => {}
            Some(format) => add(&mut found, file, format, options),
            None if wfdb::header_beside(file).is_some() => {}
            None => found.others.push(file.clone()),
        }
    }
    tell_apart(&mut found.stays);
    if found.stays.is_empty() {
        return Err(Error::file(&name, Fault::Unrecognised));
    }
    Ok(found)
}

/// The format of a file in a folder; a format asked for also takes damaged files of its usual name.
fn format_within(path: &Path, options: &Options) -> Option<Format> {
    let found = detect(path).ok();
    match options.format {
        Some(wanted) => (found == Some(wanted) || wanted.fits(path)).then_some(wanted),
        None => found,
    }
}

/// The stays of a folder of MIMIC-III tables.
fn add_tables(found: &mut Survey, folder: &Path, options: &Options) -> Result<(), Error> {
    let tables = mimic3::Tables::open(folder).map_err(|fault| Error::file(&safe_name(folder), fault))?;
    let path = tables.path();
    let tables = Arc::new(tables);
    found.stays.extend(tables.names().enumerate().map(|(series, name)| StaySource {
        name,
        path: path.clone(),
        format: Format::Mimic3,
        series,
        base: options.base,
        tables: Some(tables.clone()),
    }));
    Ok(())
}

fn add(found: &mut Survey, path: &Path, format: Format, options: &Options) {
    let stem = safe_name(path);
    let series = if format == Format::CgmCsv { cgm::series(path) } else { 1 };
    found.stays.extend((0..series).map(|i| StaySource {
        name: if series > 1 { format!("{stem}-{:02}", i + 1) } else { stem.clone() },
        path: path.to_owned(),
        format,
        series: i,
        base: options.base,
        tables: None,
    }));
}

/// Numbers the stays whose names would be the same (files of one name in several folders).
fn tell_apart(stays: &mut [StaySource]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for stay in stays {
        let count = seen.entry(stay.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            stay.name = format!("{}~{count}", stay.name);
        }
    }
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() && depth < MAX_DEPTH => walk(&path, depth + 1, files)?,
            Ok(meta) if meta.is_file() => files.push(path),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
