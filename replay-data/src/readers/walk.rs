//! A path to the stays under it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Format, Options, StaySource, Tables,
    archive::Archive,
    cgm, csv,
    detect::detect_at,
    eicu,
    error::{Error, Fault},
    fhir::bulk,
    mimic3, parquet,
    place::Place,
    safe, safe_name, wfdb,
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

/// The stays of a file, folder or archive, in sorted order. An archive (`.tar`, `.tar.gz`, `.tgz`,
/// `.tar.zst`) is opened where it is named, not where it lies in a folder: it often packs what lies beside
/// it.
///
/// # Errors
/// When the path cannot be read, a file named directly follows no format known, or an archive is damaged or
/// holds a name that leads out of it.
pub fn open(path: &Path, options: &Options) -> Result<Vec<StaySource>, Error> {
    survey(path, options).map(|s| s.stays)
}

/// The stays of a file, folder or archive, and the files that are none.
///
/// # Errors
/// As [`open`].
pub fn survey(path: &Path, options: &Options) -> Result<Survey, Error> {
    let name = safe_name(path);
    let mut found = Survey::default();
    if fs::metadata(path).map_err(|e| Error::io(&name, &e))?.is_file() {
        if let (Some(format), Some(folder)) = (stays_table(path, options), path.parent()) {
            add_tables(&mut found, folder, format, options)?;
            return Ok(found);
        }
        if let Some(archive) = Archive::open(path)? {
            return packed(archive, options);
        }
        let place = Place::from(path);
        let place = wfdb::header_beside(&place).unwrap_or(place);
        match options.format.map_or_else(|| detect_at(&place), Ok)? {
            Format::Parquet => add_parquet(&mut found, vec![place], options)?,
            format => add(&mut found, &place, format, options),
        }
        tell_apart(&mut found.stays);
        return Ok(found);
    }
    let mut files = Vec::new();
    walk(path, 0, &mut files).map_err(|e| Error::io(&name, &e))?;
    files.sort();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|f| f.parent()).collect();
    let folders: BTreeMap<PathBuf, Format> =
        folders.into_iter().filter_map(|f| Some((f.to_owned(), tables_in(f, options)?))).collect();
    for (folder, format) in &folders {
        add_tables(&mut found, folder, *format, options)?;
    }
    files.retain(|f| match f.parent().and_then(|p| folders.get(p)) {
        Some(Format::FhirBulk) => !bulk::is_file(f),
        Some(_) => csv::table_name(f).is_none(),
        None => true,
    });
    let places = files.iter().map(|f| Place::from(f.as_path())).collect();
    several(found, places, &name, options)
}

/// What an archive holds. Tables of many stays are read from folders alone.
fn packed(archive: Archive, options: &Options) -> Result<Survey, Error> {
    let name = safe_name(archive.path());
    let archive = Arc::new(archive);
    // What is hidden in a folder is hidden here.
    let is_hidden = |path: &Path| {
        let within = path.strip_prefix(archive.path()).unwrap_or(path);
        within.components().any(|c| c.as_os_str().to_string_lossy().starts_with('.'))
    };
    let (hidden, files): (Vec<PathBuf>, Vec<PathBuf>) =
        archive.members().cloned().partition(|m| is_hidden(m));
    let others = archive.others().iter().cloned().chain(hidden).collect();
    let found = Survey { others, ..Survey::default() };
    let places = files.into_iter().map(|m| Place::new(m, Some(archive.clone()))).collect();
    several(found, places, &name, options)
}

/// Adds the stays of files, which come in order.
fn several(mut found: Survey, places: Vec<Place>, name: &str, options: &Options) -> Result<Survey, Error> {
    let segments: BTreeSet<PathBuf> = places.iter().flat_map(wfdb::segments).collect();
    let places: Vec<(Place, Option<Format>)> =
        places.into_iter().map(|place| (place.clone(), format_within(&place, options))).collect();
    let is_parquet =
        |(place, format): &(Place, Option<Format>)| (*format == Some(Format::Parquet)).then(|| place.clone());
    let (mut sets, repeated) = parquet::grouped(places.iter().filter_map(is_parquet).collect());
    for (place, format) in &places {
        match format {
            Some(Format::Wfdb) if segments.contains(place.path()) => {}
            Some(Format::Parquet) => {
                let is_first = |set: &Vec<Place>| set[0].path() == place.path();
                if let Some(set) = sets.iter_mut().find(|set| is_first(set)) {
                    add_parquet(&mut found, std::mem::take(set), options)?;
                    sets.retain(|set| !set.is_empty());
                } else if repeated.iter().any(|p| p.path() == place.path()) {
                    found.others.push(place.path().to_owned());
                }
            }
            Some(format) => add(&mut found, place, *format, options),
            None if wfdb::header_beside(place).is_some() => {}
            None => found.others.push(place.path().to_owned()),
        }
    }
    tell_apart(&mut found.stays);
    if found.stays.is_empty() {
        return Err(Error::file(name, Fault::Unrecognised));
    }
    Ok(found)
}

