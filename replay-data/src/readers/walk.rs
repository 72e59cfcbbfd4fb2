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
    error::{At, Error, Fault},
    fhir::bulk,
    mimic, parquet,
    place::{Folder, Place},
    safe_name, wfdb,
};

/// Folders deeper than this are not entered, so that a loop of links ends.
const MAX_DEPTH: usize = 16;

/// What a path holds.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// The stays, in the order of their paths.
    pub stays: Vec<StaySource>,
    /// Files that follow no format known, or not the one asked for, and those that cannot be read.
    pub others: Vec<Other>,
}

/// A file, or a folder of tables, without a stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its path.
    pub path: PathBuf,
    /// What is wrong with it; `None` where it is merely of no format known.
    pub why: Option<Error>,
}

impl Other {
    fn unknown(path: &Path) -> Self {
        Self { path: path.to_owned(), why: None }
    }

    /// What detection found wrong: that a file is of no format known is no fault of its own.
    fn not_detected(path: &Path, why: &Error) -> Self {
        Self { path: path.to_owned(), why: Some(why.clone()).filter(|e| e.fault != Fault::Unrecognised) }
    }

    fn refused(path: &Path, why: Error) -> Self {
        Self { path: path.to_owned(), why: Some(why) }
    }
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
        if let Some((format, folder)) = stays_table(path, options) {
            add_tables(&mut found, &folder, format, options)?;
            return Ok(found);
        }
        if let Some(archive) = Archive::open(path)? {
            return packed(archive, options);
        }
        let place = Place::from(path);
        let place = wfdb::header_beside(&place).unwrap_or(place);
        match options.format.map_or_else(|| detect_at(&place), Ok)? {
            Format::Parquet => add_parquet(&mut found, vec![place], options),
            format => add(&mut found, &place, format, options),
        }
        return some(found, &name);
    }
    let mut files = Vec::new();
    walk(path, 0, &mut files).map_err(|e| Error::io(&name, &e))?;
    files.sort();
    let files = without_tables(&mut found, files, path, None, options)?;
    let places = files.iter().map(|f| Place::from(f.as_path())).collect();
    several(found, places, &name, options)
}

/// Adds the stays of the folders of tables among files below a path, and gives the files that are no tables.
fn without_tables(
    found: &mut Survey,
    mut files: Vec<PathBuf>,
    below: &Path,
    archive: Option<&Arc<Archive>>,
    options: &Options,
) -> Result<Vec<PathBuf>, Error> {
    // A folder of tables may have them in folders of its own.
    let around = |f: &PathBuf| f.ancestors().skip(1).take(2).map(Path::to_owned).collect::<Vec<_>>();
    let folders: BTreeSet<PathBuf> =
        files.iter().flat_map(around).filter(|folder| folder.starts_with(below)).collect();
    let mut taken: BTreeMap<PathBuf, Format> = BTreeMap::new();
    for path in folders {
        let folder = Folder::new(path.clone(), archive.cloned());
        let Some(format) = tables_in(&folder, options).filter(|_| !taken.contains_key(&path)) else {
            continue;
        };
        if format == Format::FhirBulk && archive.is_some() {
            let why = "a FHIR bulk export within an archive; unpack it and name its folder".to_owned();
            return Err(Error::file(&safe_name(&path), Fault::Unsupported(why)));
        }
        // A folder fails alone.
        if let Err(why) = add_tables(found, &folder, format, options) {
            found.others.push(Other::refused(&path, why));
        }
        let inner = mimic::FOLDERS.iter().filter(|_| format == Format::Mimic4);
        taken.extend(inner.map(|f| (path.join(f), format)));
        taken.insert(path, format);
    }
    files.retain(|f| match f.parent().and_then(|p| taken.get(p)) {
        Some(Format::FhirBulk) => !bulk::is_file(f),
        Some(_) => csv::table_name(f).is_none(),
        None => true,
    });
    Ok(files)
}

/// What an archive holds.
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
    let others = archive.others().iter().chain(&hidden).map(|p| Other::unknown(p)).collect();
    let mut found = Survey { others, ..Survey::default() };
    let files = without_tables(&mut found, files, archive.path(), Some(&archive), options)?;
    let places = files.into_iter().map(|m| Place::new(m, Some(archive.clone()))).collect();
    several(found, places, &name, options)
}

/// Adds the stays of files, which come in order.
fn several(mut found: Survey, places: Vec<Place>, name: &str, options: &Options) -> Result<Survey, Error> {
    let segments: BTreeSet<PathBuf> = places.iter().flat_map(wfdb::segments).collect();
    let places: Vec<(Place, Result<Format, Error>)> =
        places.into_iter().map(|place| (place.clone(), format_within(&place, options))).collect();
    let is_parquet = |(_, format): &&(Place, Result<Format, Error>)| *format == Ok(Format::Parquet);
    let (mut sets, repeated) =
        parquet::grouped(places.iter().filter(is_parquet).map(|(place, _)| place.clone()).collect());
    for (place, format) in &places {
        match format {
            Ok(Format::Wfdb) if segments.contains(place.path()) => {}
            Ok(Format::Parquet) => {
                let is_first = |set: &Vec<Place>| set[0].path() == place.path();
                if let Some(set) = sets.iter_mut().find(|set| is_first(set)) {
                    add_parquet(&mut found, std::mem::take(set), options);
                    sets.retain(|set| !set.is_empty());
                } else if repeated.iter().any(|p| p.path() == place.path()) {
                    found.others.push(Other::unknown(place.path()));
                }
            }
            Ok(format) => add(&mut found, place, *format, options),
            Err(_) if wfdb::header_beside(place).is_some() => {}
            Err(why) => found.others.push(Other::not_detected(place.path(), why)),
        }
    }
    some(found, name)
}

