//! Tables in a folder, on disk or within an archive: CSV files, plain or gzip, read by line.
//!
//! Lines are the records: none of the columns read here holds a line break, and so a quote that is never
//! closed breaks its own row and not the rest of the table.

use std::{
    io::{BufRead, BufReader},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    Fault,
    lines::{Lines, MAX_TABLE_LINE, csv_fields},
    place::{Folder, Place},
};

/// The file of a table in a folder, whatever the case of the name; a plain one before a packed one.
pub fn file(folder: &Folder, table: &str) -> Option<Place> {
    let of_table = |file: Place| {
        let (name, packed) = table_name(file.path())?;
        (name.eq_ignore_ascii_case(table) && file.is_file()).then_some((packed, file))
    };
    // The first of equals: files come in the order of their names.
    folder.files().into_iter().filter_map(of_table).min_by_key(|(packed, _)| *packed).map(|(_, file)| file)
}

/// The upper-case name of the table that a file's name says, and whether it is packed.
pub fn table_name(path: &Path) -> Option<(String, bool)> {
    let name = path.file_name()?.to_string_lossy().to_uppercase();
    let packed = name.ends_with(".CSV.GZ");
    let stem = name.strip_suffix(".GZ").unwrap_or(&name).strip_suffix(".CSV")?;
    Some((stem.to_owned(), packed))
}

fn lines(file: &Place) -> std::io::Result<Lines<Box<dyn BufRead>>> {
    let mut file = BufReader::with_capacity(1 << 16, file.open()?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let input: Box<dyn BufRead> = if packed {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
    } else {
        Box::new(file)
    };
    Ok(Lines::new(input, MAX_TABLE_LINE))
}

/// The column names of a table.
pub fn header(file: &Place) -> std::io::Result<Vec<String>> {
    let first = lines(file)?.next().transpose()?;
    let text = first.and_then(|l| l.text()).unwrap_or_default();
    Ok(csv_fields(&text))
}

/// Whether a table has all these columns, whatever the case of their names.
pub fn has_columns(file: &Place, wanted: &[&str]) -> bool {
    let Ok(names) = header(file) else { return false };
    wanted.iter().all(|w| names.iter().any(|n| n.eq_ignore_ascii_case(w)))
}

/// Calls `each` with the line and the wanted columns of every row (whose it is, and what it says); `None`
/// where the row has not as many fields as the header, or is longer than 64 KiB. A column that is wanted with
/// a `?` before its name may be missing: its cells are empty then. `A|B` is the column that is called either.
///
/// # Errors
/// When the table cannot be read, or not to its end, or a column is missing.
pub fn rows<const M: usize, const N: usize>(
    file: &Place,
    ids: [&'static str; M],
    wanted: [&'static str; N],
    mut each: impl FnMut(u64, Option<([&str; M], [&str; N])>),
) -> Result<(), Fault> {
    let io = |e: std::io::Error| Fault::Io(e.kind());
    let names = header(file).map_err(io)?;
    let (ids, wanted) = (columns(&names, ids)?, columns(&names, wanted)?);
    for line in lines(file).map_err(io)?.skip(1) {
        let line = line.map_err(io)?;
        let Some(text) = line.text() else {
            each(line.number, None);
            continue;
        };
        if text.trim().is_empty() {
            continue;
        }
        let quoted;
        let fields: Vec<&str> = if text.contains('"') {
            quoted = csv_fields(&text);
            quoted.iter().map(String::as_str).collect()
        } else {
            text.split(',').map(str::trim).collect()
        };
        let row = (fields.len() == names.len())
            .then(|| (ids.map(|c| cell(&fields, c)), wanted.map(|c| cell(&fields, c))));
        each(line.number, row);
    }
    Ok(())
}

fn cell<'a>(fields: &[&'a str], column: Option<usize>) -> &'a str {
    column.and_then(|c| fields.get(c)).copied().unwrap_or_default()
}

fn columns<const N: usize>(names: &[String], wanted: [&'static str; N]) -> Result<[Option<usize>; N], Fault> {
    let mut columns = [None; N];
    for (column, name) in columns.iter_mut().zip(wanted) {
        let (name, optional) = name.strip_prefix('?').map_or((name, false), |name| (name, true));
        *column = names.iter().position(|n| name.split('|').any(|name| n.eq_ignore_ascii_case(name)));
        if column.is_none() && !optional {
            return Err(Fault::Header(format!("there is no column {name}")));
        }
    }
    Ok(columns)
}