/// The format of a file in a folder; a format asked for also takes damaged files of its usual name.
fn format_within(place: &Place, options: &Options) -> Option<Format> {
    let found = detect_at(place).ok();
    match options.format {
        Some(wanted) => (found == Some(wanted) || wanted.fits(place.path())).then_some(wanted),
        None => found,
    }
}

/// The format of the tables that a folder holds.
fn tables_in(folder: &Path, options: &Options) -> Option<Format> {
    let is = |format: Format, holds: fn(&Path) -> bool| {
        (options.format.is_none_or(|f| f == format) && holds(folder)).then_some(format)
    };
    is(Format::Mimic3, mimic3::is_folder)
        .or_else(|| is(Format::Eicu, eicu::is_folder))
        .or_else(|| is(Format::FhirBulk, bulk::is_folder))
}

/// The format of the tables whose table of stays, which stands for its folder, a file is.
fn stays_table(path: &Path, options: &Options) -> Option<Format> {
    let is = |format: Format, stands: fn(&Path) -> bool| {
        (options.format.is_none_or(|f| f == format) && stands(path)).then_some(format)
    };
    is(Format::Mimic3, mimic3::is_stays).or_else(|| is(Format::Eicu, eicu::is_stays))
}

/// The stays of a folder of tables.
fn add_tables(found: &mut Survey, folder: &Path, format: Format, options: &Options) -> Result<(), Error> {
    let refused = |fault| Error::file(&safe_name(folder), fault);
    let (names, path, tables): (Vec<String>, _, _) = match format {
        Format::Eicu => {
            let tables = eicu::Tables::open(folder, options.base).map_err(refused)?;
            (tables.names().collect(), tables.path(), Tables::Eicu(Arc::new(tables)))
        }
        Format::FhirBulk => {
            let export = bulk::Export::open(folder, options.base).map_err(refused)?;
            let names = export.patients().iter().map(|id| safe(id.as_str())).collect();
            (names, export.path(), Tables::FhirBulk(Arc::new(export)))
        }
        _ => {
            let tables = mimic3::Tables::open(folder).map_err(refused)?;
            (tables.names().collect(), tables.path(), Tables::Mimic3(Arc::new(tables)))
        }
    };
    found.stays.extend(names.into_iter().enumerate().map(|(series, name)| StaySource {
        name,
        path: path.clone(),
        format,
        series,
        base: options.base,
        archive: None,
        tables: Some(tables.clone()),
    }));
    Ok(())
}

/// The stays of Parquet tables that belong together, named by their patients.
fn add_parquet(found: &mut Survey, places: Vec<Place>, options: &Options) -> Result<(), Error> {
    let Some(first) = places.first().cloned() else { return Ok(()) };
    let tables = parquet::Tables::open(places);
    let tables = Arc::new(tables.map_err(|fault| Error::file(&safe_name(first.path()), fault))?);
    let names = tables.patients().iter().map(|id| safe(id.as_str()));
    found.stays.extend(names.enumerate().map(|(series, name)| StaySource {
        name,
        path: tables.path(),
        format: Format::Parquet,
        series,
        base: options.base,
        archive: first.archive().cloned(),
        tables: Some(Tables::Parquet(tables.clone())),
    }));
    Ok(())
}

fn add(found: &mut Survey, place: &Place, format: Format, options: &Options) {
    let stem = safe_name(place.path());
    let series = if format == Format::CgmCsv { cgm::series(place) } else { 1 };
    found.stays.extend((0..series).map(|i| StaySource {
        name: if series > 1 { format!("{stem}-{:02}", i + 1) } else { stem.clone() },
        path: place.path().to_owned(),
        format,
        series: i,
        base: options.base,
        archive: place.archive().cloned(),
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