/// What was found, each stay with a name of its own; without a stay the first fault of what holds none.
fn some(mut found: Survey, name: &str) -> Result<Survey, Error> {
    tell_apart(&mut found.stays);
    if found.stays.is_empty() {
        let why = found.others.into_iter().find_map(|other| other.why);
        return Err(why.unwrap_or_else(|| Error::file(name, Fault::Unrecognised)));
    }
    Ok(found)
}

/// The format of a file in a folder; a format asked for also takes damaged files of its usual name.
fn format_within(place: &Place, options: &Options) -> Result<Format, Error> {
    let found = detect_at(place);
    match options.format {
        Some(wanted) if found == Ok(wanted) || wanted.fits(place.path()) => Ok(wanted),
        Some(_) => Err(Error::file(&safe_name(place.path()), Fault::Unrecognised)),
        None => found,
    }
}

/// The format of the tables that a folder holds.
fn tables_in(folder: &Folder, options: &Options) -> Option<Format> {
    let is = |format: Format, holds: bool| holds.then_some(format);
    let found = is(Format::Eicu, eicu::is_folder(folder))
        .or_else(|| mimic::format_of(folder))
        .or_else(|| is(Format::FhirBulk, bulk::is_folder(folder)))?;
    options.format.is_none_or(|f| f == found).then_some(found)
}

/// The format and the folder of the tables whose table of stays, which stands for its folder, a file is.
fn stays_table(path: &Path, options: &Options) -> Option<(Format, Folder)> {
    // The outer first: a folder of tables within one of MIMIC-IV is a part of it.
    let mut folders: Vec<Folder> = path.ancestors().skip(1).take(2).map(Folder::from).collect();
    folders.reverse();
    let stands = |folder: Folder| {
        let format = tables_in(&folder, options)?;
        let stands = if format == Format::Eicu {
            eicu::is_stays(&folder, path)
        } else {
            mimic::is_stays(&folder, path)
        };
        stands.then_some((format, folder))
    };
    csv::table_name(path)?;
    folders.into_iter().find_map(stands)
}

/// The stays of a folder of tables; where not one can be read, its first fault.
fn add_tables(found: &mut Survey, folder: &Folder, format: Format, options: &Options) -> Result<(), Error> {
    let refused = |fault| Error::file(&safe_name(folder.path()), fault);
    let none = |at, fault| Error { stay: safe_name(folder.path()), at, fault };
    let nobody = |of: &str| none(At::File, Fault::Missing(format!("a row of {of} that can be read")));
    let first = |faults: &[(At, Fault)], of: &str| {
        faults.first().map_or_else(|| nobody(of), |(at, fault)| none(*at, fault.clone()))
    };
    let (names, path, tables, why): (Vec<String>, _, _, _) = match format {
        Format::Eicu => {
            let tables = eicu::Tables::open(folder, options.base).map_err(refused)?;
            let why = first(tables.faults(), "patient");
            (tables.names().collect(), tables.path(), Tables::Eicu(Arc::new(tables)), why)
        }
        Format::FhirBulk => {
            let export = bulk::Export::open(folder.path(), options.base).map_err(refused)?;
            let names = numbered(&safe_name(folder.path()), export.patients().len()).collect();
            (names, export.path(), Tables::FhirBulk(Arc::new(export)), nobody("Patient"))
        }
        _ => {
            let tables = mimic::Tables::open(folder, format).map_err(refused)?;
            let why = first(tables.faults(), "ICUSTAYS");
            (tables.names().collect(), tables.path(), Tables::Mimic(Arc::new(tables)), why)
        }
    };
    if names.is_empty() {
        return Err(why);
    }
    found.stays.extend(names.into_iter().enumerate().map(|(series, name)| StaySource {
        name,
        path: path.clone(),
        format,
        series,
        base: options.base,
        archive: folder.archive().cloned(),
        tables: Some(tables.clone()),
    }));
    Ok(())
}

/// Names of stays that are told apart by numbers alone: a name is printed, and a patient's id is not.
fn numbered(stem: &str, count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(move |number| format!("{stem}-{number:05}"))
}

/// The stays of Parquet tables that belong together, named by the file, or by the folder of several.
fn add_parquet(found: &mut Survey, places: Vec<Place>, options: &Options) {
    let Some(first) = places.first().cloned() else { return };
    let folder = first.path().parent().filter(|folder| places.len() > 1 && folder.file_name().is_some());
    let stem = safe_name(folder.unwrap_or(first.path()));
    let refused =
        |place: &Place, fault| Other::refused(place.path(), Error::file(&safe_name(place.path()), fault));
    let (tables, faults) = parquet::Tables::open(places);
    found.others.extend(faults.into_iter().map(|(place, fault)| refused(&place, fault)));
    if tables.patients().is_empty() {
        let nobody = Fault::Missing("a row with a patient".to_owned());
        found.others.extend(tables.places().map(|place| refused(place, nobody.clone())));
        return;
    }
    let tables = Arc::new(tables);
    let names = numbered(&stem, tables.patients().len());
    found.stays.extend(names.enumerate().map(|(series, name)| StaySource {
        name,
        path: tables.path(),
        format: Format::Parquet,
        series,
        base: options.base,
        archive: first.archive().cloned(),
        tables: Some(Tables::Parquet(tables.clone())),
    }));
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
